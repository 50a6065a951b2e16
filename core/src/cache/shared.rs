//! One flight below memory: the walk through Redis and Memcached, the load, and what is kept of it where.

use std::sync::Arc;
use std::time::Duration;

use echoes_shared::Timestamp;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::envelope::Envelope;
use super::lifetimes::millis;
use super::redis::{Heard, Kept, Lease, Look, Redis};
use super::trail::Step;
use super::walk::{Ask, Fill, Found, Freshness, Right, Walk};
use super::{Key, Load, Loaded, Tiers, Value};
use crate::clock::Stopwatch;
use crate::metrics::{CacheOutcome, Tier};
use crate::store::StoreError;
use crate::units;

/// From its beginning to its end a flight takes this long at most; then those who wait are let go.
const FLIGHT_DEADLINE: Duration = Duration::from_millis(1_500);
/// A load is given so much at least, however long others' loads were awaited before.
const MIN_LOAD_DEADLINE: Duration = Duration::from_millis(500);

/// What a flight is about.
#[derive(Debug, Clone)]
pub(super) struct Errand {
    pub key: Key,
    /// The wall clock of whoever began it.
    pub now: Timestamp,
    /// A shared tier's value that is fresh for less does not do.
    pub at_least: Duration,
    /// Since when the indexes have heard of the last invalidation that this process knows of; see [`super::flights::Order`].
    pub settled_millis_ago: Option<i64>,
}

impl Errand {
    pub(super) fn new(key: &Key, now: Timestamp) -> Self {
        Self { key: key.clone(), now, at_least: Duration::ZERO, settled_millis_ago: None }
    }
}

/// What came from below memory.
#[derive(Debug)]
pub(super) struct Fetched {
    pub value: Arc<Value>,
    pub below: Vec<Step>,
    pub fresh: Freshness,
    /// Whether the key changed while it was loaded, as Redis says.
    pub discarded: bool,
}

impl Tiers {
    /// Walks through the shared tiers to the store, and back with what was found.
    pub(super) async fn fetch(&self, errand: &Errand, load: impl Load) -> Result<Fetched, StoreError> {
        let watch = Stopwatch::start();
        // Since when what a shared tier shows is known to count.
        let mut looked_at = (self.clock)();
        let name = errand.key.to_string();
        let mut walk = Walk::new(self.memcached.is_some(), errand.at_least, errand.settled_millis_ago);
        let mut ask = if self.redis.is_some() { Ask::Look } else { Ask::Load(None) };
        let mut heard = None;
        loop {
            let Some(redis) = &self.redis else { return self.load(errand, walk, None, watch, load).await };
            ask = match ask {
                Ask::Look => {
                    looked_at = (self.clock)();
                    self.look(redis, &name, errand, &mut walk).await
                }
                Ask::Fetch => self.fetch_far(&name, errand, &mut walk).await,
                Ask::Promote { envelope, left } => {
                    let kept = redis.keep(&name, envelope.stamp, None, envelope.encode(), left).await;
                    walk.promoted(kept == Kept::Discarded)
                }
                Ask::Begin => {
                    // Before the lease is asked for, so that no news of its end is missed.
                    heard = Some(redis.hear());
                    walk.begun(redis.begin(&name).await, &self.lifetimes)
                }
                Ask::Wait(at_most) => {
                    let waited = self.wait(redis, &name, errand, &mut walk, heard.as_mut());
                    // Filled or not, the next look says what there is.
                    timeout(at_most, waited).await.unwrap_or(Ask::Look)
                }
                Ask::Load(right) => return self.load(errand, walk, right, watch, load).await,
                Ask::Show(found) => {
                    let below = walk.steps(Some(&found));
                    let Found { value, fresh, .. } = found;
                    let most_millis = fresh.millis.min(millis(self.lifetimes.memory));
                    let fresh = Freshness { millis: most_millis.saturating_sub(self.since(looked_at)), ..fresh };
                    return Ok(Fetched { value, below, fresh, discarded: false });
                }
            };
        }
    }

    async fn look(&self, redis: &Redis, name: &str, errand: &Errand, walk: &mut Walk<Arc<Value>>) -> Ask<Arc<Value>> {
        let watch = Stopwatch::start();
        let look = redis.look(name).await;
        if look == Look::Away {
            self.metrics.request(Tier::L2, CacheOutcome::Error);
        }
        let (ask, outcome) = walk.looked(look, &self.lifetimes, |envelope| self.open(envelope, errand.now));
        if let Some(outcome) = outcome {
            self.metrics.took(Tier::L2, watch.elapsed());
            self.metrics.request(Tier::L2, outcome);
        }
        ask
    }

    /// Waits for another process's load. Where its news may have been missed, as at the start of this process, a look tells whether
    /// it is over; if it is not, the wait goes on: to load as well would cost the store a call.
    async fn wait(
        &self,
        redis: &Redis,
        name: &str,
        errand: &Errand,
        walk: &mut Walk<Arc<Value>>,
        heard: Option<&mut Receiver<Heard>>,
    ) -> Ask<Arc<Value>> {
        if let Some(heard) = heard {
            while !is_filled(heard, name).await {
                match self.look(redis, name, errand, walk).await {
                    Ask::Begin | Ask::Fetch => {}
                    found_or_away => return found_or_away,
                }
            }
        }
        Ask::Look
    }

