//! One read: memory, else a flight of this key, else a flight of its own.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use echoes_shared::Timestamp;
use echoes_shared::policy::TIMELINES_DEADLINE_MILLIS;
use tokio::sync::watch;
use tokio::time::timeout;

use super::flights::{Joined, Landed, Order, Outcome, Waiting};
use super::lifetimes::millis;
use super::memory::{Entry, Standing, Times};
use super::shared::{Errand, Fetched};
use super::trail::Trail;
use super::{Cached, Key, Load, Tiers, Value};
use crate::metrics::{CacheOutcome, Tier};
use crate::store::StoreError;
use crate::units;

/// How often a reader joins a flight that turns out to have begun before a write. Then it is shown what the last one brought:
/// that was read while the reader waited.
const MAX_ROUNDS: usize = 3;
/// How long a load is awaited while the store fails, where memory has something to show instead: well within the deadline of
/// those who ask for several lists at once.
const PATIENCE: Duration = Duration::from_millis(300);
const _: () = assert!(PATIENCE.as_millis() < TIMELINES_DEADLINE_MILLIS as u128);

/// Where a reader finds itself.
enum Boarded {
    /// Memory has it.
    Shown(Cached),
    /// Memory has it, and this reader is to have it refreshed.
    Due(Cached, Arc<Entry>),
    /// Somebody else's flight.
    Joined(Waiting),
    /// A flight of its own is to begin.
    Begun(Departure, Waiting),
    /// There are too many flights.
    Full,
}

/// A flight that is to begin.
pub(super) struct Departure {
    flight: u64,
    outcome: watch::Sender<Option<Outcome>>,
    settled_millis_ago: Option<i64>,
    gaps: u64,
}

impl Tiers {
    /// What memory shows of a key, if nothing else is to be done.
    pub(super) fn peek(&self, key: &Key, now: Timestamp) -> Option<Cached> {
        let entry = self.memory.get(key)?;
        match entry.standing((self.clock)(), now, self.memory.gaps()) {
            Standing::Shown { left_millis } => Some(self.show(key, &entry, left_millis, now)),
            Standing::Due { .. } | Standing::Old { .. } | Standing::Dead => None,
        }
    }

    /// Counts what memory shows. What is past its freshness is looked through first, and so is a single echo, which goes with
    /// its person too.
    fn show(&self, key: &Key, entry: &Arc<Entry>, left_millis: i64, now: Timestamp) -> Cached {
        let value = match entry.value.as_ref() {
            Value::Head(_) if left_millis > 0 => Arc::clone(&entry.value),
            _ => Value::shown(&entry.value, now, &self.departed),
        };
        if matches!(value.as_ref(), Value::Head(_)) && !Arc::ptr_eq(&value, &entry.value) {
            let _order = self.flights.order();
            self.memory.trim(key, entry, &value, (self.clock)());
        }
        let outcome = if left_millis > 0 { CacheOutcome::Hit } else { CacheOutcome::Stale };
        self.metrics.request(Tier::L1, outcome);
        Cached { value, trail: Trail::memory(left_millis) }
    }

    /// See [`super::Cache::read`].
    pub(super) async fn read(
        self: &Arc<Self>,
        key: &Key,
        now: Timestamp,
        load: impl Load,
    ) -> Result<Cached, StoreError> {
        let mut last = None;
        for round in 0..MAX_ROUNDS {
            let boarded = self.board(key, now);
            if round == 0 && !matches!(boarded, Boarded::Shown(_) | Boarded::Due(..)) {
                self.metrics.request(Tier::L1, CacheOutcome::Miss);
            }
            let waiting = match boarded {
                Boarded::Shown(cached) => return Ok(cached),
                Boarded::Due(cached, entry) => {
                    self.refresh_beside(key, now, &entry, load);
                    return Ok(cached);
                }
                Boarded::Begun(departure, waiting) => {
                    self.depart(departure, Errand::new(key, now), load);
                    let landed = match self.landed(waiting, key, now).await {
                        Ok(landed) => landed,
                        Err(instead) => return instead,
                    };
                    units::consume(landed.units);
                    // What its own load read was read after this reader had come: it may see that, whoever else may not.
                    return Ok(self.cached(&landed, false, now));
                }
                Boarded::Joined(waiting) => waiting,
                Boarded::Full => break,
            };
            self.metrics.coalesced();
            let landed = match self.landed(waiting, key, now).await {
                Ok(landed) => landed,
                Err(instead) => return instead,
            };
            if landed.counts {
                return Ok(self.cached(&landed, true, now));
            }
            last = Some(landed);
        }
        if let Some(landed) = last {
            return Ok(self.cached(&landed, true, now));
        }
        let Fetched { value, below, .. } = self.fetch(&Errand::new(key, now), load).await?;
        Ok(Cached { value, trail: Trail::through_memory(&below, false) })
    }

