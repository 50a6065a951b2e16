//! The only file of the tests that reads the time of day.

use std::time::SystemTime;

use echoes_shared::Timestamp;

/// The present time.
#[expect(
    clippy::disallowed_methods,
    reason = "keys and signatures need the time; everything else measures with Instant"
)]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is before 1970");
    Timestamp::from_millis(u64::try_from(since.as_millis()).expect("the clock is far in the future"))
}
