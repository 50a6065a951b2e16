//! What listeners are told of: an echo as it is now, or that one is gone.

use std::fmt::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use echoes_shared::echo::edition;
use echoes_shared::live::EventId;
use echoes_shared::{Echo, EchoId, Emotion, Timestamp};
use serde::{Deserialize, Serialize};

/// Something that happened to an echo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    /// When it was written, by the stream's clock.
    pub at: Timestamp,
    /// What it was.
    pub what: What,
}

/// What became of an echo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// It was posted or edited, and is this now.
    Echo(Box<Echo>),
    /// It was deleted.
    Gone {
        /// Which one.
        id: EchoId,
        /// Its emotion; where that is not known, whoever listens to any emotion is told.
        emotion: Option<Emotion>,
    },
}

/// An event as it is sent, but for its id: made once for all listeners, before any lock is taken.
#[derive(Debug)]
pub(super) struct Drawn {
    pub at: Timestamp,
    pub echo: EchoId,
    pub edition: u64,
    pub emotion: Option<Emotion>,
    /// `event: …` and `data: …` with their ends; JSON has no line ends of its own.
    rest: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gone {
    echo_id: EchoId,
}

impl Happening {
    pub(super) fn draw(&self) -> Drawn {
        let (echo, edition, emotion, rest) = match &self.what {
            What::Echo(echo) => (echo.echo_id, echo.edition(), Some(echo.emotion), lines("echo", echo)),
            What::Gone { id, emotion } => (*id, edition::GONE, *emotion, lines("deleted", &Gone { echo_id: *id })),
        };
        Drawn { at: self.at, echo, edition, emotion, rest }
    }
}

impl Drawn {
    /// The whole event.
    pub(super) fn frame(&self, id: EventId) -> Bytes {
        let head = head(id);
        let mut frame = BytesMut::with_capacity(head.len() + self.rest.len());
        frame.put_slice(head.as_bytes());
        frame.put_slice(&self.rest);
        frame.freeze()
    }
}

/// An event of an echo that is serialised already, in parts that are sent one after the other.
pub(super) fn parts(id: EventId, echo: Bytes) -> [Bytes; 3] {
    let mut head = head(id);
    head.push_str("event: echo\ndata: ");
    [head.into(), echo, Bytes::from_static(b"\n\n")]
}

fn head(id: EventId) -> String {
    let mut head = String::with_capacity(64);
    // Writing into a String cannot fail.
    let _ = writeln!(head, "id: {id}");
    head
}

fn lines(event: &str, data: &impl Serialize) -> Vec<u8> {
    let mut lines = format!("event: {event}\ndata: ").into_bytes();
    // Structs of strings and finite numbers always serialise.
    let _ = serde_json::to_writer(&mut lines, data);
    lines.extend_from_slice(b"\n\n");
    lines
}
