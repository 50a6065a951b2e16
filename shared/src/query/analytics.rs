//! What `GET /v1/analytics/emotions` asks for.

use std::fmt;

use percent_encoding::utf8_percent_encode;

use super::emotion;
use super::faults::Faults;
use super::instant::instant;
use crate::emotion::Emotion;
use crate::policy::{ANALYTICS_DAYS, ANALYTICS_HOURS, MAX_ANALYTICS_DAYS, MAX_ANALYTICS_HOURS};
use crate::problem::Problem;
use crate::timestamp::Timestamp;
use crate::wire::SEGMENT;

const MILLIS_PER_HOUR: u64 = 60 * 60 * 1_000;

/// How long the time is over which echoes are counted together, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// From one full hour to the next.
    Hour,
    /// From one midnight to the next.
    Day,
}

impl Bucket {
    const fn millis(self) -> u64 {
        match self {
            Self::Hour => MILLIS_PER_HOUR,
            Self::Day => 24 * MILLIS_PER_HOUR,
        }
    }

    /// Buckets that are shown where nobody says since when.
    const fn usual(self) -> u64 {
        match self {
            Self::Hour => ANALYTICS_HOURS,
            Self::Day => ANALYTICS_DAYS,
        }
    }

    /// Whole buckets at most between the two times.
    const fn most(self) -> u64 {
        match self {
            Self::Hour => MAX_ANALYTICS_HOURS,
            Self::Day => MAX_ANALYTICS_DAYS,
        }
    }

    /// The beginning of the bucket that a time lies in.
    #[must_use]
    pub const fn start_of(self, at: Timestamp) -> Timestamp {
        at.minus_millis(at.millis() % self.millis())
    }

    /// The end of the last bucket that has a part before a time.
    const fn end_before(self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(at.millis().div_ceil(self.millis()) * self.millis())
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "hour",
            Self::Day => "day",
        })
    }
}

/// What the query of `GET /v1/analytics/emotions` asks for: every bucket that has a part between two times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnalyticsQuery {
    /// The start of the first bucket; the usual time before the end where nobody says.
    pub from: Option<Timestamp>,
    /// The end of the last bucket; that of the present one where nobody says.
    pub to: Option<Timestamp>,
    /// Their length.
    pub bucket: Bucket,
    /// Only this emotion.
    pub emotion: Option<Emotion>,
}

/// The parameters as they come, each once.
#[derive(Default)]
struct Given {
    from: Option<Result<Timestamp, String>>,
    to: Option<Result<Timestamp, String>>,
    bucket: Option<Result<Bucket, String>>,
    emotion: Option<Result<Emotion, String>>,
}

impl AnalyticsQuery {
    /// Reads `from`, `to`, `bucket` and `emotion`; every fault is named. What is too long depends on the time, where `to` is not
    /// given.
    pub fn parse(query: Option<&str>, now: Timestamp) -> Result<Self, Problem> {
        let mut given = Given::default();
        let mut faults = Faults::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let (known, twice) = match &*name {
                "from" => ("from", given.from.replace(instant(&value)).is_some()),
                "to" => ("to", given.to.replace(instant(&value)).is_some()),
                "bucket" => ("bucket", given.bucket.replace(bucket(&value)).is_some()),
                "emotion" => ("emotion", given.emotion.replace(emotion(&value)).is_some()),
                _ => continue,
            };
            if twice {
                faults.note_first(known, "may be given once");
            }
        }
        given.check(faults, now)
    }

    /// The start of the first bucket and the end of the last.
    #[must_use]
    pub fn span(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        let to = self.to.unwrap_or(now);
        let usual = self.bucket.usual() * self.bucket.millis();
        (self.bucket.start_of(self.from.unwrap_or(to.minus_millis(usual))), self.bucket.end_before(to))
    }

    /// The query in its one canonical spelling, escaped as signing wants it: what shows the same buckets has the same text.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = format!("bucket={}", self.bucket);
        let time = |at: Timestamp| utf8_percent_encode(&at.to_string(), SEGMENT).to_string();
        let emotion = self.emotion.map(|emotion| emotion.to_string());
        for (name, value) in [("emotion", emotion), ("from", self.from.map(time)), ("to", self.to.map(time))] {
            if let Some(value) = value {
                text.extend(["&", name, "=", &value]);
            }
        }
        text
    }
}

impl Given {
    /// What was asked for, unless it is wrong in itself or taken together.
    fn check(self, mut faults: Faults, now: Timestamp) -> Result<AnalyticsQuery, Problem> {
        let from = faults.take("from", self.from);
        let to = faults.take("to", self.to);
        let bucket = faults.take("bucket", self.bucket.or(Some(Ok(Bucket::Hour))));
        let emotion = faults.take("emotion", self.emotion);
        let are_times = !faults.has("from") && !faults.has("to");
        if are_times && from.is_some_and(|from| from >= to.unwrap_or(now)) {
            faults.note_first("from", "must be before `to`, which is now unless it is given");
        }
        let Some(bucket) = bucket else { return Err(faults.problem()) };
        let from = from.map(|from| bucket.start_of(from));
        let query = AnalyticsQuery { from, to: to.map(|to| bucket.end_before(to)), bucket, emotion };
        let (first, end) = query.span(now);
        // A begun bucket at each end makes one more of them.
        if are_times && end.millis_since(first) / bucket.millis() > bucket.most() + 1 {
            faults.note_first("from", format!("must be at most {} {bucket}s before `to`", bucket.most()));
        }
        faults.or(query)
    }
}

