//! Those who listen now: one hub in each serving process, which the stream's sink feeds and `GET /v1/live` is sent from.
//!
//! # Why nobody misses anything
//!
//! The hub holds the events of the last minutes in a ring, and listeners have no queues: each has a position in the ring, and is sent what
//! comes after it, the same bytes as everybody else. Who falls behind by more than a bound, or behind the ring's end, is ended and comes back.
//! An id says where in which ring ("run") an event stood and when it was written, by the stream's clock. So who comes back
//!
//! - to the same ring is sent exactly what comes after;
//! - to another (another process or region, or after a restart or a gap) is sent what was written since ten seconds before: from the ring if that
//!   reaches back so far, else what the store lists first, oldest first, and then the ring. It may be sent an echo twice, which its id and
//!   version tell. What takes more than ten seconds from its write to this hub may be missed by who changes rings in just that time; and of what
//!   the ring does not hold, an echo whose `Idempotency-Key` was made long before it was used, and deletes.
//!
//! A hub that may have missed something, because the connection to Redis was interrupted or the worker says that it could not tell, begins
//! a new ring and ends all streams: their listeners come back as to another ring.

mod happening;
mod listener;
mod message;
mod ring;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echoes_shared::live::{EventId, Run};
use echoes_shared::policy::LIVE_BEAT_SECONDS;
use echoes_shared::{Emotion, Timestamp};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, watch};

use crate::cache::{Cache, LiveHeard};
use crate::clock;
use crate::metrics::LiveMetrics;
use listener::Beginning;
use ring::Ring;

pub use happening::{Happening, What};
pub use listener::Listener;
pub(crate) use message::write as messages;
pub(crate) use ring::MAX_AGE_MILLIS;

/// The live hub of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Tells that the state has changed.
    news: watch::Sender<()>,
    seats: Arc<Semaphore>,
    metrics: LiveMetrics,
    /// Between two comments.
    beat: Duration,
    /// Milliseconds of the monotonic clock.
    clock: fn() -> u64,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    fed: bool,
    closed: bool,
}

/// Why nobody may listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// As many listen as may.
    Full,
    /// This process hears of nothing: it has no worker, and no Redis to hear of one.
    Unfed,
    /// The process ends.
    Closing,
}

/// A listener, and what it must be given first.
#[derive(Debug)]
pub struct Entrance {
    /// The listener.
    pub listener: Listener,
    /// It must be given the echoes since then first ([`Listener::replay`]), or be told that it cannot ([`Listener::begin_here`]).
    pub store_since: Option<Timestamp>,
}

impl Hub {
    /// A hub that at most `seats` listen to at a time, and that hears of nothing yet.
    pub fn new(seats: usize, metrics: LiveMetrics) -> Self {
        Self::with_clock(seats, metrics, Duration::from_secs(LIVE_BEAT_SECONDS), clock::monotonic_millis)
    }

    fn with_clock(seats: usize, metrics: LiveMetrics, beat: Duration, clock: fn() -> u64) -> Self {
        let state = Mutex::new(State { ring: Ring::new(new_run()), fed: false, closed: false });
        let (news, _) = watch::channel(());
        Self(Arc::new(Shared { state, news, seats: Arc::new(Semaphore::new(seats)), metrics, beat, clock }))
    }

    /// From now on something feeds it: a worker in this process, or [`follow`].
    pub fn is_fed(&self) {
        self.state().fed = true;
    }

    /// Tells all who listen, of each state of an echo once and of none that an echo has left.
    pub fn publish(&self, happenings: &[Happening]) {
        let drawn: Vec<_> = happenings.iter().map(Happening::draw).collect();
        let now_millis = (self.0.clock)();
        let mut state = self.state();
        let new = drawn.iter().filter(|drawn| state.ring.push(drawn, now_millis)).count();
        drop(state);
        self.0.metrics.published(new, drawn.len() - new);
        if new > 0 {
            self.0.news.send_replace(());
        }
    }

    /// Something may have been missed: all streams end, and who comes back is sent what the store lists.
    pub fn gap(&self) {
        self.state().ring = Ring::new(new_run());
        self.0.news.send_replace(());
    }

    /// All streams end, and nobody may listen any more.
    pub fn close(&self) {
        self.state().closed = true;
        self.0.news.send_replace(());
    }

    /// Lets one in who listens to `emotion`, or to all, and was sent `last` before. `now` is the wall clock.
    ///
    /// # Errors
    /// When nobody more may listen.
    pub fn enter(
        &self,
        emotion: Option<Emotion>,
        last: Option<EventId>,
        now: Timestamp,
    ) -> Result<Entrance, Refusal> {
        let state = self.state();
        if state.closed {
            return Err(Refusal::Closing);
        }
        if !state.fed {
            return Err(Refusal::Unfed);
        }
        let Ok(seat) = Arc::clone(&self.0.seats).try_acquire_owned() else {
            self.0.metrics.refused();
            return Err(Refusal::Full);
        };
        let start = last.map(|last| state.ring.start(last));
        let beginning = Beginning {
            emotion,
            after: start.map_or(state.ring.last(), |start| start.after),
            since: last.map_or(now, |last| last.at.min(now)),
            returns: last.is_some(),
        };
        let listener = Listener::new(self, &state, seat, beginning);
        Ok(Entrance { listener, store_since: start.and_then(|start| start.store_since) })
    }

    fn news(&self) -> watch::Receiver<()> {
        self.0.news.subscribe()
    }

    fn metrics(&self) -> &LiveMetrics {
        &self.0.metrics
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_run() -> Run {
    Run(rand::random())
}

/// Feeds `hub` with what the workers of the region's other processes say, within a runtime and to the end of `cache`; answers whether
/// there is a way to hear them.
pub fn follow(hub: &Hub, cache: &Cache) -> bool {
    let Some(mut heard) = cache.hear_live() else { return false };
    hub.is_fed();
    let hub = hub.clone();
    tokio::spawn(async move {
        loop {
            match heard.recv().await {
                Ok(LiveHeard::Message(message)) => match message::read(&message) {
                    Some(happenings) => hub.publish(&happenings),
                    None => {
                        tracing::warn!(
                            bytes = message.len(),
                            "the worker said what this process does not understand"
                        );
                        hub.gap();
                    }
                },
                Ok(LiveHeard::Gap) | Err(RecvError::Lagged(_)) => hub.gap(),
                Err(RecvError::Closed) => return,
            }
        }
    });
    true
}
