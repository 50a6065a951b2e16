//! A point in time as Echoes writes it: UTC, milliseconds, fixed width.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch, 0 ..= 9999-12-31T23:59:59.999Z.
///
/// As text it is always 24 characters, `2026-11-22T22:59:53.372Z`, so that the order of the text is the order
/// of time: variable-width times break sort keys (facts.md, trap 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// The width of a timestamp's text in bytes.
pub const TEXT_BYTES: usize = 24;

/// 9999-12-31T23:59:59.999Z, the last time of fixed width.
const MAX_MILLIS: u64 = 253_402_300_799_999;

const MILLIS_PER_SECOND: u64 = 1_000;
const MILLIS_PER_DAY: u64 = 86_400_000;

impl Timestamp {
    /// The time so many milliseconds after the epoch; later than year 9999 becomes its last millisecond.
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis > MAX_MILLIS { MAX_MILLIS } else { millis })
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, as DynamoDB's TTL counts them.
    pub const fn epoch_seconds(self) -> u64 {
        self.0 / MILLIS_PER_SECOND
    }

    /// So many days earlier, not before the epoch.
    #[must_use]
    pub const fn minus_days(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days as u64 * MILLIS_PER_DAY))
    }

    /// So many days later, not after year 9999.
    #[must_use]
    pub const fn plus_days(self, days: u32) -> Self {
        Self::from_millis(self.0.saturating_add(days as u64 * MILLIS_PER_DAY))
    }

    /// So many milliseconds later.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// So many milliseconds earlier, not before the epoch.
    #[must_use]
    pub const fn minus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// Milliseconds from `earlier` to here; zero where `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads ISO 8601's basic form with whole seconds, `20261122T225953Z`; none for any other text.
    pub fn from_basic(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 16 || text.get(8) != Some(&b'T') || text.last() != Some(&b'Z') {
            return None;
        }
        let number = |from, to| number(text.get(from..to)?);
        at([number(0, 4)?, number(4, 6)?, number(6, 8)?], [number(9, 11)?, number(11, 13)?, number(13, 15)?], 0)
    }

    /// The calendar month of this time, UTC.
    pub fn month(self) -> Month {
        let date = self.utc();
        Month { year: date.year(), month: date.month() }
    }

    fn utc(self) -> DateTime<chrono::Utc> {
        // The constructors keep the value far inside chrono's range, so the fallback is never taken.
        DateTime::from_timestamp_millis(self.0.cast_signed()).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.utc();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            self.0 % MILLIS_PER_SECOND
        )
    }
}

/// A text that is not a timestamp of fixed width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidTimestamp;

impl fmt::Display for InvalidTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a UTC time like 2026-11-22T22:59:53.372Z")
    }
}

impl std::error::Error for InvalidTimestamp {}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        parse(text).ok_or(InvalidTimestamp)
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let text = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if text.len() != TEXT_BYTES || separators.iter().any(|&(at, byte)| text.get(at) != Some(&byte)) {
        return None;
    }
    let number = |from, to| number(text.get(from..to)?);
    at(
        [number(0, 4)?, number(5, 7)?, number(8, 10)?],
        [number(11, 13)?, number(14, 16)?, number(17, 19)?],
        number(20, 23)?,
    )
}

/// A whole number of at most four digits.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
}