    /// What a flight brought, as a reader is shown it. If the key changed meanwhile, what it lost is taken out.
    fn cached(&self, landed: &Landed, joined: bool, now: Timestamp) -> Cached {
        let value =
            if landed.counts { Arc::clone(&landed.value) } else { Value::shown(&landed.value, now, &self.departed) };
        Cached { value, trail: Trail::through_memory(&landed.below, joined) }
    }

    /// See [`super::Cache::refresh`].
    pub(super) async fn refresh(
        self: &Arc<Self>,
        key: &Key,
        now: Timestamp,
        at_least: Duration,
        load: impl Load,
    ) -> Result<(), StoreError> {
        if self.redis.is_none() && self.peek(key, now).is_some_and(|cached| !cached.trail.is_stale()) {
            return Ok(());
        }
        let boarded = self.join_or_begin(&mut self.flights.order(), key);
        let waiting = match boarded {
            Boarded::Begun(departure, waiting) => {
                self.depart(departure, Errand { at_least, ..Errand::new(key, now) }, load);
                waiting
            }
            Boarded::Joined(waiting) => waiting,
            Boarded::Shown(_) | Boarded::Due(..) | Boarded::Full => return Ok(()),
        };
        let landed = landed(waiting).await?;
        units::consume(landed.units);
        Ok(())
    }

    /// Looks into memory and takes a place on the key's flight in one step, so that nobody loads what has just landed.
    fn board(&self, key: &Key, now: Timestamp) -> Boarded {
        let mut order = self.flights.order();
        let entry = self.memory.get(key);
        let standing = entry.as_ref().map(|entry| entry.standing((self.clock)(), now, self.memory.gaps()));
        match (entry, standing) {
            (Some(entry), Some(Standing::Shown { left_millis })) => {
                drop(order);
                Boarded::Shown(self.show(key, &entry, left_millis, now))
            }
            (Some(entry), Some(Standing::Due { left_millis })) => {
                drop(order);
                Boarded::Due(self.show(key, &entry, left_millis, now), entry)
            }
            _ => self.join_or_begin(&mut order, key),
        }
    }

    fn join_or_begin(&self, order: &mut Order<Joined>, key: &Key) -> Boarded {
        if let Some(Joined(waiting)) = order.flight(key) {
            return Boarded::Joined(waiting);
        }
        let settled_millis_ago = order.settled_millis_ago(key, (self.clock)(), millis(self.lifetimes.settle));
        let (outcome, waiting) = watch::channel(None);
        match order.begin(key, Joined(waiting.clone())) {
            Some(flight) => {
                Boarded::Begun(Departure { flight, outcome, settled_millis_ago, gaps: self.memory.gaps() }, waiting)
            }
            None => Boarded::Full,
        }
    }

    /// Has a value that is shown meanwhile loaded again, if nobody does.
    fn refresh_beside(self: &Arc<Self>, key: &Key, now: Timestamp, entry: &Entry, load: impl Load) {
        if !entry.claim((self.clock)()) {
            return;
        }
        let boarded = self.join_or_begin(&mut self.flights.order(), key);
        match boarded {
            Boarded::Begun(departure, _) => self.depart(departure, Errand::new(key, now), load),
            Boarded::Full => entry.released(),
            Boarded::Joined(_) | Boarded::Shown(_) | Boarded::Due(..) => {}
        }
    }

