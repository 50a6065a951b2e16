//! Reads the body of an edit: the limits of a create, for the fields that may be changed.

use serde_json::Value;

use super::{Fault, Reader, location, metadata, object, tags, text};
use crate::echo::{Change, EchoEdit};
use crate::policy::{MAX_MOOD_CHARS, MAX_TRANSCRIPT_CHARS};
use crate::problem::{FieldError, Problem};

/// What may be edited, for those who named nothing.
const EDITABLE: &str = "tags, transcript, detectedMood, metadata, location";
/// What an echo has and nobody may change: its keys, its audio, its end, and what the service keeps.
const FIXED: [&str; 10] =
    ["echoId", "userId", "timestamp", "emotion", "s3Url", "daysToLive", "ttl", "version", "origin", "updatedAt"];

/// Reads the body of `PATCH /v1/echoes/{echoId}`: null removes a field, what is absent stays.
pub fn edit(body: &[u8]) -> Result<EchoEdit, Problem> {
    let mut reader = Reader { fields: object(body)?, errors: Vec::new() };
    let edit = EchoEdit {
        location: reader.change("location", location),
        tags: reader.change("tags", tags),
        transcript: reader.change("transcript", |value| text(value, 0, MAX_TRANSCRIPT_CHARS)),
        detected_mood: reader.change("detectedMood", |value| text(value, 1, MAX_MOOD_CHARS)),
        metadata: reader.change("metadata", metadata),
    };
    for name in FIXED {
        if reader.fields.remove(name).is_some() {
            reader.errors.push(FieldError::new(name, "cannot be edited"));
        }
    }
    let errors = reader.finish();
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    if edit == EchoEdit::default() {
        return Err(Problem::invalid_field("body", format!("must name at least one of {EDITABLE}")));
    }
    Ok(edit)
}

impl Reader {
    fn change<T>(&mut self, name: &'static str, read: impl FnOnce(Value) -> Result<T, Fault>) -> Change<T> {
        if self.fields.get(name) == Some(&Value::Null) {
            self.fields.remove(name);
            return Change::Remove;
        }
        self.optional(name, read).map_or(Change::Keep, Change::Set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::MAX_BODY_BYTES;
    use crate::problem::Slug;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn fields(body: &str) -> Vec<String> {
        let problem = edit(body.as_bytes()).unwrap_err();
        assert_eq!(problem.slug, Slug::InvalidRequest);
        problem.errors.into_iter().map(|e| e.field.into_owned()).collect()
    }

    #[test]
    fn absent_stays_null_removes_and_a_value_is_set() {
        let edit = edit(br#"{"tags":["rain"],"transcript":null,"location":{"lat":1,"lng":2}}"#).unwrap();
        assert_eq!(edit.tags, Change::Set(vec!["rain".into()]));
        assert_eq!(
            (edit.transcript, edit.detected_mood, edit.metadata),
            (Change::Remove, Change::Keep, Change::Keep)
        );
        assert!(matches!(edit.location, Change::Set(place) if (place.lat, place.lng) == (1.0, 2.0)));
    }

    #[test]
    fn each_fault_names_its_field() {
        for (body, field) in [
            ("", "body"),
            ("{", "body"),
            ("null", "body"),
            ("[]", "body"),
            ("{}", "body"),
            (r#"{"emotion":"sad"}"#, "emotion"),
            (r#"{"tags":[],"s3Url":null}"#, "s3Url"),
            (r#"{"tags":[],"daysToLive":1}"#, "daysToLive"),
            (r#"{"tags":[],"version":2}"#, "version"),
            (r#"{"tags":[],"colour":1}"#, "colour"),
            (r#"{"tags":{}}"#, "tags"),
            (r#"{"tags":[null]}"#, "tags[0]"),
            (r#"{"location":{"lat":null,"lng":1}}"#, "location.lat"),
            (r#"{"detectedMood":""}"#, "detectedMood"),
            (r#"{"metadata":{"a":null}}"#, "metadata.a"),
        ] {
            assert_eq!(fields(body), [field], "{body}");
        }
        assert_eq!(fields(r#"{"x":1,"emotion":"x","tags":1}"#), ["tags", "emotion", "x"], "all are named at once");
        let long = |text: &str, n: usize| format!(r#"{{"transcript":"{}"}}"#, text.repeat(n));
        assert!(edit(long("é", MAX_TRANSCRIPT_CHARS).as_bytes()).is_ok());
        assert_eq!(fields(&long("é", MAX_TRANSCRIPT_CHARS + 1)), ["transcript"]);
        assert_eq!(edit(long("x", MAX_BODY_BYTES).as_bytes()).unwrap_err().slug, Slug::TooLarge);
    }
}
