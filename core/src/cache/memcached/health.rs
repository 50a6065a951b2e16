//! Whether a server is asked: the breaker that keeps requests from paying for one that fails.

use std::sync::atomic::{AtomicU32, Ordering};

/// Failures in a row that take a server away.
const STRIKES: u32 = 3;
/// In place of a number of failures.
const AWAY: u32 = u32::MAX;

/// Failures in a row since the last success, or that the server is away.
#[derive(Debug)]
pub(super) struct Health(AtomicU32);

/// How a command failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection is to be had: the server is away at once.
    Unreachable,
    /// No answer in time, half of one, or one that makes no sense.
    Broken,
}

impl Health {
    /// A server that has not answered yet.
    pub(super) const fn away() -> Self {
        Self(AtomicU32::new(AWAY))
    }

    pub(super) fn is_away(&self) -> bool {
        self.0.load(Ordering::Relaxed) == AWAY
    }

    /// A command was answered. One that began before the server was taken away does not bring it back: that is the probe's
    /// to say.
    pub(super) fn succeeded(&self) {
        let _ =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now != AWAY && now != 0).then_some(0));
    }

    /// A command failed; `true` where this one takes the server away.
    pub(super) fn failed(&self, failure: Failure) -> bool {
        let after = |now: u32| match failure {
            _ if now == AWAY => None,
            Failure::Broken if now + 1 < STRIKES => Some(now + 1),
            Failure::Broken | Failure::Unreachable => Some(AWAY),
        };
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after);
        before.ok().and_then(after) == Some(AWAY)
    }

    /// A probe was answered. The next command decides: if it fails, the server is away again, without two more that pay for it.
    pub(super) fn back(&self) {
        self.0.store(STRIKES - 1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_take_a_server_away_and_only_a_probe_brings_it_back() {
        let health = Health::away();
        assert!(health.is_away());
        health.succeeded();
        assert!(health.is_away() && !health.failed(Failure::Unreachable), "it is away already");
        health.back();
        health.succeeded();
        for _ in 0..3 {
            assert!(!health.failed(Failure::Broken) && !health.failed(Failure::Broken) && !health.is_away());
            health.succeeded();
        }
        assert!(!health.failed(Failure::Broken) && !health.failed(Failure::Broken));
        assert!(health.failed(Failure::Broken), "the third says so");
        assert!(health.is_away() && !health.failed(Failure::Broken), "the fourth does not");
        health.back();
        assert!(!health.is_away() && health.failed(Failure::Broken), "one failure is enough right after a probe");
        health.back();
        health.succeeded();
        assert!(health.failed(Failure::Unreachable), "a refused connection is enough");
    }
}
