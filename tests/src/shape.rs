//! What holds for every answer of the edge, and for every echo in one.

use echoes_shared::{EchoId, Region};
use serde_json::{Map, Value};

use crate::request::Request;
use crate::response::Response;

/// The fields that every echo has, and those that it may have (contract, *Bodies*).
const ALWAYS: [&str; 7] = ["echoId", "userId", "timestamp", "emotion", "version", "origin", "updatedAt"];
const OPTIONAL: [&str; 7] = ["s3Url", "location", "tags", "transcript", "detectedMood", "metadata", "ttl"];

/// Demands what the contract promises of every answer.
#[track_caller]
pub fn check_answer(request: &Request, response: &Response) {
    let id = response.one("echoes-request-id");
    assert!(!id.is_empty() && id.len() <= 64, "expected a request id\n{response}");
    assert!(response.status != 500, "a 500 for something that a caller can send\n{response}");
    assert!(
        response.one("access-control-allow-origin") == "*",
        "expected reads to be open to all origins\n{response}"
    );
    if request.method == "HEAD" || matches!(response.status, 204 | 304) {
        assert!(response.body.is_empty(), "expected no body\n{response}");
        return;
    }
    assert!(!response.body.is_empty(), "an empty body\n{response}");
    let media_type = response.one("content-type");
    if response.status >= 400 {
        assert!(media_type == "application/problem+json", "expected a problem\n{response}");
        assert!(response.one("cache-control") == "no-store", "a problem must not be kept\n{response}");
    } else {
        assert!(media_type == "application/json", "expected JSON\n{response}");
    }
    without_nulls(&response.json(), response);
    if response.status == 503 {
        let wait = response.one("retry-after").parse::<u32>();
        assert!(wait.is_ok_and(|seconds| (1..=60).contains(&seconds)), "expected Retry-After in seconds\n{response}");
    }
}

/// Demands the headers of a read that succeeded.
#[track_caller]
pub fn check_read(response: &Response) {
    let status = response.one("cache-status");
    assert!(status.contains("echoes-edge"), "expected the edge in Cache-Status\n{response}");
    let timing = response.one("server-timing");
    let timed = |part: &str| {
        part.split_once(";dur=").is_some_and(|(name, rest)| {
            let (ms, units) = rest.split_once(';').map_or((rest, None), |(ms, units)| (ms, Some(units)));
            let charged = |units: &str| units.starts_with("desc=\"") && units.ends_with("RRU\"");
            !name.trim().is_empty() && ms.parse::<f64>().is_ok() && units.is_none_or(charged)
        })
    };
    assert!(timing.split(',').all(timed), "expected name;dur=ms in Server-Timing, with units or without\n{response}");
    assert!(response.one("echoes-region").parse::<Region>().is_ok(), "expected a region\n{response}");
}

/// Demands that a value is an echo as the contract shows it.
#[track_caller]
pub fn check_echo(echo: &Value) {
    let fields: &Map<String, Value> = echo.as_object().unwrap_or_else(|| panic!("not an object: {echo}"));
    for name in ALWAYS {
        assert!(fields.contains_key(name), "expected {name} in {echo}");
    }
    for name in fields.keys() {
        let known = ALWAYS.contains(&name.as_str()) || OPTIONAL.contains(&name.as_str());
        assert!(known, "unexpected field {name} in {echo}");
    }
    let id: EchoId =
        echo["echoId"].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no UUIDv7 in {echo}"));
    assert!(
        echo["timestamp"] == id.timestamp().to_string(),
        "expected timestamp to be the id's millisecond in {echo}"
    );
    assert!(echo["version"].as_u64().is_some_and(|version| version >= 1), "expected a version in {echo}");
    let origin = echo["origin"].as_str().and_then(|name| name.parse::<Region>().ok());
    assert!(origin.is_some(), "expected a region as origin in {echo}");
    let updated = echo["updatedAt"].as_str().unwrap_or_default();
    assert!(updated.len() == 24 && updated.ends_with('Z'), "expected updatedAt to be a time in {echo}");
}

/// The echoes of a list, each checked, newest first, none twice; and the cursor of the next page.
#[track_caller]
pub fn list_of(response: &Response) -> (Vec<Value>, Option<String>) {
    assert!(response.status == 200, "expected a list\n{response}");
    let body = response.json();
    let fields = body.as_object().unwrap_or_else(|| panic!("not an object\n{response}"));
    let strange: Vec<_> = fields.keys().filter(|name| !["echoes", "nextCursor"].contains(&name.as_str())).collect();
    assert!(strange.is_empty(), "unexpected fields {strange:?}\n{response}");
    let echoes = body["echoes"].as_array().cloned().unwrap_or_else(|| panic!("no echoes\n{response}"));
    echoes.iter().for_each(check_echo);
    let keys: Vec<(&str, &str)> =
        echoes.iter().map(|echo| (echo["timestamp"].as_str().unwrap(), echo["echoId"].as_str().unwrap())).collect();
    assert!(keys.windows(2).all(|pair| pair[0] > pair[1]), "expected the newest first, and none twice\n{response}");
    let cursor = body
        .get("nextCursor")
        .map(|cursor| cursor.as_str().unwrap_or_else(|| panic!("a strange cursor\n{response}")).to_owned());
    (echoes, cursor)
}

fn without_nulls(value: &Value, response: &Response) {
    match value {
        Value::Null => panic!("a null: optional fields are absent\n{response}"),
        Value::Array(items) => items.iter().for_each(|item| without_nulls(item, response)),
        Value::Object(fields) => fields.values().for_each(|field| without_nulls(field, response)),
        _ => {}
    }
}