    /// Begins a flight: a task of its own, which no caller that goes away ends.
    fn depart(self: &Arc<Self>, departure: Departure, errand: Errand, load: impl Load) {
        let tiers = Arc::clone(self);
        tokio::spawn(async move {
            let Departure { flight, outcome, settled_millis_ago, gaps } = departure;
            let errand = Errand { settled_millis_ago, ..errand };
            // However the flight ends, it leaves the order, and those who wait are freed: the sender goes with the task.
            let _leaves = Leaves { tiers: &tiers, key: &errand.key, flight };
            let (fetched, units) = units::counted(Box::pin(tiers.fetch(&errand, load))).await;
            let landed = match fetched {
                Ok(fetched) => Ok(tiers.land(&errand, flight, gaps, fetched, units)),
                Err(error) => {
                    if let Some(entry) = tiers.memory.get(&errand.key) {
                        entry.failed((tiers.clock)());
                    }
                    tiers.flights.order().end(&errand.key, flight);
                    Err(error)
                }
            };
            outcome.send_replace(Some(landed));
        });
    }

    /// Keeps in memory what a flight brought, unless the key changed since it began.
    fn land(&self, errand: &Errand, flight: u64, gaps: u64, fetched: Fetched, units: units::Units) -> Landed {
        let Fetched { value, below, fresh, discarded } = fetched;
        let tick = (self.clock)();
        let times = Times::new(&self.lifetimes, tick, fresh, value.is_absent(), rand::random());
        let mut order = self.flights.order();
        // What is over as it lands may be too old for who joined last.
        let counts = order.end(&errand.key, flight) && !discarded && fresh.millis > 0;
        if counts {
            self.memory.insert(&errand.key, Arc::clone(&value), times, gaps);
        } else if discarded {
            // Another process has changed it, whose message is still on its way.
            order.forget(&errand.key, tick, millis(self.lifetimes.settle));
            self.memory.remove(&errand.key);
        }
        drop(order);
        if !counts {
            self.metrics.discarded();
        }
        Landed { value, below: below.into(), counts, units }
    }

    /// What a flight brings; else what is shown instead: at its end, or earlier if it tarries and others have failed before it.
    async fn landed(
        &self,
        waiting: Waiting,
        key: &Key,
        now: Timestamp,
    ) -> Result<Landed, Result<Cached, StoreError>> {
        let mut landing = pin!(landed(waiting));
        if let Ok(outcome) = timeout(PATIENCE, &mut landing).await {
            return outcome.map_err(|error| self.instead(key, now).ok_or(error));
        }
        if self.memory.store_fails()
            && let Some(cached) = self.instead(key, now)
        {
            return Err(Ok(cached));
        }
        landing.await.map_err(|error| self.instead(key, now).ok_or(error))
    }

    /// What is shown where the store has failed.
    fn instead(&self, key: &Key, now: Timestamp) -> Option<Cached> {
        let entry = self.memory.get(key)?;
        match entry.standing((self.clock)(), now, self.memory.gaps()) {
            Standing::Shown { left_millis } | Standing::Due { left_millis } | Standing::Old { left_millis } => {
                Some(self.show(key, &entry, left_millis, now))
            }
            Standing::Dead => None,
        }
    }
}

/// Takes a flight out of the order when its task ends, should it have ended by a fault.
struct Leaves<'a> {
    tiers: &'a Tiers,
    key: &'a Key,
    flight: u64,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.tiers.flights.order().end(self.key, self.flight);
    }
}

async fn landed(mut waiting: Waiting) -> Outcome {
    let ended = waiting.wait_for(Option::is_some).await;
    let outcome = ended.ok().and_then(|outcome| outcome.clone());
    let lost = || StoreError::Unreachable { operation: "load", cause: "it ended without an answer".to_owned() };
    outcome.unwrap_or_else(|| Err(lost()))
}
