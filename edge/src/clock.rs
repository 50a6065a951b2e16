//! The only file that reads the time; everywhere else it is passed in.

use echoes_shared::Timestamp;

/// The present time. In production it advances only when a request does I/O, so two readings may be equal.
/// <https://developers.cloudflare.com/workers/runtime-apis/performance/>
pub fn now() -> Timestamp {
    Timestamp::from_millis(worker::Date::now().as_millis())
}