fn bucket(word: &str) -> Result<Bucket, String> {
    match word {
        "hour" => Ok(Bucket::Hour),
        "day" => Ok(Bucket::Day),
        _ => Err("must be hour or day".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn now() -> Timestamp {
        at("2026-11-22T22:59:53.372Z")
    }

    fn parse(query: &str) -> Result<AnalyticsQuery, Problem> {
        AnalyticsQuery::parse(Some(query), now())
    }

    fn span(query: &str) -> [String; 2] {
        let (first, end) = parse(query).unwrap().span(now());
        [first, end].map(|at| at.to_string().replace(":00:00.000Z", ""))
    }

    #[test]
    fn buckets_that_have_a_part_between_the_two_times_are_asked_for() {
        for (query, first, end) in [
            ("", "2026-11-21T22", "2026-11-22T23"),
            ("bucket=hour&x=1&x=2", "2026-11-21T22", "2026-11-22T23"),
            ("bucket=day", "2026-10-23T00", "2026-11-23T00"),
            ("from=2026-11-22", "2026-11-22T00", "2026-11-22T23"),
            ("to=2026-11-22", "2026-11-21T00", "2026-11-22T00"),
            ("from=2026-11-20T10:30:00Z&to=2026-11-20T12:00:00.001Z", "2026-11-20T10", "2026-11-20T13"),
            ("from=2026-11-20T10:30:00%2B02:00&to=2026-11-20T12:00:00%2B02:00", "2026-11-20T08", "2026-11-20T10"),
            ("bucket=day&from=2026-11-20T10:30:00Z&to=2026-11-20T10:31:00Z", "2026-11-20T00", "2026-11-21T00"),
            ("from=2026-10-01T00:30:00Z&to=2026-11-01T00:30:00Z", "2026-10-01T00", "2026-11-01T01"),
            ("bucket=day&from=2024-01-01&to=2025-01-01", "2024-01-01T00", "2025-01-01T00"),
            ("from=2026-11-30&to=2026-12-01", "2026-11-30T00", "2026-12-01T00"),
        ] {
            assert_eq!(span(query), [first, end], "{query}");
        }
    }

    #[test]
    fn the_canonical_form_reads_back_as_the_same() {
        assert_eq!(parse("").unwrap().canonical(), "bucket=hour");
        for query in [
            "emotion=sad&bucket=day",
            "from=2026-10-22T00:30:00Z&to=2026-11-22T00:30:00Z&emotion=happy",
            "bucket=day&from=2026-11-20T10:30:00-05:00",
            "from=9999-12-31T23:00:00Z&to=9999-12-31T23:59:59.999Z",
        ] {
            let read = parse(query).unwrap();
            assert_eq!(parse(&read.canonical()).unwrap(), read, "{query}: {}", read.canonical());
        }
        let [a, b] =
            ["from=2026-11-22T10:15:00Z", "x=1&from=2026-11-22T10:00:00.000%2B00:00"].map(|q| parse(q).unwrap());
        assert_eq!(a.canonical(), b.canonical());
        assert_eq!(a.canonical(), "bucket=hour&from=2026-11-22T10%3A00%3A00.000Z");
    }

    #[test]
    fn all_faults_are_named() {
        for (query, fields) in [
            ("from=yesterday", &["from"][..]),
            ("from=", &["from"]),
            ("to=2026-13-01", &["to"]),
            ("to=2026-1-1", &["to"]),
            ("to=22:00", &["to"]),
            ("from=2026-11-22T10:00:00", &["from"]),
            ("from=1969-12-31", &["from"]),
            ("from=%2B12026-11-22T10:00:00Z", &["from"]),
            ("from=2026-11-22T10:00:00+02:00", &["from"]),
            ("bucket=week", &["bucket"]),
            ("bucket=Hour", &["bucket"]),
            ("emotion=joyful", &["emotion"]),
            ("from=x&to=y&bucket=z&emotion=q", &["from", "to", "bucket", "emotion"]),
            ("from=2026-11-22&from=2026-11-22", &["from"]),
            ("bucket=day&bucket=day&emotion=sad&emotion=sad", &["bucket", "emotion"]),
            ("from=2026-11-22&to=2026-11-22", &["from"]),
            ("from=2026-11-22&to=2026-11-21", &["from"]),
            ("from=2026-11-23", &["from"]),
            ("from=2026-10-01", &["from"]),
            ("from=2026-10-01T00:00:00Z&to=2026-11-01T01:00:00.001Z", &["from"]),
            ("bucket=day&from=2024-01-01&to=2025-01-02T00:00:01Z", &["from"]),
            ("from=2026-01-01&to=2026-11-01&emotion=joyful", &["emotion", "from"]),
        ] {
            let problem = parse(query).unwrap_err();
            assert_eq!(problem.errors.iter().map(|error| &*error.field).collect::<Vec<_>>(), fields, "{query}");
        }
    }
}