/// The time of a date (year, month, day) and a clock (hour, minute, second), if there is such a one.
fn at([year, month, day]: [u32; 3], [hour, minute, second]: [u32; 3], millis: u32) -> Option<Timestamp> {
    let date = NaiveDate::from_ymd_opt(year.cast_signed(), month, day)?;
    let time = date.and_hms_milli_opt(hour, minute, second, millis)?;
    u64::try_from(time.and_utc().timestamp_millis()).ok().map(Timestamp)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A calendar month, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month {
    year: i32,
    month: u32,
}

impl Month {
    /// The month before.
    #[must_use]
    pub const fn previous(self) -> Self {
        if self.month == 1 {
            Self { year: self.year - 1, month: 12 }
        } else {
            Self { year: self.year, month: self.month - 1 }
        }
    }

    /// The month after.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.month == 12 {
            Self { year: self.year + 1, month: 1 }
        } else {
            Self { year: self.year, month: self.month + 1 }
        }
    }

    /// Its first millisecond.
    pub fn start(self) -> Timestamp {
        let first = NaiveDate::from_ymd_opt(self.year, self.month, 1).unwrap_or_default();
        let midnight = first.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
        Timestamp::from_millis(u64::try_from(midnight).unwrap_or_default())
    }

    /// Reads the form of [`Month::compact`].
    pub fn parse_compact(text: &str) -> Option<Self> {
        let digits = text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit());
        let (year, month) = text.split_at_checked(4).filter(|_| digits)?;
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        (1970..=9999).contains(&year).then_some(())?;
        (1..=12).contains(&month).then_some(Self { year, month })
    }

    /// `2026-11`, the hash key of `recent-index`.
    pub fn dashed(self) -> String {
        self.text("-")
    }

    /// `202611`, the bucket of a person's key.
    pub fn compact(self) -> String {
        self.text("")
    }

    fn text(self, separator: &str) -> String {
        let mut text = String::with_capacity(7);
        // Writing into a String cannot fail.
        let _ = write!(text, "{:04}{separator}{:02}", self.year, self.month);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SAMPLE: &str = "2026-11-22T22:59:53.372Z";

    #[test]
    fn text_and_number_are_the_same_time() {
        let time: Timestamp = SAMPLE.parse().unwrap();
        assert_eq!(time.millis(), 1_795_388_393_372);
        assert_eq!(time.to_string(), SAMPLE);
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn the_order_of_the_text_is_the_order_of_time() {
        let times = [0, 9, 10, 999, 1_000, 1_795_388_393_372, 1_795_388_394_000, MAX_MILLIS];
        let texts: Vec<_> = times.iter().map(|&t| Timestamp::from_millis(t).to_string()).collect();
        assert!(texts.is_sorted());
        assert!(texts.iter().all(|t| t.len() == TEXT_BYTES));
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in [
            "",
            "2026-11-22T22:59:53Z",
            "2026-11-22T22:59:53.372+00:00",
            "2026-11-22 22:59:53.372Z",
            "2026-02-30T00:00:00.000Z",
            "2026-11-22T24:00:00.000Z",
            "+026-11-22T22:59:53.372Z",
            "2026-11-22T22:59:53.37éZ",
            "1969-12-31T23:59:59.999Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn the_basic_form_is_read_too() {
        let time = Timestamp::from_basic("20261122T225953Z");
        assert_eq!(time.map(|time| time.to_string()).as_deref(), Some("2026-11-22T22:59:53.000Z"));
        for text in
            ["", "20261122T225953", "20261122 225953Z", "20261322T225953Z", "2026112 T225953Z", "20261122T225953é"]
        {
            assert_eq!(Timestamp::from_basic(text), None, "{text}");
        }
    }

    #[test]
    fn months_step_back_over_the_year() {
        let january: Timestamp = "2026-01-31T00:00:00.000Z".parse().unwrap();
        assert_eq!(january.month().dashed(), "2026-01");
        assert_eq!(january.month().previous().compact(), "202512");
        assert_eq!(january.month().previous().next(), january.month());
        assert_eq!(january.month().start().to_string(), "2026-01-01T00:00:00.000Z");
        assert_eq!(january.month().next().start().to_string(), "2026-02-01T00:00:00.000Z");
    }

    #[test]
    fn a_compact_month_reads_back() {
        let month = SAMPLE.parse::<Timestamp>().unwrap().month();
        assert_eq!(Month::parse_compact(&month.compact()), Some(month));
        for text in ["", "202600", "202613", "2026-1", "+20261", "20261", "2026111", "20261é"] {
            assert_eq!(Month::parse_compact(text), None, "{text}");
        }
    }
}
