//! What a core answered, and whether that counts as an answer at all.

use std::fmt;

use echoes_shared::wire;
use echoes_shared::{Region, Timestamp};

use super::transport::Received;
use crate::cache::tag_of_the_rest;
use crate::response::header;
use echoes_shared::policy::{ATTEMPT_MILLIS, BATCH_SHARES, REQUEST_DEADLINE_MILLIS};

/// The headers of a core's answer that matter to the edge or the caller.
pub const WANTED: &[&str] = &[
    header::CONTENT_TYPE,
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    header::CACHE_STATUS,
    header::SERVER_TIMING,
    wire::REGION,
    wire::CORE_HOME,
    wire::CORE_STORE,
];

const UNAVAILABLE: u16 = 503;

/// Why a region's attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The call could not be signed.
    NotSigned,
    /// No connection, or it broke.
    Unreachable,
    /// Nothing within the attempt's share of the deadline.
    Late,
    /// The core refused our signature: our settings and the core's differ.
    Refused(u16),
    /// The body is longer than was asked for.
    TooLong,
    /// The core itself failed, or what stands before it.
    Status(u16),
    /// The core and its store are there, and it says in its own words that it cannot do this just now.
    Busy(Box<Answer>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSigned => f.write_str("the call could not be signed"),
            Self::Unreachable => f.write_str("no connection"),
            Self::Late => f.write_str("no answer in time"),
            Self::TooLong => f.write_str("the answer is too long"),
            Self::Refused(status) => {
                write!(f, "it refused our signature with {status}: check the key and ECHOES_CORES")
            }
            Self::Status(status) => write!(f, "status {status}"),
            Self::Busy(answer) => write!(f, "status {}", answer.status),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// Whether it tells that the region is not well, after a call that had `deadline_millis`.
    pub fn blames_the_region(&self, deadline_millis: u32) -> bool {
        *self != Self::Late || u64::from(deadline_millis) >= ATTEMPT_MILLIS
    }

    /// The same after a batch, which a healthy core may take longer for.
    pub fn blames_the_region_of_a_batch(&self, deadline_millis: u32) -> bool {
        *self != Self::Late || u64::from(deadline_millis) >= REQUEST_DEADLINE_MILLIS / BATCH_SHARES as u64
    }

    /// The same after the opening of a stream: a core without a seat for another listener answers everything else.
    pub fn blames_the_region_of_a_stream(&self, deadline_millis: u32) -> bool {
        !matches!(self, Self::Busy(_)) && self.blames_the_region(deadline_millis)
    }

    /// The same after a call that only asked how the core is: one that says so itself, being busy or without its table, may
    /// still answer what it remembers, and the reads will tell.
    pub fn blames_the_region_checked(&self, deadline_millis: u32) -> bool {
        !matches!(self, Self::Status(UNAVAILABLE) | Self::Busy(_)) && self.blames_the_region(deadline_millis)
    }
}

/// How a status counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An answer for the caller, or for us.
    Answer,
    /// Our signature was refused.
    Refused,
    /// The region failed.
    Failed,
}

impl Verdict {
    /// Judges a status. Callers are known at the edge, so a 401 of a core is always about our signature; and a 403 is, unless
    /// it answers a write to another person's echo.
    pub const fn of(status: u16, method: &str) -> Self {
        let edits = matches!(method.as_bytes(), b"DELETE" | b"PATCH");
        match status {
            401 => Self::Refused,
            403 if !edits => Self::Refused,
            200..=299 | 400..=499 => Self::Answer,
            _ => Self::Failed,
        }
    }
}

