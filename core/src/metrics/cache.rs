//! The families of the caches. Each counter is looked up once: a hit in memory must cost next to nothing.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Upper bounds in seconds: from a round trip within a host to the deadline of a load.
const SECONDS: &[f64] = &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.03, 0.1, 0.25, 0.5, 1.5];

/// A tier of the caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Memory.
    L1,
    /// Redis.
    L2,
    /// Memcached.
    L3,
}

/// What a tier answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheOutcome {
    /// A fresh value.
    Hit,
    /// No value that counts.
    Miss,
    /// A value past its freshness.
    Stale,
    /// Nothing: the tier is away, or its value was damaged or of another version.
    Error,
}

/// The counters of one tier by outcome.
#[derive(Debug, Clone)]
struct Outcomes {
    hit: IntCounter,
    miss: IntCounter,
    stale: IntCounter,
    error: IntCounter,
}

impl Outcomes {
    fn new(family: &IntCounterVec, tier: &str) -> Self {
        let of = |outcome| family.with_label_values(&[tier, outcome]);
        Self { hit: of("hit"), miss: of("miss"), stale: of("stale"), error: of("error") }
    }
}

/// What the caches count. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CacheMetrics {
    l1: Outcomes,
    l2: Outcomes,
    l3: Outcomes,
    l2_seconds: Histogram,
    l3_seconds: Histogram,
    load_seconds: Histogram,
    loads: IntCounter,
    coalesced: IntCounter,
    discarded_fills: IntCounter,
    bytes: IntGauge,
    evictions: IntCounter,
    undelivered: IntGauge,
}

impl CacheMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name, help| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name, help| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let requests = Opts::new("echoes_cache_requests_total", "Values asked of a tier (l1, l2, l3) by outcome.");
        let requests = IntCounterVec::new(requests, &["tier", "outcome"])?;
        registry.register(Box::new(requests.clone()))?;
        let seconds =
            HistogramOpts::new("echoes_cache_seconds", "Seconds until a tier, or the store below, answered.");
        let seconds = HistogramVec::new(seconds.buckets(SECONDS.to_vec()), &["tier"])?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            l1: Outcomes::new(&requests, "l1"),
            l2: Outcomes::new(&requests, "l2"),
            l3: Outcomes::new(&requests, "l3"),
            l2_seconds: seconds.with_label_values(&["l2"]),
            l3_seconds: seconds.with_label_values(&["l3"]),
            load_seconds: seconds.with_label_values(&["store"]),
            loads: counter("echoes_cache_loads_total", "Loads from the store.")?,
            coalesced: counter("echoes_cache_coalesced_total", "Reads that waited for another read's load.")?,
            discarded_fills: counter(
                "echoes_cache_discarded_fills_total",
                "Loads that were not kept, because a write came while they ran.",
            )?,
            bytes: gauge("echoes_cache_bytes", "Bytes that the memory tier holds.")?,
            evictions: counter("echoes_cache_evictions_total", "Values that the memory tier gave up for others.")?,
            undelivered: gauge("echoes_cache_undelivered_invalidations", "Keys that Redis has yet to be told of.")?,
        })
    }

    /// Counts one answer of a tier.
    pub fn request(&self, tier: Tier, outcome: CacheOutcome) {
        let of = match tier {
            Tier::L1 => &self.l1,
            Tier::L2 => &self.l2,
            Tier::L3 => &self.l3,
        };
        match outcome {
            CacheOutcome::Hit => of.hit.inc(),
            CacheOutcome::Miss => of.miss.inc(),
            CacheOutcome::Stale => of.stale.inc(),
            CacheOutcome::Error => of.error.inc(),
        }
    }

    /// Records how long a shared tier took; memory takes no time worth measuring.
    pub fn took(&self, tier: Tier, took: Duration) {
        match tier {
            Tier::L1 => {}
            Tier::L2 => self.l2_seconds.observe(took.as_secs_f64()),
            Tier::L3 => self.l3_seconds.observe(took.as_secs_f64()),
        }
    }

    /// Counts one load and how long it took, failed or not.
    pub fn loaded(&self, took: Duration) {
        self.loads.inc();
        self.load_seconds.observe(took.as_secs_f64());
    }

    /// Counts one read that waited for another's load.
    pub fn coalesced(&self) {
        self.coalesced.inc();
    }

    /// Counts one load that was not kept.
    pub fn discarded(&self) {
        self.discarded_fills.inc();
    }

    /// Says how many bytes the memory tier holds.
    pub fn holds_bytes(&self, bytes: u64) {
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Counts one value given up for others.
    pub fn evicted(&self) {
        self.evictions.inc();
    }

    /// Says how many keys Redis has yet to be told of.
    pub fn undelivered(&self, keys: usize) {
        self.undelivered.set(i64::try_from(keys).unwrap_or(i64::MAX));
    }

    /// The counters that tests look at: loads, coalesced reads, discarded fills.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> [u64; 3] {
        [self.loads.get(), self.coalesced.get(), self.discarded_fills.get()]
    }

    /// Values that the memory tier gave up.
    #[cfg(test)]
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.get()
    }
}
