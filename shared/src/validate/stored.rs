//! Reads an echo as the API shows it, such as a line of an export, by the same rules that creating it keeps.

use serde_json::Value;

use super::{Fault, Reader, fault, location, metadata, s3_url, string, tags, text, word};
use crate::echo::Echo;
use crate::id::UserId;
use crate::policy::{KEY_MAX_AHEAD_MILLIS, MAX_MOOD_CHARS, MAX_STORED_ECHO_BYTES, MAX_TRANSCRIPT_CHARS};
use crate::problem::FieldError;
use crate::timestamp::Timestamp;

/// The field that faults of the whole line name.
const LINE: &str = "line";

/// Reads one echo from its JSON, at most [`MAX_STORED_ECHO_BYTES`]; otherwise everything that is wrong with it, field by field.
///
/// `now` bounds its time as it bounds an `Idempotency-Key`'s: an echo of tomorrow would stand above all others.
pub fn stored_echo(json: &[u8], now: Timestamp) -> Result<Echo, Vec<FieldError>> {
    if json.len() > MAX_STORED_ECHO_BYTES {
        return Err(vec![line_too_long()]);
    }
    let not_json = |error| vec![FieldError::new(LINE, format!("is not JSON: {error}"))];
    let Value::Object(fields) = serde_json::from_slice(json).map_err(not_json)? else {
        return Err(vec![FieldError::new(LINE, "must be a JSON object")]);
    };
    let mut reader = Reader { fields, errors: Vec::new() };
    let user_id: Option<UserId> = reader.required("userId", word);
    let s3_url = reader.optional("s3Url", |value| match &user_id {
        Some(user) => s3_url(value, user, None),
        None => string(value),
    });
    let required = (
        reader.required("echoId", word),
        user_id,
        reader.required("timestamp", word),
        reader.required("emotion", word),
        reader.required("version", version),
        reader.required("origin", word),
        reader.required("updatedAt", word),
    );
    let location = reader.optional("location", location);
    let tags = reader.optional("tags", tags);
    let transcript = reader.optional("transcript", |value| text(value, 0, MAX_TRANSCRIPT_CHARS));
    let detected_mood = reader.optional("detectedMood", |value| text(value, 1, MAX_MOOD_CHARS));
    let metadata = reader.optional("metadata", metadata);
    let ttl = reader.optional("ttl", epoch_second);
    let mut errors = reader.finish();
    let (Some(echo_id), Some(user_id), Some(timestamp), Some(emotion), Some(version), Some(origin), Some(updated_at)) =
        required
    else {
        return Err(errors);
    };
    let echo = Echo {
        echo_id,
        user_id,
        timestamp,
        emotion,
        s3_url,
        location,
        tags,
        transcript,
        detected_mood,
        metadata,
        ttl,
        version,
        origin,
        updated_at,
    };
    if echo.timestamp != echo.echo_id.timestamp() {
        errors.push(FieldError::new("timestamp", format!("must be echoId's, {}", echo.echo_id.timestamp())));
    } else if echo.timestamp.millis_since(now) > KEY_MAX_AHEAD_MILLIS {
        errors.push(FieldError::new("timestamp", "must be at most 5 minutes ahead of now"));
    }
    if errors.is_empty() { Ok(echo) } else { Err(errors) }
}

/// The fault of a line above [`MAX_STORED_ECHO_BYTES`].
pub fn line_too_long() -> FieldError {
    FieldError::new(LINE, format!("must be at most {MAX_STORED_ECHO_BYTES} bytes"))
}

fn version(value: Value) -> Result<u64, Fault> {
    match value.as_u64() {
        Some(version @ 1..) => Ok(version),
        _ => fault("must be a whole number from 1"),
    }
}

