//! What an index holds of an echo: fields to find it by, and the echo itself.

use serde::Serialize;
use serde_json::{Value, json};

use crate::search::{Document, State, text};

/// Tokens with spaces between them are ours, and not those of a language.
const WORDS: &str = "whitespace";
/// Positions between two passages; more than a search has words, so that a phrase is found within one.
const GAP: u32 = 1_000;
const _: () = assert!(GAP as usize > echoes_shared::policy::MAX_SEARCH_CHARS);
/// How soon what was written is found.
const REFRESH: &str = "500ms";

/// The settings and fields of a new index, which goes by `alias` and of which nobody has said yet that it is filled.
pub(super) fn index(shards: u16, alias: &str) -> Value {
    json!({
        "settings": { "index": {
            "number_of_shards": shards,
            // A copy as soon as there is a second node.
            "auto_expand_replicas": "0-1",
            "refresh_interval": REFRESH,
        } },
        "mappings": {
            "dynamic": "strict",
            "_meta": meta(false),
            "properties": {
                "id": { "type": "keyword" },
                "words": { "type": "text", "analyzer": WORDS, "position_increment_gap": GAP },
                "emotion": { "type": "keyword" },
                "tags": { "type": "keyword" },
                "user": { "type": "keyword" },
                "millis": { "type": "long" },
                "ttl": { "type": "long" },
                "place": { "type": "geo_point" },
                "until": { "type": "long" },
                // Kept as the text that it is.
                "echo": { "type": "object", "enabled": false },
            },
        },
        "aliases": { alias: {} },
    })
}

/// What an index says of itself.
pub(super) fn meta(filled: bool) -> Value {
    json!({ "filled": filled })
}

#[derive(Serialize)]
struct Source<'a> {
    id: String,
    #[serde(flatten)]
    state: Fields<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Fields<'a> {
    Lives {
        words: Vec<String>,
        emotion: &'static str,
        tags: Vec<String>,
        user: &'a str,
        millis: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        place: Option<Point>,
        echo: String,
    },
    Gone {
        until: u64,
    },
}

#[derive(Serialize)]
struct Point {
    lat: f64,
    lon: f64,
}

/// A document as the index takes it.
pub(super) fn source(document: &Document) -> Result<String, serde_json::Error> {
    let state = match &document.state {
        State::Gone { until } => Fields::Gone { until: until.epoch_seconds() },
        State::Lives(echo) => {
            let passages = text::passages(echo);
            let joined = |tokens: &Vec<text::Token>| {
                tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ")
            };
            Fields::Lives {
                words: passages.iter().map(joined).collect(),
                emotion: echo.emotion.as_str(),
                tags: echo.tags.iter().flatten().map(|tag| text::whole(tag)).collect(),
                user: echo.user_id.as_str(),
                millis: echo.timestamp.millis(),
                ttl: echo.ttl,
                place: echo.location.map(|place| Point { lat: place.lat, lon: place.lng }),
                echo: serde_json::to_string(echo)?,
            }
        }
    };
    serde_json::to_string(&Source { id: document.id.to_string(), state })
}