/// What a core answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The region that answered.
    pub region: Region,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// 200–299 or 400–499; 503 where the core is busy.
    pub status: u16,
    /// The body, for the caller as it is.
    pub body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// The answer in what was received, or why it is none.
    pub fn judge(received: Received, region: Region, asked_at: Timestamp, method: &str) -> Result<Self, Failure> {
        let Received { status, headers, body } = received;
        let answer = Self { region, asked_at, status, body, headers };
        match Verdict::of(status, method) {
            Verdict::Answer => Ok(answer),
            Verdict::Refused => Err(Failure::Refused(status)),
            Verdict::Failed if answer.is_busy() => Err(Failure::Busy(Box::new(answer))),
            Verdict::Failed => Err(Failure::Status(status)),
        }
    }

    /// Whether it is a 503 of a core whose store answers; a load balancer's own names no region.
    fn is_busy(&self) -> bool {
        self.status == UNAVAILABLE && self.header(wire::REGION).is_some() && self.header(wire::CORE_STORE).is_none()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    /// The list without the echoes that were taken out of it: another body, so another tag.
    #[must_use]
    pub fn with_rest(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        for (_, tag) in self.headers.iter_mut().filter(|(name, _)| *name == header::ETAG) {
            *tag = tag_of_the_rest(tag, &self.body);
        }
        self
    }

    /// The region that the answer names: the core's own word, else the one that was asked.
    pub fn region_name(&self) -> &str {
        self.header(wire::REGION).unwrap_or(self.region.as_str())
    }

    /// The region to ask instead, where this one says that it is not the echo's home.
    pub fn home(&self) -> Option<Region> {
        const MISDIRECTED: u16 = 421;
        let home = self.header(wire::CORE_HOME)?;
        if self.status == MISDIRECTED { home.parse().ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn faults_of_the_caller_are_answers_and_ours_are_not() {
        for status in [200, 201, 204, 400, 404, 409, 413, 421, 429] {
            assert_eq!(Verdict::of(status, "POST"), Verdict::Answer, "{status}");
        }
        for status in [0, 101, 301, 304, 500, 502, 503, 504, 600] {
            assert_eq!(Verdict::of(status, "GET"), Verdict::Failed, "{status}");
        }
        assert_eq!(Verdict::of(401, "DELETE"), Verdict::Refused);
        assert_eq!(Verdict::of(403, "GET"), Verdict::Refused);
        assert_eq!(Verdict::of(403, "DELETE"), Verdict::Answer);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_region_is_not_blamed_for_our_haste() {
        assert!(Failure::Late.blames_the_region(667));
        assert!(!Failure::Late.blames_the_region(50));
        assert!(Failure::Unreachable.blames_the_region(50));
        assert!(Failure::Status(503).blames_the_region(667));
        assert!(!Failure::Status(503).blames_the_region_checked(1_000));
        assert!(Failure::Unreachable.blames_the_region_checked(1_000));
        assert!(Failure::Late.blames_the_region_checked(1_000));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_a_core_with_its_store_is_busy() {
        let judge = |status, headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            let received = Received { status, headers, body: b"busy".to_vec() };
            Answer::judge(received, Region::UsEast1, Timestamp::from_millis(1), "PATCH").unwrap_err()
        };
        let named = (wire::REGION, "us-east-1");
        let Failure::Busy(answer) = judge(503, &[named, (header::RETRY_AFTER, "1")]) else { panic!("not busy") };
        assert_eq!(
            (answer.status, answer.header(header::RETRY_AFTER), &answer.body[..]),
            (503, Some("1"), &b"busy"[..])
        );
        assert!(Failure::Busy(answer.clone()).blames_the_region(667));
        assert!(!Failure::Busy(answer.clone()).blames_the_region_of_a_stream(667));
        assert!(Failure::Status(503).blames_the_region_of_a_stream(667));
        assert!(!Failure::Busy(answer).blames_the_region_checked(1_000));
        assert_eq!(judge(503, &[]), Failure::Status(503), "of a load balancer without a core");
        assert_eq!(judge(503, &[named, (wire::CORE_STORE, "unreachable")]), Failure::Status(503));
        assert_eq!(judge(502, &[named]), Failure::Status(502));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_misdirected_call_names_the_home() {
        let answer = |status, home: &str| {
            let headers = vec![(wire::CORE_HOME, home.to_owned())];
            let received = Received { status, headers, body: Vec::new() };
            Answer::judge(received, Region::UsEast1, Timestamp::from_millis(1), "DELETE").unwrap()
        };
        assert_eq!(answer(421, "eu-west-1").home(), Some(Region::EuWest1));
        assert_eq!(answer(421, "mars-1").home(), None);
        assert_eq!(answer(204, "eu-west-1").home(), None);
    }
}
