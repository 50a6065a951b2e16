//! The only place of the core that reads the time.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use echoes_shared::Timestamp;

/// The wall clock. A clock set before 1970 reads as the epoch.
#[expect(clippy::disallowed_methods, reason = "everything else is given the time by this function")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds of the monotonic clock, which no setting of the wall clock moves, since this process first asked.
pub fn monotonic_millis() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Measures how long something takes, on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
