//! Counters that were read a moment ago, so that however many ask, a group is read twice in a second at most, by one at a time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;

use super::Counted;
use crate::clock::Stopwatch;
use crate::store::{Counter, Counters, Store, StoreError, Tally};

/// Groups that are kept; the largest is some 25 KB.
const MAX_GROUPS: usize = 512;
/// How long what was read is shown without another look.
const FRESH: Duration = Duration::from_secs(2);
/// How long it is shown where the store fails.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// After a failure the store is left alone for so long.
const PAUSE: Duration = Duration::from_millis(500);
/// How long those wait who can do without: much less than the edge gives a region.
const PATIENCE: Duration = Duration::from_millis(250);
const _: () = assert!(PATIENCE.as_millis() * 2 < echoes_shared::policy::ATTEMPT_MILLIS as u128);

type Group = Arc<BTreeMap<Counter, Tally>>;

/// What this process has read of the counters.
#[derive(Debug)]
pub(in crate::service) struct Kept {
    places: Cache<Counters, Arc<Place>>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { places: Cache::new(MAX_GROUPS) }
    }
}

/// One group's place.
#[derive(Debug, Default)]
struct Place {
    last: Mutex<Last>,
    /// Whoever reads holds it.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Last {
    read: Option<(Stopwatch, Group)>,
    failed: Option<(Stopwatch, StoreError)>,
}

impl Last {
    fn younger_than(&self, age: Duration) -> Option<Group> {
        self.read.as_ref().filter(|(at, _)| at.elapsed() < age).map(|(_, group)| Arc::clone(group))
    }

    /// What is to be answered without a look at the store, if anything is.
    fn answer(&self) -> Option<Result<Group, StoreError>> {
        if let Some(group) = self.younger_than(FRESH) {
            return Some(Ok(group));
        }
        let (_, error) = self.failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE)?;
        Some(self.younger_than(STALE).ok_or_else(|| error.clone()))
    }
}

impl Place {
    fn last(&self) -> MutexGuard<'_, Last> {
        // Nothing between two changes of it can panic.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers how a read ended; what is shown then.
    fn ended(&self, outcome: Result<Group, StoreError>) -> Result<Group, StoreError> {
        let mut last = self.last();
        match outcome {
            Ok(group) => {
                *last = Last { read: Some((Stopwatch::start(), Arc::clone(&group))), failed: None };
                Ok(group)
            }
            Err(error) => {
                last.failed = Some((Stopwatch::start(), error.clone()));
                last.younger_than(STALE).ok_or(error)
            }
        }
    }
}

impl Kept {
    /// A group: from memory while it is fresh, else from the store, else from memory all the same.
    pub(in crate::service) async fn read(
        &self,
        store: &Store,
        group: Counters,
    ) -> Result<Counted<Group>, StoreError> {
        let place = self.place(&group);
        if let Some(answer) = place.last().answer() {
            return answer.map(|body| Counted { body, from_store: false });
        }
        let _reading = place.reading.lock().await;
        // Another may have read it meanwhile.
        if let Some(answer) = place.last().answer() {
            return answer.map(|body| Counted { body, from_store: false });
        }
        let read = Box::pin(store.counters(&group)).await.map(Arc::new);
        place.ended(read).map(|body| Counted { body, from_store: true })
    }

    /// The same for those who can do without, and do not wait long. Nothing where nothing is known.
    pub(in crate::service) async fn read_soon(&self, store: &Store, group: Counters) -> Option<Counted<Group>> {
        let place = self.place(&group);
        match tokio::time::timeout(PATIENCE, self.read(store, group)).await {
            Ok(read) => read.ok(),
            Err(_) => {
                let late = StoreError::Unreachable { operation: "Query", cause: "no answer in time".to_owned() };
                place.ended(Err(late)).ok().map(|body| Counted { body, from_store: false })
            }
        }
    }

    fn place(&self, group: &Counters) -> Arc<Place> {
        // In one step, so that no two who ask at a time have a place each.
        let Ok(place) = self.places.get_or_insert_with(group, || Ok::<_, Infallible>(Arc::default()));
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(echoes: i64) -> Group {
        Arc::new([(Counter::All, Tally { created: echoes, ..Tally::default() })].into())
    }

    #[test]
    fn all_who_ask_for_a_group_share_its_place() {
        for _ in 0..100 {
            let kept = Kept::default();
            let places = std::thread::scope(|scope| {
                let asking = [(); 4].map(|()| scope.spawn(|| kept.place(&Counters::All)));
                asking.map(|asking| asking.join().unwrap())
            });
            assert!(places.iter().all(|place| Arc::ptr_eq(place, &places[0])));
        }
    }

    #[test]
    fn what_was_read_is_shown_while_the_store_fails() {
        let place = Place::default();
        let failure = StoreError::Throttled { operation: "Query" };
        assert_eq!(place.last().answer(), None);
        assert_eq!(place.ended(Err(failure.clone())), Err(failure.clone()));
        assert_eq!(place.last().answer(), Some(Err(failure.clone())), "the store is left alone for a moment");
        assert_eq!(place.ended(Ok(group(1))), Ok(group(1)));
        assert_eq!(place.last().answer(), Some(Ok(group(1))));
        assert_eq!(place.ended(Err(failure)), Ok(group(1)));
    }
}
