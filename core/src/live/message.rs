//! What the worker tells the live hubs of its region's other processes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Happening;

/// The form's version. Who reads another has a gap.
const VERSION: u8 = 1;
/// Bytes above which a message is told in two; one happening alone is never so long.
const BYTES: usize = 256 * 1024;
/// Bytes that are read at most.
const MAX_BYTES: usize = 2 * BYTES;

#[derive(Serialize)]
struct Out<'a> {
    v: u8,
    events: &'a [Happening],
}

#[derive(Deserialize)]
struct In {
    v: u8,
    events: Vec<Happening>,
}

/// These happenings in messages of a bounded size, in their order.
pub(crate) fn write(happenings: &[Happening]) -> Vec<Bytes> {
    let whole = serde_json::to_vec(&Out { v: VERSION, events: happenings });
    match (whole, happenings.len()) {
        (Ok(message), count) if message.len() <= BYTES || count == 1 => vec![message.into()],
        // Two halves, and so on: the usual message is small.
        (Ok(_), count) if count > 1 => {
            let (some, others) = happenings.split_at(count / 2);
            [write(some), write(others)].concat()
        }
        _ => Vec::new(),
    }
}

/// What a message says; `None` where this process does not know.
pub(super) fn read(message: &[u8]) -> Option<Vec<Happening>> {
    if message.len() > MAX_BYTES {
        return None;
    }
    let In { v, events } = serde_json::from_slice(message).ok()?;
    (v == VERSION).then_some(events)
}
