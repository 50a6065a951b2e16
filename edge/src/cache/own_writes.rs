//! What this isolate wrote, so that it never shows a caller less than it has just confirmed.

use std::collections::{BTreeMap, VecDeque};

use echoes_shared::{EchoId, Emotion, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Subject;

/// Deleted echoes that an isolate remembers; older ones have long left every tier.
const MAX_GONE: usize = 1_024;
/// What stands before an id in a body.
const ID_FIELD: &[u8] = b"\"echoId\":\"";
const ID_CHARS: usize = 36;

/// The writes of this isolate.
#[derive(Debug, Default)]
pub struct OwnWrites {
    created: BTreeMap<Emotion, Timestamp>,
    created_any: Option<Timestamp>,
    deleted_any: Option<Timestamp>,
    gone: VecDeque<EchoId>,
}

impl OwnWrites {
    /// An echo of this emotion was created.
    pub fn created(&mut self, emotion: Emotion, now: Timestamp) {
        self.created.insert(emotion, now);
        self.created_any = Some(now);
    }

    /// An echo was deleted.
    pub fn deleted(&mut self, id: EchoId, now: Timestamp) {
        self.deleted_any = Some(now);
        if self.is_gone(id) {
            return;
        }
        if self.gone.len() == MAX_GONE {
            self.gone.pop_front();
        }
        self.gone.push_back(id);
    }

    /// When what a read shows was last changed here. Which lists show a deleted echo is not known, so all count.
    pub fn outdated_at(&self, subject: Subject) -> Option<Timestamp> {
        match subject {
            Subject::Feed(emotion) => self.created.get(&emotion).copied().max(self.deleted_any),
            Subject::Recent => self.created_any.max(self.deleted_any),
            Subject::Echo(_) | Subject::Emotions => None,
        }
    }

    /// Whether the echo was deleted here.
    pub fn is_gone(&self, id: EchoId) -> bool {
        self.gone.contains(&id)
    }

    /// Whether a body names an echo that was deleted here.
    pub fn any_gone_in(&self, body: &[u8]) -> bool {
        !self.gone.is_empty() && ids_in(body).any(|id| self.is_gone(id))
    }

    /// A list without the echoes that were deleted here, and how many those were; `None` where there are none.
    pub fn without_gone(&self, body: &[u8]) -> Option<(Vec<u8>, usize)> {
        if !self.any_gone_in(body) {
            return None;
        }
        let mut list: List<'_> = serde_json::from_slice(body).ok()?;
        let before = list.echoes.len();
        list.echoes.retain(|echo| !self.any_gone_in(echo.get().as_bytes()));
        let removed = before - list.echoes.len();
        Some((serde_json::to_vec(&list).ok()?, removed))
    }
}

/// A list as the cores write it; the echoes stay as they are.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    #[serde(borrow)]
    echoes: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The ids in a body of ours. A quote inside a text is escaped, so the field's name cannot be part of one.
fn ids_in(body: &[u8]) -> impl Iterator<Item = EchoId> {
    let starts = body.windows(ID_FIELD.len()).enumerate().filter(|(_, window)| *window == ID_FIELD);
    starts.filter_map(|(at, _)| {
        let id = body.get(at + ID_FIELD.len()..)?.get(..ID_CHARS)?;
        std::str::from_utf8(id).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    const GONE: &str = "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20";
    const OTHER: &str = "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a21";

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn writes() -> OwnWrites {
        let mut writes = OwnWrites::default();
        writes.deleted(GONE.parse().unwrap(), at(5));
        writes
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_create_makes_its_emotion_and_the_recent_list_old() {
        let mut writes = OwnWrites::default();
        writes.created(Emotion::Sad, at(7));
        assert_eq!(writes.outdated_at(Subject::Feed(Emotion::Sad)), Some(at(7)));
        assert_eq!(writes.outdated_at(Subject::Recent), Some(at(7)));
        assert_eq!(writes.outdated_at(Subject::Feed(Emotion::Happy)), None);
        assert_eq!(writes.outdated_at(Subject::Emotions), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_delete_makes_every_list_old() {
        assert_eq!(writes().outdated_at(Subject::Feed(Emotion::Happy)), Some(at(5)));
        assert_eq!(writes().outdated_at(Subject::Recent), Some(at(5)));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_gone_echo_is_taken_out_of_a_list() {
        let echo = |id: &str, text: &str| format!(r#"{{"echoId":"{id}","transcript":"{text}"}}"#);
        let quoting = echo(OTHER, &format!(r#"\"echoId\":\"{GONE}\""#));
        let list = format!(r#"{{"echoes":[{},{quoting}],"nextCursor":"c"}}"#, echo(GONE, "é"));
        let (rest, removed) = writes().without_gone(list.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(rest).unwrap(), format!(r#"{{"echoes":[{quoting}],"nextCursor":"c"}}"#));
        assert_eq!(removed, 1);
        assert_eq!(writes().without_gone(quoting.as_bytes()), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_memory_of_deletes_is_bounded() {
        let mut writes = writes();
        for n in 0..u16::try_from(MAX_GONE).unwrap() {
            let id = format!("019ab3c1-5a2e-7c31-9d55-0b6f5f3b{n:04x}");
            writes.deleted(id.parse().unwrap(), at(9));
        }
        assert_eq!(writes.gone.len(), MAX_GONE);
        assert!(!writes.is_gone(GONE.parse().unwrap()));
    }
}
