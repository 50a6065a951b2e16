//! The first tier: values in this process, bounded by bytes, with an eviction that scans do not empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use echoes_shared::Timestamp;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter};
use rand::RngExt as _;

use super::lifetimes::{Lifetimes, millis};
use super::walk::Freshness;
use super::{Key, Value};
use crate::metrics::CacheMetrics;

/// A guess of an entry's bytes, from which the crate chooses its number of shards.
const USUAL_BYTES: u64 = 16 * 1_024;
/// What an entry costs beside its value: key, times, counts and the crate's own table.
const ENTRY_BYTES: u64 = 256;
/// For how long one caller alone refreshes an entry; longer than a flight may take.
const CLAIM_MILLIS: u64 = 2_500;
/// The pause after the first failed load; it doubles with each.
const FIRST_BACKOFF_MILLIS: u64 = 250;
/// And does not grow beyond this.
const MAX_BACKOFF_MILLIS: u64 = 10_000;

/// A value in memory. Times are milliseconds of the monotonic clock.
#[derive(Debug)]
pub(super) struct Entry {
    pub value: Arc<Value>,
    pub times: Times,
    /// Until then it is left to whoever refreshes it, or to the pause after a failure.
    rests_until: AtomicU64,
    failures: AtomicU32,
    /// The number of interruptions that had been heard of when it came; a number that there never is once it is doubted alone.
    gaps: AtomicU64,
    /// Fixed, whatever the value keeps beside itself later: the crate counts on that.
    weight: u64,
}

/// The ends of an entry's freshness, of its being shown past that, and of its being shown at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Times {
    pub fresh_until: u64,
    pub stale_until: u64,
    pub dead_at: u64,
    /// When the first hit has it refreshed, though it is still fresh.
    pub refresh_at: u64,
}

impl Times {
    /// Of what comes at `tick`. What is brief is not shown past its freshness unless the store fails, and an absence not even
    /// then. `jitter` is in 0..1.
    pub(super) fn new(lifetimes: &Lifetimes, tick: u64, fresh: Freshness, absent: bool, jitter: f64) -> Self {
        let fresh_millis = fresh.millis.min(millis(lifetimes.memory));
        let fresh_until = tick.saturating_add(fresh_millis);
        if fresh.brief || absent {
            let dead_at = if absent { fresh_until } else { tick.saturating_add(millis(lifetimes.stale_if_error)) };
            return Self { fresh_until, stale_until: fresh_until, dead_at, refresh_at: fresh_until };
        }
        // Hot keys are refreshed before they end, and those that came together not together.
        let early = Duration::from_millis(fresh_millis / 5).mul_f64(jitter);
        Self {
            fresh_until,
            stale_until: fresh_until.saturating_add(millis(lifetimes.memory_stale)),
            dead_at: tick.saturating_add(millis(lifetimes.stale_if_error)),
            refresh_at: fresh_until.saturating_sub(millis(early)),
        }
    }
}

/// What an entry is good for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is shown, with so many milliseconds of freshness left, or so many past it.
    Shown { left_millis: i64 },
    /// The same, and whoever claims it has it refreshed.
    Due { left_millis: i64 },
    /// A load is awaited. Should that fail, this is shown.
    Old { left_millis: i64 },
    /// It is shown to nobody any more.
    Dead,
}

impl Entry {
    /// What it is good for. `gaps` is the number of interruptions heard of, `now` the wall clock, for what expires by it.
    pub(super) fn standing(&self, tick: u64, now: Timestamp, gaps: u64) -> Standing {
        let Times { fresh_until, stale_until, dead_at, refresh_at } = self.times;
        if tick >= dead_at {
            return Standing::Dead;
        }
        let left = i64::try_from(fresh_until).unwrap_or(i64::MAX).saturating_sub_unsigned(tick);
        let rests = tick < self.rests_until.load(Ordering::Acquire);
        let counts = self.gaps.load(Ordering::Acquire) == gaps && !self.value.has_expired(now);
        if counts && tick < refresh_at || counts && tick < stale_until && rests {
            return Standing::Shown { left_millis: left };
        }
        if counts && tick < stale_until {
            return Standing::Due { left_millis: left };
        }
        let left_millis = left.min(-1);
        let failing = self.failures.load(Ordering::Acquire) > 0;
        if failing && rests { Standing::Shown { left_millis } } else { Standing::Old { left_millis } }
    }

