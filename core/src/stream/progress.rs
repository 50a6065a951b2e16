//! How far the stream's effects are behind, for metrics, readiness and the other regions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ShardId;
use crate::metrics::Metrics;
use crate::sinks::SinkName;

/// A shard that has something to do and has not got on for so long makes the process not ready.
pub const STALLED: Duration = Duration::from_secs(60);

/// How far one sink is behind in one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which sink.
    pub sink: SinkName,
    /// The age of the oldest record that it has not applied.
    pub lag: Duration,
    /// For how long it has applied nothing though there was something.
    pub stuck: Duration,
    /// Whether the others go on without it.
    pub left: bool,
}

/// How far the stream's effects in this process are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Progress {
    metrics: Metrics,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    shards: HashMap<ShardId, Vec<Standing>>,
    /// Shards that wait for somebody to read them, and for how long.
    orphans: Vec<(ShardId, Duration)>,
    /// Whether the shards are known at all.
    known: bool,
}

impl Progress {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, state: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How the sinks stand in a shard that this process reads.
    pub(super) fn report(&self, shard: &ShardId, standings: Vec<Standing>) {
        self.lock().shards.insert(shard.clone(), standings);
        self.publish();
    }

    /// This process reads that shard no longer.
    pub(super) fn forget(&self, shard: &ShardId) {
        let standings = self.lock().shards.remove(shard).unwrap_or_default();
        self.publish();
        // What nobody here is behind in any more is not to stand for ever.
        for Standing { sink, .. } in standings {
            if self.lag_of(sink).is_none() {
                self.metrics.stream_lag(sink.as_str(), Duration::ZERO);
            }
        }
    }

    /// Shards with something to read that nobody reads.
    pub(super) fn unread(&self, orphans: Vec<(ShardId, Duration)>) {
        let mut state = self.lock();
        state.orphans = orphans;
        state.known = true;
    }

    fn publish(&self) {
        for sink in SinkName::ALL {
            if let Some(lag) = self.lag_of(sink) {
                self.metrics.stream_lag(sink.as_str(), lag);
            }
        }
    }

    fn lag_of(&self, sink: SinkName) -> Option<Duration> {
        let state = self.lock();
        state.shards.values().flatten().filter(|standing| standing.sink == sink).map(|standing| standing.lag).max()
    }

    /// How far the slowest sink is behind; `None` where this process reads no shard.
    #[must_use]
    pub fn lag(&self) -> Option<Duration> {
        self.lock().shards.values().flatten().map(|standing| standing.lag).max()
    }

    /// Whether the stream gets on, and in words what does not. A sink that search alone needs does not make a process unready.
    #[must_use]
    pub fn readiness(&self) -> (bool, String) {
        let state = self.lock();
        let (mut ready, mut words) = (true, Vec::new());
        for (shard, waits) in state.orphans.iter().filter(|(_, waits)| *waits >= STALLED) {
            ready = false;
            words.push(format!("nobody has read shard {shard} for {} s", waits.as_secs()));
        }
        for (shard, standing) in state.shards.iter().flat_map(|(shard, all)| all.iter().map(move |one| (shard, one)))
        {
            let sink = standing.sink;
            if standing.stuck >= STALLED {
                ready &= sink == SinkName::Search;
                words.push(format!("{sink} has applied nothing of shard {shard} for {} s", standing.stuck.as_secs()));
            } else if standing.left {
                words.push(format!("{sink} is left behind in shard {shard} by {} s", standing.lag.as_secs()));
            }
        }
        words.sort_unstable();
        let words = match (words.is_empty(), state.known) {
            (true, true) => "ok".to_owned(),
            (true, false) => "not known yet".to_owned(),
            _ => words.join("; "),
        };
        (ready, words)
    }
}
