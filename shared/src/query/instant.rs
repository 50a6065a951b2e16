//! Reads a point in time as callers write it: a whole RFC 3339 time, or a date for its first moment.

use chrono::{DateTime, NaiveDate, NaiveTime};

use crate::timestamp::Timestamp;

const EXPECTED: &str = "must be a time like 2026-11-22T22:59:53Z or a date like 2026-11-22, not before 1970";
const DATE_BYTES: usize = 10;

/// The millisecond in which the time lies, UTC.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    let millis = match text.len() {
        DATE_BYTES => date(text).map(|date| date.and_time(NaiveTime::MIN).and_utc().timestamp_millis()),
        _ => DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis()),
    };
    let millis = millis.and_then(|millis| u64::try_from(millis).ok());
    millis.map(Timestamp::from_millis).ok_or_else(|| EXPECTED.to_owned())
}

fn date(text: &str) -> Option<NaiveDate> {
    // The format's numbers may have signs and spaces.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && !text.starts_with('-');
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn times_and_dates_are_read() {
        for (text, expected) in [
            ("2026-11-22", "2026-11-22T00:00:00.000Z"),
            ("2026-11-22T22:59:53Z", "2026-11-22T22:59:53.000Z"),
            ("2026-11-22T22:59:53.3729Z", "2026-11-22T22:59:53.372Z"),
            ("2026-11-22T22:59:53+02:00", "2026-11-22T20:59:53.000Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(instant(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "now",
            "2026",
            "2026-11",
            "2026-13-01",
            "2026-02-30",
            "2026-11-22T22:59:53",
            "1969-12-31",
            "-026-11-22",
            "2026-11- 2",
            "2026-11-+2",
            "1795000000",
            "2026-11-22T25:00:00Z",
            "2026-11-22T22:59:53 02:00",
        ] {
            assert!(instant(text).is_err(), "{text}");
        }
    }
}
