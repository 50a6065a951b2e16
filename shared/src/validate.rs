//! Reads request bodies field by field, so that one answer names everything that is wrong.

mod batch;
mod edit;
mod stored;

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::echo::{Location, NewEcho};
use crate::id::UserId;
use crate::policy::{
    MAX_BODY_BYTES, MAX_DAYS_TO_LIVE, MAX_METADATA_KEY_CHARS, MAX_METADATA_PAIRS, MAX_METADATA_VALUE_CHARS,
    MAX_MOOD_CHARS, MAX_S3_URL_BYTES, MAX_TAG_CHARS, MAX_TAGS, MAX_TRANSCRIPT_CHARS,
};
use crate::problem::{FieldError, Problem, Slug};

pub use batch::{BatchItem, Operation, batch};
pub use edit::edit;
pub use stored::{line_too_long, stored_echo};

/// The media type of every request body.
pub const JSON: &str = "application/json";

/// Whether a request's `Content-Type` is JSON; parameters such as `charset` are left aside.
pub fn content_type(header: Option<&str>) -> Result<(), Problem> {
    let media_type = header.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    Err(Problem {
        errors: vec![FieldError::new("Content-Type", "must be application/json")],
        ..Problem::new(Slug::UnsupportedMediaType, "the body must be application/json")
    })
}

/// The problem of a body above `limit_bytes`.
pub fn body_too_large(limit_bytes: usize) -> Problem {
    Problem {
        errors: vec![FieldError::new("body", format!("must be at most {limit_bytes} bytes"))],
        ..Problem::new(Slug::TooLarge, format!("the body is above {limit_bytes} bytes"))
    }
}

/// Reads the body of `POST /v1/echoes`.
///
/// `audio_bucket` is `None` at the edge, which does not know it; the core then checks the bucket as well.
pub fn new_echo(body: &[u8], user: &UserId, audio_bucket: Option<&str>) -> Result<NewEcho, Problem> {
    content(object(body)?, user, audio_bucket).map_err(Problem::invalid)
}

/// Reads what a create says of its echo.
fn content(
    fields: Map<String, Value>,
    user: &UserId,
    audio_bucket: Option<&str>,
) -> Result<NewEcho, Vec<FieldError>> {
    let mut reader = Reader { fields, errors: Vec::new() };
    let emotion = reader.required("emotion", word);
    let content = (
        reader.optional("s3Url", |value| s3_url(value, user, audio_bucket)),
        reader.optional("location", location),
        reader.optional("tags", tags),
        reader.optional("transcript", |value| text(value, 0, MAX_TRANSCRIPT_CHARS)),
        reader.optional("detectedMood", |value| text(value, 1, MAX_MOOD_CHARS)),
        reader.optional("metadata", metadata),
        reader.optional("daysToLive", days_to_live),
    );
    let errors = reader.finish();
    match emotion {
        Some(emotion) if errors.is_empty() => {
            let (s3_url, location, tags, transcript, detected_mood, metadata, days_to_live) = content;
            Ok(NewEcho { emotion, s3_url, location, tags, transcript, detected_mood, metadata, days_to_live })
        }
        _ => Err(errors),
    }
}

/// The fields of a body that is one JSON object.
fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    if body.len() > MAX_BODY_BYTES {
        return Err(body_too_large(MAX_BODY_BYTES));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Problem::invalid_field("body", "must be a JSON object")),
        Err(error) => Err(Problem::invalid_field("body", format!("is not JSON: {error}"))),
    }
}

/// What is wrong below a field: the rest of its path (`.lat`, `[3]`, or nothing) and what it must be.
type Fault = (String, String);

fn fault<T>(detail: impl Into<String>) -> Result<T, Fault> {
    Err((String::new(), detail.into()))
}

/// An object's fields, taken out one by one; what stays is unknown.
struct Reader {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Reader {
    fn required<T>(&mut self, name: &'static str, read: impl FnOnce(Value) -> Result<T, Fault>) -> Option<T> {
        if !self.fields.contains_key(name) {
            self.errors.push(FieldError::new(name, "is required"));
        }
        self.optional(name, read)
    }

    fn optional<T>(&mut self, name: &'static str, read: impl FnOnce(Value) -> Result<T, Fault>) -> Option<T> {
        match read(self.fields.remove(name)?) {
            Ok(value) => Some(value),
            Err((below, detail)) => {
                self.errors.push(FieldError::new(format!("{name}{below}"), detail));
                None
            }
        }
    }

