//! How long Redis is waited for, and how long it is left alone between attempts to reach it.

use std::time::Duration;

use rand::RngExt as _;

/// How long Redis is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// One round trip. A miss costs less than this, so waiting longer never pays.
    pub command: Duration,
    /// Connecting, and telling Redis of a change, now or afterwards.
    pub handshake: Duration,
    /// Between two looks whether it is still the Redis that it was.
    pub beat: Duration,
    /// Before the first attempt to reconnect; doubles.
    pub first_pause: Duration,
    /// Between attempts at most.
    pub last_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            command: Duration::from_millis(30),
            handshake: Duration::from_millis(250),
            beat: Duration::from_secs(1),
            first_pause: Duration::from_millis(100),
            last_pause: Duration::from_secs(2),
        }
    }
}

/// The pauses between attempts: doubling, jittered, bounded; short again once a connection has lasted.
#[derive(Debug)]
pub(super) struct Pauses {
    first: Duration,
    last: Duration,
    next: Duration,
}

impl Pauses {
    pub(super) fn new(patience: &Patience) -> Self {
        Self { first: patience.first_pause, last: patience.last_pause, next: patience.first_pause }
    }

    /// Between a half and the whole: never at once, never all processes together.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::rng().random_range(0.5..1.0));
        self.next = self.next.saturating_mul(2).min(self.last);
        pause
    }

    pub(super) fn forget(&mut self) {
        self.next = self.first;
    }
}
