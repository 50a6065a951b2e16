//! The way of an answer through the tiers, as `Cache-Status` tells it (RFC 9211).

use arrayvec::ArrayVec;

/// What one tier did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The store was read.
    Store,
    /// A shared tier or memory had a fresh value, for so many seconds more.
    Hit {
        /// `l1`, `l2` or `l3`.
        tier: &'static str,
        /// Seconds of freshness left.
        ttl_seconds: i64,
        /// Whether it is shown past its freshness.
        stale: bool,
    },
    /// A tier was asked and had nothing that counts.
    Miss {
        /// `l1`, `l2` or `l3`.
        tier: &'static str,
        /// Whether somebody else's load was awaited.
        collapsed: bool,
    },
}

/// The store and the three tiers.
const MAX_STEPS: usize = 4;

/// The steps from the origin to the caller; at most one for each tier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail(ArrayVec<Step, MAX_STEPS>);

/// The names of the tiers.
pub(super) const L1: &str = "l1";
pub(super) const L2: &str = "l2";
pub(super) const L3: &str = "l3";

impl Trail {
    /// The way that these steps are, from the origin to the caller.
    pub fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        Self(steps.into_iter().take(MAX_STEPS).collect())
    }

    /// From the origin to the caller.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Memory had it: fresh for so many milliseconds more, or past its freshness by so many.
    pub(super) fn memory(left_millis: i64) -> Self {
        Self::of([hit(L1, left_millis)])
    }

    /// Whether what is shown is past its freshness.
    pub(super) fn is_stale(&self) -> bool {
        self.0.iter().any(|step| matches!(step, Step::Hit { stale: true, .. }))
    }

    /// The value came from below memory, `collapsed` with another caller's load.
    pub(super) fn through_memory(below: &[Step], collapsed: bool) -> Self {
        Self::of(below.iter().copied().chain([Step::Miss { tier: L1, collapsed }]))
    }
}

/// Seconds are rounded down, so that nothing seems fresher than it is, and what is stale is never 0.
pub(super) fn hit(tier: &'static str, left_millis: i64) -> Step {
    Step::Hit { tier, ttl_seconds: left_millis.div_euclid(1_000), stale: left_millis <= 0 }
}

pub(super) const fn miss(tier: &'static str) -> Step {
    Step::Miss { tier, collapsed: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_down() {
        assert_eq!(hit(L1, 4_999), Step::Hit { tier: "l1", ttl_seconds: 4, stale: false });
        assert_eq!(hit(L1, 1), Step::Hit { tier: "l1", ttl_seconds: 0, stale: false });
        assert_eq!(hit(L1, -1), Step::Hit { tier: "l1", ttl_seconds: -1, stale: true });
        assert_eq!(hit(L1, -12_000), Step::Hit { tier: "l1", ttl_seconds: -12, stale: true });
    }
}
