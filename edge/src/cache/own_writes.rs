//! What this isolate wrote, so that it never shows a caller less than it has just confirmed.

use std::collections::{HashSet, VecDeque};

use echoes_shared::etag::version_of;
use echoes_shared::{EchoId, Emotion, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Subject;

/// Deleted echoes that an isolate remembers, about a megabyte of them. One that is forgotten after so many more may still be in
/// a list that is kept for the day on which no region answers, and is then shown with it.
const MAX_GONE: usize = 16_384;
/// Edited echoes that an isolate remembers at most.
const MAX_EDITED: usize = 256;
/// Milliseconds for which an answer may show an echo as it was before an edit made here: the 65 s of *Consistency* in the
/// design. After that a lower version means that an edit made elsewhere has won.
const EDITED_MILLIS: u64 = 65_000;
/// What stands before an id in a body.
const ID_FIELD: &[u8] = b"\"echoId\":\"";
const ID_CHARS: usize = 36;

/// The writes of this isolate.
#[derive(Debug, Default)]
pub struct OwnWrites {
    changed: Vec<(Emotion, Timestamp)>,
    changed_any: Option<Timestamp>,
    deleted_any: Option<Timestamp>,
    gone: HashSet<EchoId>,
    /// The same ids, the oldest first.
    gone_in_order: VecDeque<EchoId>,
    /// Edited echoes with the versions that they got and when, the oldest edit first.
    edited: VecDeque<(EchoId, u64, Timestamp)>,
}

impl OwnWrites {
    /// An echo of this emotion was created or edited: lists that were asked for up to `until` do not show it as it is.
    pub fn changed(&mut self, emotion: Emotion, until: Timestamp) {
        match self.changed.iter_mut().find(|(other, _)| *other == emotion) {
            Some((_, changed)) => *changed = until.max(*changed),
            None => self.changed.push((emotion, until)),
        }
        self.changed_any = self.changed_any.max(Some(until));
    }

    /// An echo got this version.
    pub fn edited(&mut self, id: EchoId, version: u64, at: Timestamp) {
        self.edited.retain(|(other, ..)| *other != id);
        if self.edited.len() >= MAX_EDITED {
            self.edited.pop_front();
        }
        self.edited.push_back((id, version, at));
    }

    /// Whether an answer with this tag, asked for at this time, shows an echo as it was before an edit made here.
    pub fn is_superseded(&self, subject: Subject, tag: &str, asked_at: Timestamp) -> bool {
        let Subject::Echo(id) = subject else { return false };
        let edited = self.edited.iter().find(|(other, ..)| *other == id);
        edited.is_some_and(|(_, version, at)| {
            asked_at.millis_since(*at) < EDITED_MILLIS && version_of(tag).is_some_and(|shown| shown < *version)
        })
    }

    /// An echo was deleted.
    pub fn deleted(&mut self, id: EchoId, now: Timestamp) {
        self.deleted_any = Some(now);
        if !self.gone.insert(id) {
            return;
        }
        self.gone_in_order.push_back(id);
        if self.gone_in_order.len() > MAX_GONE
            && let Some(oldest) = self.gone_in_order.pop_front()
        {
            self.gone.remove(&oldest);
        }
    }

    /// When what a read shows was last changed here. Which lists show a deleted echo is not known, so all count.
    pub fn outdated_at(&self, subject: Subject) -> Option<Timestamp> {
        match subject {
            Subject::Feed(emotion) => {
                let changed = self.changed.iter().find(|(other, _)| *other == emotion);
                changed.map(|(_, until)| *until).max(self.deleted_any)
            }
            Subject::Recent => self.changed_any.max(self.deleted_any),
            // The index hears of what was written a while after the writer's answer, so asking it again at once would not help.
            Subject::Search => self.deleted_any,
            Subject::Echo(_) | Subject::Emotions | Subject::Analytics => None,
        }
    }

    /// Whether the echo was deleted here.
    pub fn is_gone(&self, id: EchoId) -> bool {
        self.gone.contains(&id)
    }

    /// Whether a body is, or lists, an echo that was deleted here. What an echo's own fields say names nothing: `metadata` has
    /// keys of the caller's choice.
    pub fn any_gone_in(&self, body: &[u8]) -> bool {
        if self.gone.is_empty() || !ids_in(body).any(|id| self.is_gone(id)) {
            return false;
        }
        // What cannot be read is not shown.
        serde_json::from_slice(body).map_or(true, |shown| self.is_any_gone(&shown))
    }

    /// A list without the echoes that were deleted here; `None` where there are none, or where it is no list.
    pub fn without_gone(&self, body: &[u8]) -> Option<Vec<u8>> {
        if !self.any_gone_in(body) {
            return None;
        }
        let mut list: List<'_> = serde_json::from_slice(body).ok()?;
        if list.echoes.is_none() && list.results.is_none() && list.timelines.is_none() {
            return None;
        }
        self.take_gone_out_of(&mut list);
        serde_json::to_vec(&list).ok()
    }

    fn is_any_gone(&self, shown: &Shown) -> bool {
        shown.echo_id.is_some_and(|id| self.is_gone(id))
            || shown.echo.as_deref().is_some_and(|echo| self.is_any_gone(echo))
            || [&shown.echoes, &shown.results, &shown.timelines]
                .into_iter()
                .flatten()
                .any(|inner| self.is_any_gone(inner))
    }

    fn take_gone_out_of(&self, list: &mut List<'_>) {
        for echoes in [&mut list.echoes, &mut list.results].into_iter().flatten() {
            echoes.retain(|echo| !self.any_gone_in(echo.get().as_bytes()));
        }
        list.timelines.iter_mut().flatten().for_each(|list| self.take_gone_out_of(list));
    }
}

/// A list as the cores write it, or several people's lists; the echoes stay as they are.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    /// Whose it is, where there are several.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    echoes: Option<Vec<&'a RawValue>>,
    /// What a search found: an echo each, and what is said of it.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    results: Option<Vec<&'a RawValue>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    next_cursor: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    timelines: Option<Vec<List<'a>>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    failed: Option<&'a RawValue>,
}