    fn finish(mut self) -> Vec<FieldError> {
        // An object of 64 KiB may hold thousands of unknown fields: name the first few.
        const NAMED: usize = 10;
        let unknown = self.fields.into_iter().take(NAMED);
        self.errors.extend(unknown.map(|(name, _)| FieldError::new(shorten(name), "is not a known field")));
        self.errors
    }
}

fn shorten(name: String) -> String {
    const SHOWN_CHARS: usize = 64;
    if name.chars().count() <= SHOWN_CHARS { name } else { name.chars().take(SHOWN_CHARS).chain(['…']).collect() }
}

fn string(value: Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text),
        _ => fault("must be a string"),
    }
}

fn word<T: FromStr<Err: std::fmt::Display>>(value: Value) -> Result<T, Fault> {
    string(value)?.parse().or_else(|error: T::Err| fault(error.to_string()))
}

fn text(value: Value, min_chars: usize, max_chars: usize) -> Result<String, Fault> {
    let text = string(value)?;
    // A character is at least a byte, so most texts are not counted.
    let too_long = text.len() > max_chars && text.chars().count() > max_chars;
    if too_long || text.len() < min_chars {
        return match min_chars {
            0 => fault(format!("must be at most {max_chars} characters")),
            _ => fault(format!("must be {min_chars} to {max_chars} characters")),
        };
    }
    Ok(text)
}

fn s3_url(value: Value, user: &UserId, audio_bucket: Option<&str>) -> Result<String, Fault> {
    let url = string(value)?;
    let valid = url.len() <= MAX_S3_URL_BYTES
        && url.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).is_some_and(|(bucket, key)| {
            let name = key.strip_prefix("audio/").and_then(|rest| rest.strip_prefix(user.as_str()));
            let name = name.and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            !bucket.is_empty()
                && audio_bucket.is_none_or(|ours| ours == bucket)
                && !name.is_empty()
                && !name.starts_with('.')
                && name.bytes().all(plain)
        });
    if valid { Ok(url) } else { fault(format!("must be s3://BUCKET/audio/{user}/NAME in our bucket")) }
}

fn location(value: Value) -> Result<Location, Fault> {
    let Value::Object(mut fields) = value else {
        return fault("must be an object of lat and lng");
    };
    let mut degrees = |name: &str, limit: u8| -> Result<f64, Fault> {
        let here = |detail: String| (format!(".{name}"), detail);
        let value = fields.remove(name).ok_or_else(|| here("is required".into()))?;
        let number = value.as_f64().ok_or_else(|| here("must be a number".into()))?;
        if number.abs() <= limit.into() { Ok(number) } else { Err(here(format!("must be -{limit} to {limit}"))) }
    };
    let (lat, lng) = (degrees("lat", 90)?, degrees("lng", 180)?);
    if let Some((name, _)) = fields.into_iter().next() {
        return Err((format!(".{}", shorten(name)), "is not a known field".into()));
    }
    Location::new(lat, lng).ok_or_else(|| (String::new(), "must be a place on Earth".into()))
}

fn tags(value: Value) -> Result<Vec<String>, Fault> {
    let Value::Array(items) = value else {
        return fault("must be an array of strings");
    };
    if items.len() > MAX_TAGS {
        return fault(format!("must be at most {MAX_TAGS} tags"));
    }
    let tag =
        |(index, item)| text(item, 1, MAX_TAG_CHARS).map_err(|(below, detail)| (format!("[{index}]{below}"), detail));
    items.into_iter().enumerate().map(tag).collect()
}

fn metadata(value: Value) -> Result<BTreeMap<String, String>, Fault> {
    let Value::Object(pairs) = value else {
        return fault("must be an object of strings");
    };
    if pairs.len() > MAX_METADATA_PAIRS {
        return fault(format!("must be at most {MAX_METADATA_PAIRS} pairs"));
    }
    let mut metadata = BTreeMap::new();
    // Not collected: a map is made of sorted pairs, and the code of the sort would cost the Worker 4 KB (gzip).
    for (key, value) in pairs {
        if key.is_empty() || key.chars().count() > MAX_METADATA_KEY_CHARS {
            return fault(format!("every key must be 1 to {MAX_METADATA_KEY_CHARS} characters"));
        }
        match text(value, 0, MAX_METADATA_VALUE_CHARS) {
            Ok(value) => metadata.insert(key, value),
            Err((below, detail)) => return Err((format!(".{key}{below}"), detail)),
        };
    }
    Ok(metadata)
}

