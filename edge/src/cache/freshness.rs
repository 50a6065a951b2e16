//! Decides whether a cached answer may be served.

use echoes_shared::Timestamp;
use echoes_shared::policy::{
    EDGE_FEED_STALE_IF_ERROR_SECONDS, EDGE_FRESH_SECONDS, EDGE_STALE_IF_ERROR_SECONDS,
    EDGE_STALE_WHILE_REVALIDATE_SECONDS,
};

const MILLIS_PER_SECOND: u64 = 1_000;

/// How long a kind of answer may be served, in seconds from when the core was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    fresh_seconds: u32,
    revalidate_seconds: u32,
    if_error_seconds: u32,
}

impl Lifetime {
    /// Feeds and the recent list.
    pub const LIST: Self = Self::with_error_seconds(EDGE_FEED_STALE_IF_ERROR_SECONDS);
    /// Anything else.
    pub const OTHER: Self = Self::with_error_seconds(EDGE_STALE_IF_ERROR_SECONDS);

    const fn with_error_seconds(if_error_seconds: u32) -> Self {
        Self {
            fresh_seconds: EDGE_FRESH_SECONDS,
            revalidate_seconds: EDGE_STALE_WHILE_REVALIDATE_SECONDS,
            if_error_seconds,
        }
    }

    /// Seconds after which a copy is of no use at all.
    pub const fn total_seconds(self) -> u32 {
        self.fresh_seconds + self.if_error_seconds
    }
}

/// How old a cached answer is. The number is what is left of its freshness in seconds, negative when that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Serve it.
    Fresh(i64),
    /// Serve it and refresh it.
    Stale(i64),
    /// Serve it only when no region answers.
    ForErrors(i64),
    /// Do not serve it.
    Dead,
}

impl Age {
    /// What is left of the freshness, where it may be served without asking a core.
    pub const fn servable(self) -> Option<i64> {
        match self {
            Self::Fresh(left) | Self::Stale(left) => Some(left),
            Self::ForErrors(_) | Self::Dead => None,
        }
    }

    /// The same where it may be served because no region answers.
    pub const fn servable_for_errors(self) -> Option<i64> {
        match self {
            Self::Fresh(left) | Self::Stale(left) | Self::ForErrors(left) => Some(left),
            Self::Dead => None,
        }
    }
}

/// Judges an answer whose core was asked at `asked_at`, when what it shows was changed here at `outdated_at`.
pub fn judge(asked_at: Timestamp, outdated_at: Option<Timestamp>, lifetime: Lifetime, now: Timestamp) -> Age {
    let age_millis = now.millis_since(asked_at);
    let left_seconds = left_seconds(age_millis, lifetime);
    let ends = |seconds: u32| u64::from(seconds) * MILLIS_PER_SECOND;
    let fresh_until = ends(lifetime.fresh_seconds);
    // Equal times count as before the write: the clock stands still between I/O.
    let outdated = outdated_at.is_some_and(|write| asked_at <= write);
    if age_millis >= fresh_until + ends(lifetime.if_error_seconds) {
        Age::Dead
    } else if outdated || age_millis >= fresh_until + ends(lifetime.revalidate_seconds) {
        Age::ForErrors(left_seconds)
    } else if age_millis >= fresh_until {
        Age::Stale(left_seconds)
    } else {
        Age::Fresh(left_seconds)
    }
}

/// Whole seconds of freshness that are left: the rest of a begun second counts while fresh, a begun one over it counts after.
fn left_seconds(age_millis: u64, lifetime: Lifetime) -> i64 {
    let fresh_millis = u64::from(lifetime.fresh_seconds) * MILLIS_PER_SECOND;
    let whole = |millis: u64| i64::try_from(millis.div_ceil(MILLIS_PER_SECOND)).unwrap_or(i64::MAX);
    match fresh_millis.checked_sub(age_millis) {
        Some(left) if left > 0 => whole(left),
        _ => -whole(age_millis - fresh_millis).max(1),
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    const ASKED: u64 = 1_795_388_393_000;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(ASKED + millis)
    }

    fn list(millis: u64) -> Age {
        judge(at(0), None, Lifetime::LIST, at(millis))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_answer_ages() {
        assert_eq!(list(0), Age::Fresh(5));
        assert_eq!(list(2_001), Age::Fresh(3));
        assert_eq!(list(4_999), Age::Fresh(1));
        assert_eq!(list(5_000), Age::Stale(-1));
        assert_eq!(list(17_000), Age::Stale(-12));
        assert_eq!(list(64_999), Age::Stale(-60));
        assert_eq!(list(65_000), Age::ForErrors(-60));
        assert_eq!(list(86_404_999), Age::ForErrors(-86_400));
        assert_eq!(list(86_405_000), Age::Dead);
        assert_eq!(judge(at(0), None, Lifetime::OTHER, at(304_999)), Age::ForErrors(-300));
        assert_eq!(judge(at(0), None, Lifetime::OTHER, at(305_000)), Age::Dead);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_clock_that_went_back_makes_nothing_stale() {
        assert_eq!(judge(at(10_000), None, Lifetime::LIST, at(0)), Age::Fresh(5));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_write_of_our_own_ends_freshness() {
        let after = |write| judge(at(1_000), Some(at(write)), Lifetime::LIST, at(2_000));
        assert_eq!(after(999), Age::Fresh(4));
        assert_eq!(after(1_000), Age::ForErrors(4));
        assert_eq!(after(1_500), Age::ForErrors(4));
    }
}
