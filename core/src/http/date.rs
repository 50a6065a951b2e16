//! The `Date` of answers, put together once a second.

use std::time::{Duration, UNIX_EPOCH};

use echoes_shared::Timestamp;

/// The last date that was asked for.
#[derive(Debug, Default)]
pub(super) struct Date {
    second: u64,
    text: String,
}

impl Date {
    /// `Sun, 22 Nov 2026 22:59:53 GMT`
    pub(super) fn at(&mut self, now: Timestamp) -> &str {
        let second = now.epoch_seconds();
        if self.second != second || self.text.is_empty() {
            self.second = second;
            self.text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_that_of_now() {
        let mut date = Date::default();
        for (millis, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_795_388_393_372, "Sun, 22 Nov 2026 22:59:53 GMT"),
            (1_795_388_393_999, "Sun, 22 Nov 2026 22:59:53 GMT"),
            (1_795_388_394_000, "Sun, 22 Nov 2026 22:59:54 GMT"),
            (1_795_388_393_000, "Sun, 22 Nov 2026 22:59:53 GMT"),
        ] {
            assert_eq!(date.at(Timestamp::from_millis(millis)), text);
        }
    }
}