/// The ids that count in a body: the echo's own, or those of a list's echoes, or of several lists'.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    echo_id: Option<EchoId>,
    /// The echo of a search's result.
    echo: Option<Box<Shown>>,
    #[serde(default)]
    echoes: Vec<Shown>,
    #[serde(default)]
    results: Vec<Shown>,
    #[serde(default)]
    timelines: Vec<Shown>,
}

/// The ids in a body, at any depth: a first look, which is quick and finds too many. A quote inside a text is escaped, so the
/// field's name cannot be part of one.
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
        writes.changed(Emotion::Sad, at(7));
        writes.changed(Emotion::Sad, at(6));
        assert_eq!(writes.outdated_at(Subject::Feed(Emotion::Sad)), Some(at(7)));
        assert_eq!(writes.outdated_at(Subject::Recent), Some(at(7)));
        assert_eq!(writes.outdated_at(Subject::Feed(Emotion::Happy)), None);
        assert_eq!(writes.outdated_at(Subject::Emotions), None);
        assert_eq!(writes.outdated_at(Subject::Analytics), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_edit_supersedes_older_versions_of_its_echo() {
        let mut writes = OwnWrites::default();
        let subject = |id: &str| Subject::Echo(id.parse().unwrap());
        writes.edited(GONE.parse().unwrap(), 3, at(7));
        for (tag, superseded) in [("\"2\"", true), ("W/\"2\"", true), ("\"3\"", false), ("\"4\"", false), ("", false)]
        {
            assert_eq!(writes.is_superseded(subject(GONE), tag, at(7)), superseded, "{tag}");
        }
        for other in [subject(OTHER), Subject::Recent] {
            assert!(!writes.is_superseded(other, "\"2\"", at(7)));
        }
        writes.edited(GONE.parse().unwrap(), 5, at(7));
        assert!(writes.is_superseded(subject(GONE), "\"4\"", at(7)));
        assert!(!writes.is_superseded(subject(GONE), "\"4\"", at(7 + EDITED_MILLIS)), "another edit has won");
        for n in 0..MAX_EDITED {
            writes.edited(format!("019ab3c1-5a2e-7c31-9d55-0b6f5f3c{n:04x}").parse().unwrap(), 2, at(7));
        }
        assert_eq!(writes.edited.len(), MAX_EDITED);
        assert!(!writes.is_superseded(subject(GONE), "\"4\"", at(7)));
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
        let rest = writes().without_gone(list.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(rest).unwrap(), format!(r#"{{"echoes":[{quoting}],"nextCursor":"c"}}"#));
        assert_eq!(writes().without_gone(quoting.as_bytes()), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_gone_echo_is_taken_out_of_several_lists() {
        let list = |user: &str, ids: &[&str]| {
            let echoes: Vec<_> = ids.iter().map(|id| format!(r#"{{"echoId":"{id}"}}"#)).collect();
            format!(r#"{{"userId":"{user}","echoes":[{}],"nextCursor":"c"}}"#, echoes.join(","))
        };
        let body = |anas: &[&str]| {
            let failed = r#"[{"userId":"cyd","problem":{"status":503}}]"#;
            format!(r#"{{"timelines":[{},{}],"failed":{failed}}}"#, list("ana", anas), list("ben", &[OTHER]))
        };
        let rest = writes().without_gone(body(&[GONE, OTHER]).as_bytes()).unwrap();
        assert_eq!(String::from_utf8(rest).unwrap(), body(&[OTHER]));
        assert_eq!(writes().without_gone(body(&[OTHER]).as_bytes()), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_gone_echo_is_taken_out_of_what_was_found() {
        let result =
            |id: &str| format!(r#"{{"echo":{{"echoId":"{id}","metadata":{{"echoId":"{GONE}"}}}},"score":1.5}}"#);
        let found = |results: &str| format!(r#"{{"results":[{results}],"nextCursor":"c"}}"#);
        let rest = writes().without_gone(found(&format!("{},{}", result(GONE), result(OTHER))).as_bytes()).unwrap();
        assert_eq!(String::from_utf8(rest).unwrap(), found(&result(OTHER)));
        assert_eq!(writes().without_gone(found(&result(OTHER)).as_bytes()), None);
        let rest = writes().without_gone(found(&result(GONE)).as_bytes()).unwrap();
        assert_eq!(String::from_utf8(rest).unwrap(), found(""));
        assert_eq!(writes().outdated_at(Subject::Search), Some(at(5)));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_echo_whose_metadata_names_a_gone_one_lives() {
        let naming = format!(r#"{{"metadata":{{"echoId":"{GONE}"}},"echoId":"{OTHER}"}}"#);
        let list = |echoes: &str| format!(r#"{{"echoes":[{echoes}]}}"#);
        let named = |body: &str| writes().any_gone_in(body.as_bytes());
        assert!(!named(&naming));
        assert!(!named(&list(&naming)));
        assert_eq!(writes().without_gone(list(&naming).as_bytes()), None);
        let gone = format!(r#"{{"metadata":{{"echoId":"{OTHER}"}},"echoId":"{GONE}"}}"#);
        assert!(named(&gone));
        assert_eq!(writes().without_gone(gone.as_bytes()), None);
        let rest = writes().without_gone(list(&format!("{gone},{naming}")).as_bytes()).unwrap();
        assert_eq!(String::from_utf8(rest).unwrap(), list(&naming));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_memory_of_deletes_is_bounded() {
        let mut writes = writes();
        for n in 0..u16::try_from(MAX_GONE).unwrap() {
            let id = format!("019ab3c1-5a2e-7c31-9d55-0b6f5f3c{n:04x}");
            writes.deleted(id.parse().unwrap(), at(9));
        }
        assert_eq!((writes.gone.len(), writes.gone_in_order.len()), (MAX_GONE, MAX_GONE));
        assert!(!writes.is_gone(GONE.parse().unwrap()));
    }
}