fn epoch_second(value: Value) -> Result<u64, Fault> {
    let last = Timestamp::from_millis(u64::MAX).epoch_seconds();
    match value.as_u64() {
        Some(second) if second <= last => Ok(second),
        _ => fault(format!("must be a whole number of seconds since 1970, at most {last}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{
        MAX_BODY_BYTES, MAX_METADATA_KEY_CHARS, MAX_METADATA_PAIRS, MAX_METADATA_VALUE_CHARS, MAX_TAG_CHARS, MAX_TAGS,
    };
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const GOOD: &str = concat!(
        r#"{"echoId":"01a2057c-c79c-7fa9-bf2e-44bbf9a6fe1d","userId":"ana","#,
        r#""timestamp":"2026-11-22T22:59:53.372Z","emotion":"happy","s3Url":"s3://b/audio/ana/x.opus","#,
        r#""location":{"lat":51.5,"lng":-0.12},"tags":["été"],"transcript":"","detectedMood":"joyful","#,
        r#""metadata":{"device":"phone"},"ttl":1795561193,"version":3,"origin":"eu-west-1","#,
        r#""updatedAt":"2026-11-23T08:00:00.000Z"}"#
    );

    fn now() -> Timestamp {
        "2026-11-22T22:59:53.372Z".parse().unwrap()
    }

    fn fields(json: &str, now: Timestamp) -> Vec<String> {
        let errors = stored_echo(json.as_bytes(), now).unwrap_err();
        errors.into_iter().map(|error| error.field.into_owned()).collect()
    }

    #[test]
    fn what_is_shown_is_read_and_shown_again() {
        let echo = stored_echo(GOOD.as_bytes(), now()).unwrap();
        assert_eq!(serde_json::to_string(&echo).unwrap(), GOOD);
        assert_eq!(serde_json::from_str::<Echo>(GOOD).unwrap(), echo);
    }

    #[test]
    fn the_longest_echo_that_edits_leave_reads_back() {
        let escaped = |count: usize| "\u{1}".repeat(count);
        let mut echo = stored_echo(GOOD.as_bytes(), now()).unwrap();
        echo.transcript = Some(escaped(MAX_TRANSCRIPT_CHARS));
        echo.detected_mood = Some(escaped(MAX_MOOD_CHARS));
        let tag = |number: usize| format!("{number}{}", escaped(MAX_TAG_CHARS - 1));
        echo.tags = Some((0..MAX_TAGS).map(tag).collect());
        let pair = |number: usize| {
            (format!("{number:02}{}", escaped(MAX_METADATA_KEY_CHARS - 2)), escaped(MAX_METADATA_VALUE_CHARS))
        };
        echo.metadata = Some((0..MAX_METADATA_PAIRS).map(pair).collect());
        let line = serde_json::to_vec(&echo).unwrap();
        assert!(line.len() > MAX_BODY_BYTES, "{}", line.len());
        assert_eq!(stored_echo(&line, now()).unwrap(), echo);
    }

    #[test]
    fn each_fault_names_its_field() {
        for (from, to, field) in [
            ("ana\",\"ti", "me\",\"ti", "userId"),
            ("audio/ana", "audio/ben", "s3Url"),
            ("7fa9", "4fa9", "echoId"),
            ("53.372Z\",\"emo", "53.371Z\",\"emo", "timestamp"),
            ("happy", "joyful", "emotion"),
            ("51.5", "91", "location.lat"),
            ("\"été\"", "\"\"", "tags[0]"),
            ("\"transcript\":\"\"", "\"transcript\":null", "transcript"),
            ("joyful", "", "detectedMood"),
            ("\"phone\"", "1", "metadata.device"),
            ("1795561193", "-1", "ttl"),
            ("1795561193", "253402300800", "ttl"),
            ("\"version\":3", "\"version\":0", "version"),
            ("\"version\":3,", "", "version"),
            ("eu-west-1", "mars-north-1", "origin"),
            ("08:00:00.000Z", "08:00", "updatedAt"),
            ("\"ttl\"", "\"daysToLive\"", "daysToLive"),
            ("{\"echoId\"", "{\"extra\":1,\"echoId\"", "extra"),
            ("{\"echoId\"", "\"echoId\"", "line"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert_eq!(fields(&GOOD.replacen(from, to, 1), now()), [field], "{from} → {to}");
        }
        assert_eq!(fields("[]", now()), ["line"]);
        assert_eq!(fields(&" ".repeat(MAX_STORED_ECHO_BYTES + 1), now()), ["line"]);
        assert_eq!(fields("{}", now()).len(), 7);
    }

    #[test]
    fn an_echo_of_tomorrow_is_refused() {
        assert!(stored_echo(GOOD.as_bytes(), now().minus_millis(KEY_MAX_AHEAD_MILLIS)).is_ok());
        assert_eq!(fields(GOOD, now().minus_millis(KEY_MAX_AHEAD_MILLIS + 1)), ["timestamp"]);
    }
}