    /// Whether this caller is the one to refresh it.
    pub(super) fn claim(&self, tick: u64) -> bool {
        let free = |rests_until| (rests_until <= tick).then(|| tick.saturating_add(CLAIM_MILLIS));
        self.rests_until.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).is_ok()
    }

    /// Leaves it alone for a while, longer each time, after the store has failed.
    pub(super) fn failed(&self, tick: u64) {
        let failures = self.failures.fetch_add(1, Ordering::AcqRel);
        self.rests_until.store(tick.saturating_add(backoff_millis(failures)), Ordering::Release);
    }

    /// It may be old: it is asked for again before it is shown, and shown only if that fails.
    pub(super) fn doubt(&self) {
        self.gaps.store(u64::MAX, Ordering::Release);
    }

    /// Gives a claim back that came to nothing.
    pub(super) fn released(&self) {
        self.rests_until.store(0, Ordering::Release);
    }
}

/// The pause after so many failures before this one: half of it to all of it.
fn backoff_millis(failures: u32) -> u64 {
    let doubled = 2_u64.checked_pow(failures).and_then(|times| FIRST_BACKOFF_MILLIS.checked_mul(times));
    let most = doubled.unwrap_or(MAX_BACKOFF_MILLIS).min(MAX_BACKOFF_MILLIS);
    rand::rng().random_range(most / 2..=most)
}

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Key, Arc<Entry>> for Bytes {
    fn weight(&self, _: &Key, entry: &Arc<Entry>) -> u64 {
        entry.weight
    }
}

#[derive(Debug, Clone)]
struct Evictions(CacheMetrics);

impl Lifecycle<Key, Arc<Entry>> for Evictions {
    type RequestState = ();

    fn begin_request(&self) {}

    fn on_evict(&self, (): &mut (), _: Key, _: Arc<Entry>) {
        self.0.evicted();
    }
}

/// The memory tier; absent where it may hold nothing.
#[derive(Debug)]
pub(super) struct Memory {
    entries: Option<Cache<Key, Arc<Entry>, Bytes, DefaultHashBuilder, Evictions>>,
    /// Interruptions heard of: what came before the last one is asked for again.
    gaps: AtomicU64,
    metrics: CacheMetrics,
}

impl Memory {
    pub(super) fn new(max_bytes: u64, metrics: CacheMetrics) -> Self {
        let items = usize::try_from(max_bytes / USUAL_BYTES).unwrap_or(usize::MAX).max(1);
        let entries = (max_bytes > 0).then(|| {
            let (hashes, evictions) = (DefaultHashBuilder::default(), Evictions(metrics.clone()));
            Cache::with(items, max_bytes, Bytes, hashes, evictions)
        });
        Self { entries, gaps: AtomicU64::new(0), metrics }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.entries.as_ref()?.get(key)
    }

    /// The number of interruptions heard of.
    pub(super) fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Acquire)
    }

    /// Something may have been missed: everything is asked for again before it is shown.
    pub(super) fn doubt(&self) {
        self.gaps.fetch_add(1, Ordering::AcqRel);
    }

    /// Keeps a value whose load began when `gaps` interruptions had been heard of.
    pub(super) fn insert(&self, key: &Key, value: Arc<Value>, times: Times, gaps: u64) {
        let Some(entries) = &self.entries else { return };
        let weight = value.weight_bytes().saturating_add(ENTRY_BYTES);
        let (rests_until, failures, gaps) = (AtomicU64::new(0), AtomicU32::new(0), AtomicU64::new(gaps));
        entries.insert(key.clone(), Arc::new(Entry { value, times, rests_until, failures, gaps, weight }));
        self.metrics.holds_bytes(entries.weight());
    }

    pub(super) fn remove(&self, key: &Key) {
        if let Some(entries) = &self.entries
            && entries.remove(key).is_some()
        {
            self.metrics.holds_bytes(entries.weight());
        }
    }

    #[cfg(test)]
    pub(super) fn weight(&self) -> u64 {
        self.entries.as_ref().map_or(0, Cache::weight)
    }
}
