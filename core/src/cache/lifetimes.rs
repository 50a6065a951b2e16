//! How long each tier shows what it holds.

use std::time::Duration;

/// Freshness of each tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// In memory. After it the shared tiers are asked whether the value still counts.
    pub memory: Duration,
    /// In memory, after that: shown while it is refreshed. See [`Lifetimes::untold`].
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
    /// How long after a write another process may show what was before, where the news of it was lost: a load may begin while
    /// the indexes are still behind, and what it brings is in memory for so long, counted from its beginning.
    pub const fn untold(&self) -> Duration {
        self.settle.saturating_add(self.memory).saturating_add(self.memory_stale)
    }

    /// The same of a write that its writer told nobody of, because its process died first or because another region took it: the
    /// stream tells of it, `stream_lag` after the region's table has it, and then it is as if it had just been acknowledged.
    pub const fn unheard(&self, stream_lag: Duration) -> Duration {
        stream_lag.saturating_add(self.untold())
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

#[cfg(test)]
mod tests {
    use echoes_shared::policy::CORE_MEMORY_SECONDS;

    use super::*;

    #[test]
    fn what_is_said_of_lost_news_is_the_sum_of_what_may_happen() {
        assert_eq!(Lifetimes::default().untold(), Duration::from_secs(CORE_MEMORY_SECONDS));
        let lag = Duration::from_secs(1);
        assert_eq!(Lifetimes::default().untold(), Duration::from_secs(12), "as decision 6 says");
        assert_eq!(Lifetimes::default().unheard(lag), Duration::from_secs(13), "as decision 6 says");
    }
}
