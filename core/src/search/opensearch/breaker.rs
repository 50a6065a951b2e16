//! Keeps searches from waiting for a server that did not answer a moment ago.

use std::sync::atomic::{AtomicU64, Ordering};

/// How long nobody asks after a failure; then one does, and the others wait for what it meets.
const PAUSE_MILLIS: u64 = 1_000;
const CLOSED: u64 = 0;

/// Open after a failure until a call is answered. Times are of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// When the next call may be tried; [`CLOSED`] where all may.
    next_try: AtomicU64,
}

impl Breaker {
    /// Whether a call may be tried; it must then tell what it met.
    pub(super) fn admits(&self, now_millis: u64) -> bool {
        let next = self.next_try.load(Ordering::Relaxed);
        let after = now_millis.saturating_add(PAUSE_MILLIS);
        // Of those that come when the pause is over, the one that moves it on goes.
        next == CLOSED
            || now_millis >= next
                && self.next_try.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// A call was answered.
    pub(super) fn answered(&self) {
        self.next_try.store(CLOSED, Ordering::Relaxed);
    }

    /// A call was not answered.
    pub(super) fn failed(&self, now_millis: u64) {
        self.next_try.store(now_millis.saturating_add(PAUSE_MILLIS), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_a_pause_is_tried_until_one_is_answered() {
        let breaker = Breaker::default();
        assert!(breaker.admits(0) && breaker.admits(0));
        breaker.failed(0);
        assert!(!breaker.admits(PAUSE_MILLIS - 1));
        assert!(breaker.admits(PAUSE_MILLIS));
        assert!(!breaker.admits(PAUSE_MILLIS), "one is on its way");
        assert!(breaker.admits(2 * PAUSE_MILLIS), "the one before never told what it met");
        breaker.answered();
        assert!(breaker.admits(2 * PAUSE_MILLIS) && breaker.admits(2 * PAUSE_MILLIS));
    }
}
