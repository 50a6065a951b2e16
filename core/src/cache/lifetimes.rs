//! How long each tier shows what it holds.

use std::time::Duration;

/// Freshness of each tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// In memory. After it the shared tiers are asked whether the value still counts.
    pub memory: Duration,
    /// In memory, after that: shown while it is refreshed. The two together bound what an invalidation that could not be
    /// delivered costs.
    pub memory_stale: Duration,
    /// In Redis.
    pub redis: Duration,
    /// In Memcached.
    pub memcached: Duration,
    /// How long a value is shown while the store fails.
    pub stale_if_error: Duration,
    /// How long the absence of an echo is kept.
    pub absence: Duration,
    /// How long after an invalidation the store's indexes may still be behind: what is read within it is kept no longer.
    pub settle: Duration,
}

impl Lifetimes {
    /// While nobody tells this region of the others' writes, nor of those whose writer died before it told: the shared tiers
    /// show them late by half a minute, not by an hour.
    pub fn without_stream() -> Self {
        const SHARED: Duration = Duration::from_secs(30);
        Self { redis: SHARED, memcached: SHARED, ..Self::default() }
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            memory: Duration::from_secs(5),
            memory_stale: Duration::from_secs(5),
            redis: Duration::from_secs(3_600),
            memcached: Duration::from_secs(7_200),
            stale_if_error: Duration::from_secs(24 * 60 * 60),
            absence: Duration::from_secs(2),
            settle: Duration::from_secs(2),
        }
    }
}

/// Whole milliseconds of a duration.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