    async fn fetch_far(&self, name: &str, errand: &Errand, walk: &mut Walk<Arc<Value>>) -> Ask<Arc<Value>> {
        let watch = Stopwatch::start();
        let (bytes, away) = match &self.memcached {
            Some(memcached) => (memcached.get(name).await, memcached.is_left_out(name)),
            None => (None, false),
        };
        let nothing = bytes.is_none();
        let (ask, outcome) =
            walk.fetched(bytes.as_ref(), &self.lifetimes, |envelope| self.open(envelope, errand.now));
        let outcome = if nothing && away { CacheOutcome::Error } else { outcome };
        self.metrics.took(Tier::L3, watch.elapsed());
        self.metrics.request(Tier::L3, outcome);
        ask
    }

    /// The value in an envelope, without what is known to be deleted. One with an echo that has expired does not count.
    fn open(&self, envelope: &Envelope, now: Timestamp) -> Result<Arc<Value>, CacheOutcome> {
        let value = Value::decode(envelope.kind, envelope.payload.clone()).ok_or(CacheOutcome::Error)?;
        if value.has_expired(now) {
            return Err(CacheOutcome::Miss);
        }
        Ok(Arc::new(value.without(&self.departed)))
    }

    async fn load(
        &self,
        errand: &Errand,
        mut walk: Walk<Arc<Value>>,
        right: Option<Right>,
        watch: Stopwatch,
        load: impl Load,
    ) -> Result<Fetched, StoreError> {
        let left = FLIGHT_DEADLINE.saturating_sub(watch.elapsed()).max(MIN_LOAD_DEADLINE);
        let (watch, began_at) = (Stopwatch::start(), (self.clock)());
        let loaded = within(left, load).await;
        self.metrics.loaded(watch.elapsed());
        self.memory.loaded(loaded.is_err());
        let lease = right.as_ref().and_then(|right| right.lease).map(|token| Lease { token });
        let value = match loaded {
            Ok(loaded) => Arc::new(loaded.into_value(&errand.key, &self.departed)),
            Err(error) => {
                if let (Some(redis), Some(lease)) = (&self.redis, &lease) {
                    redis.give_up(&errand.key.to_string(), lease).await;
                }
                return Err(error);
            }
        };
        let fill = |walk: &Walk<_>| {
            let settling = walk.settling_millis(right.as_ref(), &self.lifetimes);
            Fill::new(&self.lifetimes, settling, self.since(began_at), value.is_absent())
        };
        let mut discarded = false;
        if let Some(right) = &right {
            let kept = self.keep(errand, right, lease.as_ref(), &fill(&walk), &value).await;
            discarded = kept == Kept::Discarded;
            walk.kept(kept);
        }
        // As much as is left now: Redis may have taken its time.
        let fresh = fill(&walk).memory;
        Ok(Fetched { value, below: walk.steps(None), fresh, discarded })
    }

    /// Milliseconds since a moment of the monotonic clock.
    fn since(&self, tick: u64) -> u64 {
        (self.clock)().saturating_sub(tick)
    }

    /// Keeps a loaded value in the shared tiers, if its right still holds.
    async fn keep(&self, errand: &Errand, right: &Right, lease: Option<&Lease>, fill: &Fill, value: &Value) -> Kept {
        let Some(redis) = &self.redis else { return Kept::Away };
        let name = errand.key.to_string();
        let (kind, payload) = value.encode();
        let envelope = |millis| right.envelope(millis, fill.memory.brief, kind, payload.clone()).encode();
        let life = Duration::from_millis(fill.redis_millis);
        let kept = redis.keep(&name, right.stamp, lease, envelope(fill.redis_millis), life).await;
        if let (Kept::Yes, Some(memcached), false) = (kept, &self.memcached, fill.memory.brief) {
            let life = Duration::from_millis(fill.memcached_millis);
            let (memcached, envelope) = (Arc::clone(memcached), envelope(fill.memcached_millis));
            // Nobody waits for it, since nothing depends on it; it ends by its own deadline.
            tokio::spawn(async move { memcached.set(&name, envelope, life).await });
        }
        kept
    }
}

/// Runs a load in a task of its own, so that one that panics or hangs is an error like any other.
async fn within(deadline: Duration, load: impl Load) -> Result<Loaded, StoreError> {
    let unreachable = |cause: &str| StoreError::Unreachable { operation: "load", cause: cause.to_owned() };
    let mut task = tokio::spawn(async move { units::counted(load()).await });
    match timeout(deadline, &mut task).await {
        Ok(Ok((loaded, consumed))) => {
            units::consume(consumed);
            loaded
        }
        Ok(Err(_)) => Err(unreachable("it ended without an answer")),
        Err(_) => {
            task.abort();
            Err(unreachable("it had no answer in time"))
        }
    }
}

/// Waits until the key is said to be filled, or something was missed. Returns whether it has been filled, which it may be unheard.
async fn is_filled(heard: &mut Receiver<Heard>, name: &str) -> bool {
    loop {
        match heard.recv().await {
            Ok(Heard::Filled(key)) if key == name => return true,
            Ok(Heard::Filled(_) | Heard::Message(_)) => {}
            Ok(Heard::Gap) | Err(RecvError::Lagged(_)) => return false,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
