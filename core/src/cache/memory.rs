//! The first tier: values in this process, bounded by bytes, with an eviction that scans do not empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use echoes_shared::Timestamp;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use rand::RngExt as _;

use super::lifetimes::{Lifetimes, millis};
use super::walk::Freshness;
use super::{Key, Value};
use crate::metrics::CacheMetrics;

/// A guess of an entry's bytes, by which the crate sizes its tables.
const USUAL_BYTES: u64 = 16 * 1_024;
/// A shard holds as much at least, for what weighs more than a shard's share is never kept: the heaviest head, a hundred echoes
/// with all that they may say and its gzip forms, weighs a few megabytes.
const SHARD_BYTES: u64 = 8 << 20;
/// More shards than this take no lock away from anybody.
const MAX_SHARDS: u64 = 64;
/// What an entry costs beside its value: key, times, counts and the crate's own table.
const ENTRY_BYTES: u64 = 256;
/// For how long one caller alone refreshes an entry; longer than a flight may take.
const CLAIM_MILLIS: u64 = 2_500;
/// The pause after the first failed load; it doubles with each.
const FIRST_BACKOFF_MILLIS: u64 = 250;
/// And does not grow beyond this.
const MAX_BACKOFF_MILLIS: u64 = 10_000;
/// For how long after such a pause the store still counts as failing, so that whoever asks for a hot key first does not wait for
/// the next attempt. What nobody asked for during it is awaited again: the store may be back, and the value very old.
const FAILING_MILLIS: u64 = 2_500;

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
    /// All that the value may ever keep beside itself included: the crate counts on a weight that never changes.
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
        let rests_until = self.rests_until.load(Ordering::Acquire);
        let rests = tick < rests_until;
        let counts = self.gaps.load(Ordering::Acquire) == gaps && !self.value.has_expired(now);
        if counts && tick < refresh_at || counts && tick < stale_until && rests {
            return Standing::Shown { left_millis: left };
        }
        if counts && tick < stale_until {
            return Standing::Due { left_millis: left };
        }
        let left_millis = left.min(-1);
        let failed = self.failures.load(Ordering::Acquire) > 0;
        let failing = failed && tick < rests_until.saturating_add(FAILING_MILLIS);
        match (failing, rests) {
            (true, true) => Standing::Shown { left_millis },
            (true, false) => Standing::Due { left_millis },
            (false, _) => Standing::Old { left_millis },
        }
    }

    /// The same with what is left of its value, which is not fresh any more.
    fn trimmed(&self, value: Arc<Value>, tick: u64) -> Self {
        let Times { fresh_until, stale_until, dead_at, refresh_at } = self.times;
        let [fresh_until, stale_until, refresh_at] = [fresh_until, stale_until, refresh_at].map(|end| end.min(tick));
        let rests_until = AtomicU64::new(self.rests_until.load(Ordering::Acquire));
        let failures = AtomicU32::new(self.failures.load(Ordering::Acquire));
        let times = Times { fresh_until, stale_until, dead_at, refresh_at };
        let gaps = AtomicU64::new(self.gaps.load(Ordering::Acquire));
        Self { value, times, rests_until, failures, gaps, weight: self.weight }
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

/// The number of shards of so many bytes: a power of two, because the crate would round it up to one.
fn shards(max_bytes: u64) -> usize {
    let most = (max_bytes / SHARD_BYTES).clamp(1, MAX_SHARDS);
    usize::try_from(1_u64 << most.ilog2()).unwrap_or(1)
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
    /// Whether the last load that ended had failed.
    store_fails: AtomicBool,
    metrics: CacheMetrics,
}

impl Memory {
    pub(super) fn new(max_bytes: u64, metrics: CacheMetrics) -> Self {
        let items = usize::try_from(max_bytes / USUAL_BYTES).unwrap_or(usize::MAX).max(1);
        let entries = (max_bytes > 0).then(|| {
            let (hashes, evictions) = (DefaultHashBuilder::default(), Evictions(metrics.clone()));
            let mut options = OptionsBuilder::new();
            options.shards(shards(max_bytes)).estimated_items_capacity(items).weight_capacity(max_bytes);
            match options.build() {
                Ok(options) => Cache::with_options(options, Bytes, hashes, evictions),
                // It only wants what has just been given.
                Err(_) => Cache::with(items, max_bytes, Bytes, hashes, evictions),
            }
        });
        Self { entries, gaps: AtomicU64::new(0), store_fails: AtomicBool::new(false), metrics }
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

    /// How the last load ended.
    pub(super) fn loaded(&self, failed: bool) {
        self.store_fails.store(failed, Ordering::Release);
    }

    /// Whether the store fails, as far as is known: then what is old is not held back for long.
    pub(super) fn store_fails(&self) -> bool {
        self.store_fails.load(Ordering::Acquire)
    }

    /// Keeps a value whose load began when `gaps` interruptions had been heard of.
    pub(super) fn insert(&self, key: &Key, value: Arc<Value>, times: Times, gaps: u64) {
        let Some(entries) = &self.entries else { return };
        let weight = value.weight_bytes().saturating_add(ENTRY_BYTES);
        let (rests_until, failures, gaps) = (AtomicU64::new(0), AtomicU32::new(0), AtomicU64::new(gaps));
        entries.insert(key.clone(), Arc::new(Entry { value, times, rests_until, failures, gaps, weight }));
        self.metrics.holds_bytes(entries.weight());
    }

    /// Puts what is left of an entry's value in its place, unless the key has got another meanwhile: to be cut once, not for each
    /// who is shown it. It is still asked for before it is shown while the store answers. Under the lock of the order.
    pub(super) fn trim(&self, key: &Key, entry: &Arc<Entry>, value: &Arc<Value>, tick: u64) {
        let Some(entries) = &self.entries else { return };
        if entries.get(key).is_some_and(|present| Arc::ptr_eq(&present, entry)) {
            entries.insert(key.clone(), Arc::new(entry.trimmed(Arc::clone(value), tick)));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Head;
    use crate::metrics::Metrics;
    use crate::samples::echo;

    #[test]
    fn a_shard_is_never_too_small_for_a_heavy_value() {
        const MIB: u64 = 1 << 20;
        let shards = [1, 8, 15, 16, 64, 100, 1 << 16].map(|mib| shards(mib * MIB));
        assert_eq!(shards, [1, 1, 1, 2, 8, 8, 64]);
        // Four times as many as processors, as the crate would have it, are two megabytes each here.
        let memory = Memory::new(16 * MIB, Metrics::new().unwrap().cache().clone());
        let mut long = echo("ana", 1);
        long.transcript = Some("a".repeat(3 << 20));
        let value = Arc::new(Value::Head(Head::new(&Key::Recent, &[long], None)));
        assert!((5 * MIB..8 * MIB).contains(&value.weight_bytes()));
        let times = Times { fresh_until: 1, stale_until: 1, dead_at: 1, refresh_at: 1 };
        memory.insert(&Key::Recent, value, times, 0);
        assert!(memory.get(&Key::Recent).is_some());
    }
}