fn days_to_live(value: Value) -> Result<u16, Fault> {
    let days = value.as_u64().and_then(|days| u16::try_from(days).ok());
    match days {
        Some(days @ 1..=MAX_DAYS_TO_LIVE) => Ok(days),
        _ => fault(format!("must be a whole number from 1 to {MAX_DAYS_TO_LIVE}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emotion::Emotion;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(body: &str) -> Result<NewEcho, Problem> {
        new_echo(body.as_bytes(), &"ana".parse().unwrap(), Some("echoes-audio"))
    }

    fn fields(body: &str) -> Vec<String> {
        let problem = read(body).unwrap_err();
        assert_eq!(problem.slug, Slug::InvalidRequest);
        problem.errors.into_iter().map(|e| e.field.into_owned()).collect()
    }

    #[test]
    fn a_full_body_is_read() {
        let echo = read(
            r#"{"emotion":"happy","s3Url":"s3://echoes-audio/audio/ana/x.opus","location":{"lat":51.5,"lng":-0.12},
                "tags":["rain"],"transcript":"…","detectedMood":"joyful","metadata":{"device":"phone"},"daysToLive":1}"#,
        );
        let echo = echo.unwrap();
        assert_eq!(echo.emotion, Emotion::Happy);
        assert_eq!(echo.days_to_live, Some(1));
        assert_eq!(echo.metadata.unwrap().len(), 1);
    }

    #[test]
    fn each_fault_names_its_field() {
        let with = |rest: &str| format!(r#"{{"emotion":"happy",{rest}}}"#);
        for (body, field) in [
            ("{", "body"),
            ("[]", "body"),
            (r#"{"location":{"lat":NaN}}"#, "body"),
            ("{}", "emotion"),
            (r#"{"emotion":"joyful"}"#, "emotion"),
            (r#"{"emotion":5}"#, "emotion"),
            (r#"{"emotion":null}"#, "emotion"),
            (&with(r#""userId":"ben""#), "userId"),
            (&with(r#""ttl":1"#), "ttl"),
            (&with(r#""location":{"lat":91,"lng":0}"#), "location.lat"),
            (&with(r#""location":{"lat":"NaN","lng":0}"#), "location.lat"),
            (&with(r#""location":{"lat":1,"lng":-181}"#), "location.lng"),
            (&with(r#""location":{"lat":1}"#), "location.lng"),
            (&with(r#""location":{"lat":1,"lng":1,"alt":1}"#), "location.alt"),
            (&with(r#""location":null"#), "location"),
            (&with(r#""tags":"rain""#), "tags"),
            (&with(r#""tags":["a",""]"#), "tags[1]"),
            (&with(r#""tags":["1","2","3","4","5","6","7","8","9","10","11"]"#), "tags"),
            (&with(r#""detectedMood":"""#), "detectedMood"),
            (&with(r#""metadata":{"a":1}"#), "metadata.a"),
            (&with(r#""metadata":{"":"1"}"#), "metadata"),
            (&with(r#""daysToLive":0"#), "daysToLive"),
            (&with(r#""daysToLive":3651"#), "daysToLive"),
            (&with(r#""daysToLive":1.5"#), "daysToLive"),
            (&with(r#""s3Url":"s3://other/audio/ana/x""#), "s3Url"),
            (&with(r#""s3Url":"s3://echoes-audio/audio/ben/x""#), "s3Url"),
            (&with(r#""s3Url":"s3://echoes-audio/audio/ana/../ben/x""#), "s3Url"),
            (&with(r#""s3Url":"https://example.com/x""#), "s3Url"),
        ] {
            assert_eq!(fields(body), [field], "{body}");
        }
    }

    #[test]
    fn all_faults_are_named_at_once() {
        assert_eq!(fields(r#"{"emotion":"x","tags":1,"extra":1}"#), ["emotion", "tags", "extra"]);
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        let body = |n: usize| format!(r#"{{"emotion":"sad","transcript":"{}"}}"#, "é".repeat(n));
        assert!(read(&body(5_000)).is_ok());
        assert_eq!(fields(&body(5_001)), ["transcript"]);
    }

    #[test]
    fn a_deep_or_large_body_is_refused() {
        assert_eq!(fields(&"[".repeat(10_000)), ["body"]);
        let large = format!(r#"{{"emotion":"sad","transcript":"{}"}}"#, "x".repeat(MAX_BODY_BYTES));
        assert_eq!(read(&large).unwrap_err().slug, Slug::TooLarge);
    }

    #[test]
    fn the_media_type_may_carry_parameters() {
        assert!(content_type(Some("Application/JSON; charset=utf-8")).is_ok());
        for other in [None, Some(""), Some("text/plain"), Some("application/jsonp")] {
            assert_eq!(content_type(other).unwrap_err().slug, Slug::UnsupportedMediaType);
        }
    }
}
