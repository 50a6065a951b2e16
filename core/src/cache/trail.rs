//! The way of an answer through the tiers, as `Cache-Status` tells it (RFC 9211).

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

/// The steps from the origin to the caller; at most one for each tier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail(pub Vec<Step>);
