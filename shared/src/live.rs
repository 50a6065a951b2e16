//! The ids of live events: where a listener was, in words that every region understands.

use std::fmt;
use std::str::FromStr;

use crate::problem::Problem;
use crate::timestamp::Timestamp;

/// Digits of milliseconds at most, until the last year that a time can be of.
const MILLIS_DIGITS: usize = 15;
/// Digits of a position at most, so that it fits into 64 bits.
const POSITION_DIGITS: usize = 19;
/// Hexadecimal digits of a run.
const RUN_DIGITS: usize = 8;

/// One run of events of one process without a gap: a random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run(pub u32);

/// An event's place in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which run.
    pub run: Run,
    /// Its number in that, from 1 on.
    pub position: u64,
}

/// The id of a live event: `MILLIS` or `MILLIS.RUN.POSITION`.
///
/// Whoever holds the run knows exactly what came after the position. All others know what came after the time, which is that of
/// the stream's record and by no process's own clock; so the id is of use in every region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventId {
    /// When the event was written.
    pub at: Timestamp,
    /// Where it stands, if it was sent from a run of events.
    pub place: Option<Place>,
}

impl EventId {
    /// Reads the header `Last-Event-ID`; a malformed one is named.
    pub fn last(header: &str) -> Result<Self, Problem> {
        header.parse().map_err(|error: NoEventId| Problem::invalid_field("Last-Event-ID", error.to_string()))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at.millis())?;
        match self.place {
            Some(Place { run: Run(run), position }) => write!(f, ".{run:0RUN_DIGITS$x}.{position}"),
            None => Ok(()),
        }
    }
}

impl FromStr for EventId {
    type Err = NoEventId;

    fn from_str(text: &str) -> Result<Self, NoEventId> {
        let mut parts = text.split('.');
        let millis = number(parts.next().unwrap_or_default(), MILLIS_DIGITS)?;
        let place = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some(run), Some(position), None) => {
                Some(Place { run: run_of(run)?, position: number(position, POSITION_DIGITS)? })
            }
            _ => return Err(NoEventId),
        };
        Ok(Self { at: Timestamp::from_millis(millis), place })
    }
}

fn number(digits: &str, at_most: usize) -> Result<u64, NoEventId> {
    let fits = (1..=at_most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits { digits.parse().map_err(|_| NoEventId) } else { Err(NoEventId) }
}

fn run_of(digits: &str) -> Result<Run, NoEventId> {
    let fits = digits.len() == RUN_DIGITS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if fits { u32::from_str_radix(digits, 16).map(Run).map_err(|_| NoEventId) } else { Err(NoEventId) }
}

/// A text that is no id of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoEventId;

impl fmt::Display for NoEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be the id of an event as it was sent")
    }
}

impl std::error::Error for NoEventId {}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn ids_read_back() {
        for text in [
            "0",
            "1795000000123",
            "1795000000123.0000003f.812",
            "253402300799999.ffffffff.9999999999999999999",
            "1795000000123.deadbeef.0",
        ] {
            assert_eq!(text.parse::<EventId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn malformed_ones_are_named() {
        for text in [
            "",
            " ",
            "x",
            "-1",
            "+1",
            "1.",
            "1..",
            "1.2",
            "1.0000003f",
            "1.0000003f.",
            "1.0000003f.1.",
            "1.0000003f.1.1",
            "1.0000003F.1",
            "1.3f.1",
            "1.+000003f.1",
            "1000000000000000",
            "1.0000003f.10000000000000000000",
            "1, 1",
            "1\u{0}",
            "١",
        ] {
            let problem = EventId::last(text).unwrap_err();
            assert_eq!(
                problem.errors.iter().map(|error| &*error.field).collect::<Vec<_>>(),
                ["Last-Event-ID"],
                "{text:?}"
            );
        }
    }
}
