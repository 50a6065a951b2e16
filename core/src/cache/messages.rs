//! What the processes of a region tell each other: which echoes have changed.

use bytes::Bytes;
use echoes_shared::{EchoId, Emotion, UserId};
use serde::{Deserialize, Serialize};

use super::{Certainty, Change};

/// The version of the form below. A process that reads another doubts everything that it holds.
const VERSION: u8 = 1;
/// Changes in one message at most, about 150 bytes each.
pub(super) const MAX_CHANGES: usize = 100;

#[derive(Serialize, Deserialize)]
struct Message {
    v: u8,
    #[serde(default)]
    certainty: Certainty,
    changes: Vec<Told>,
}

#[derive(Serialize, Deserialize)]
struct Told {
    user: UserId,
    echo: EchoId,
    #[serde(skip_serializing_if = "Option::is_none")]
    emotion: Option<Emotion>,
    gone: bool,
}

/// What a message comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// These echoes have changed, or may have.
    Changes(Vec<Change>, Certainty),
    /// Nobody knows what it says.
    Unknown,
}

/// The message of these changes.
pub(super) fn write(changes: &[Change], certainty: Certainty) -> Bytes {
    let told = |change: &Change| {
        let Change { user, echo, emotion, gone } = change.clone();
        Told { user, echo, emotion, gone }
    };
    let message = Message { v: VERSION, certainty, changes: changes.iter().map(told).collect() };
    // It has nothing that cannot be written; an empty message would be one that nobody knows.
    serde_json::to_vec(&message).unwrap_or_default().into()
}

/// What a message of another process says.
pub(super) fn read(message: &[u8]) -> News {
    let Ok(message) = serde_json::from_slice::<Message>(message) else { return News::Unknown };
    if message.v != VERSION {
        return News::Unknown;
    }
    let change = |Told { user, echo, emotion, gone }| Change { user, echo, emotion, gone };
    News::Changes(message.changes.into_iter().map(change).collect(), message.certainty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::echo;

    #[test]
    fn what_one_writes_another_reads() {
        let change = |millis, emotion, gone| {
            let echo = echo("ana", millis);
            Change { user: echo.user_id, echo: echo.echo_id, emotion, gone }
        };
        let changes = [change(1, Some(Emotion::Happy), false), change(2, None, true)];
        for certainty in [Certainty::Done, Certainty::Perhaps, Certainty::Shown] {
            assert_eq!(read(&write(&changes, certainty)), News::Changes(changes.to_vec(), certainty));
        }
        let message = write(&changes, Certainty::Done);
        let former = String::from_utf8(message.to_vec()).unwrap().replacen("\"certainty\":\"Done\",", "", 1);
        assert_eq!(read(former.as_bytes()), News::Changes(changes.to_vec(), Certainty::Done));
        let newer = String::from_utf8(message.to_vec()).unwrap().replacen("\"v\":1", "\"v\":2", 1);
        for unknown in [newer.as_bytes(), &message[1..], b"", b"{}"] {
            assert_eq!(read(unknown), News::Unknown);
        }
    }
}
