//! One load at a time for each key of this process, and the order of loads and invalidations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::trail::Step;
use super::{Key, Value};
use crate::store::StoreError;
use crate::units::Units;

/// Flights at a time. A read beyond that loads for itself alone.
const MAX_FLIGHTS: usize = 4_096;
/// Invalidated keys that are remembered while the store's indexes settle. Beyond that every key counts as one of them.
const MAX_TOLD: usize = 100_000;

/// What a flight came to.
pub(super) type Outcome = Result<Landed, StoreError>;
/// Where those who wait for a flight look; empty until it ends, closed where it never will.
pub(super) type Waiting = watch::Receiver<Option<Outcome>>;

/// What a flight brought.
#[derive(Debug, Clone)]
pub(super) struct Landed {
    pub value: Arc<Value>,
    /// The tiers below memory.
    pub below: Arc<[Step]>,
    /// Whether it counts for whoever joined; else the key changed while it was loaded.
    pub counts: bool,
    /// What it consumed, for the request that began it.
    pub units: Units,
}

/// Which flights there are and which keys were invalidated lately. `F` is what those who join get.
///
/// An invalidation takes the key's flight out of the order: whoever comes later begins another, and the first finds that it is
/// not the key's flight any more and keeps nothing. Times are milliseconds of the monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Order<F> {
    flying: BTreeMap<Key, (u64, F)>,
    flights: u64,
    told: BTreeMap<Key, u64>,
    all_told_at: Option<u64>,
}

impl<F> Default for Order<F> {
    fn default() -> Self {
        Self { flying: Default::default(), flights: 0, told: Default::default(), all_told_at: None }
    }
}

impl<F: Clone> Order<F> {
    /// What those get who join the key's flight.
    pub(super) fn flight(&self, key: &Key) -> Option<F> {
        self.flying.get(key).map(|(_, joined)| joined.clone())
    }

    /// Begins a flight of a key that has none: its number, or nothing where there are too many.
    pub(super) fn begin(&mut self, key: &Key, joined: F) -> Option<u64> {
        if self.flying.len() >= MAX_FLIGHTS {
            return None;
        }
        self.flights += 1;
        self.flying.insert(key.clone(), (self.flights, joined));
        Some(self.flights)
    }

    /// Ends a flight. Whether it was still the key's: only then may what it brought be kept.
    pub(super) fn end(&mut self, key: &Key, flight: u64) -> bool {
        let is_current = self.flying.get(key).is_some_and(|(current, _)| *current == flight);
        if is_current {
            self.flying.remove(key);
        }
        is_current
    }

    /// The key has changed: its flight, should it have one, keeps nothing.
    pub(super) fn forget(&mut self, key: &Key, tick: u64, settle_millis: u64) {
        self.flying.remove(key);
        if self.told.len() >= MAX_TOLD {
            self.told.retain(|_, at| tick.saturating_sub(*at) < settle_millis);
        }
        if self.told.len() >= MAX_TOLD {
            self.told.clear();
            self.all_told_at = Some(tick);
        }
        self.told.insert(key.clone(), tick);
    }

    /// How many milliseconds ago the store's indexes had heard of the last invalidation of this key that is known here; less
    /// than 0 where that may still take so long.
    pub(super) fn settled_millis_ago(&self, key: &Key, tick: u64, settle_millis: u64) -> Option<i64> {
        let told_at = self.told.get(key).copied().max(self.all_told_at)?;
        let signed = |millis| i64::try_from(millis).unwrap_or(i64::MAX);
        Some(signed(tick).saturating_sub(signed(told_at.saturating_add(settle_millis))))
    }
}

/// The flights of this process, and the one lock under which values enter and leave memory.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<Order<Joined>>);

/// A place on a flight.
#[derive(Debug, Clone)]
pub(super) struct Joined(pub Waiting);

impl Flights {
    /// The order of now. A holder that panicked leaves it whole: each change of it is one step.
    pub(super) fn order(&self) -> MutexGuard<'_, Order<Joined>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::echo;

    fn keys(count: u64) -> impl Iterator<Item = Key> {
        (0..count).map(|n| Key::Echo(echo("ana", n).echo_id))
    }

    #[test]
    fn an_invalidation_takes_the_flight_away() {
        let mut order = Order::default();
        let first = order.begin(&Key::Recent, 'a').unwrap();
        assert_eq!(order.flight(&Key::Recent), Some('a'));
        order.forget(&Key::Recent, 1, 2_000);
        assert_eq!(order.flight(&Key::Recent), None);
        let second = order.begin(&Key::Recent, 'b').unwrap();
        assert!(!order.end(&Key::Recent, first), "it began before the invalidation");
        assert_eq!(order.flight(&Key::Recent), Some('b'), "and its end is not the other's");
        assert!(order.end(&Key::Recent, second));
        assert!(!order.end(&Key::Recent, second));
    }

    #[test]
    fn a_key_settles_after_its_last_invalidation() {
        let mut order = Order::<()>::default();
        assert_eq!(order.settled_millis_ago(&Key::Recent, 0, 2_000), None);
        order.forget(&Key::Recent, 100, 2_000);
        order.forget(&Key::Recent, 600, 2_000);
        assert_eq!(order.settled_millis_ago(&Key::Recent, 700, 2_000), Some(-1_900));
        assert_eq!(order.settled_millis_ago(&Key::Recent, 2_700, 2_000), Some(100));
    }

    #[test]
    fn it_is_bounded() {
        let mut order = Order::default();
        let begun = keys(MAX_FLIGHTS as u64 + 10).filter(|key| order.begin(key, ()).is_some()).count();
        assert_eq!(begun, MAX_FLIGHTS);
        for key in keys(MAX_TOLD as u64 + 10) {
            order.forget(&key, 5, 2_000);
        }
        assert!(order.told.len() <= MAX_TOLD);
        assert_eq!(
            order.settled_millis_ago(&Key::Recent, 6, 2_000),
            Some(-1_999),
            "too many to remember: it may be any"
        );
    }
}
