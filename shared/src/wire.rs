//! Paths, headers and limits of the wire, defined once for both halves.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::emotion::Emotion;
use crate::id::{EchoId, UserId};
use crate::policy::{
    BATCH_KEY_BYTES, MAX_BATCH_BODY_BYTES, MAX_BATCH_OPERATIONS, MAX_BODY_BYTES, MAX_SEARCH_TARGET_BYTES,
    MAX_TARGET_BYTES, MAX_TIMELINES_TARGET_BYTES,
};
use crate::problem::{FieldError, Problem, Slug};
use crate::split;

/// The request's id, on every response.
pub const REQUEST_ID: &str = "echoes-request-id";
/// The region that answered.
pub const REGION: &str = "echoes-region";
/// The caller's name for one create.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The version that an edit is of.
pub const IF_MATCH: &str = "if-match";
/// The last event that a listener was sent.
pub const LAST_EVENT_ID: &str = "last-event-id";
/// Which caches answered (RFC 9211).
pub const CACHE_STATUS: &str = "cache-status";
/// How long the tiers took.
pub const SERVER_TIMING: &str = "server-timing";
/// Edge to core: the caller of a write.
pub const CORE_USER: &str = "x-echoes-user";
/// Edge to core: the request's id.
pub const CORE_REQUEST_ID: &str = "x-echoes-request-id";
/// Edge to core: the home region is down, decide here.
pub const CORE_FALLBACK: &str = "x-echoes-fallback";
/// Core to edge, with 421: the region to ask.
pub const CORE_HOME: &str = "x-echoes-home";
/// Core to edge, with 503: `unreachable` where the core is well and its store does not answer. Any other 503 of a core means that
/// it may still do other writes meanwhile.
pub const CORE_STORE: &str = "x-echoes-store";
/// Every header between the halves that begins so is signed.
pub const CORE_PREFIX: &str = "x-echoes-";

/// The service name in a signature's scope.
pub const SERVICE: &str = "echoes";

/// The patterns of the public paths, as a router writes them.
pub mod pattern {
    /// The vocabulary.
    pub const EMOTIONS: &str = "/v1/emotions";
    /// One emotion's feed.
    pub const FEED: &str = "/v1/emotions/{emotion}/echoes";
    /// One echo at random.
    pub const RANDOM: &str = "/v1/emotions/{emotion}/random";
    /// Creates.
    pub const ECHOES: &str = "/v1/echoes";
    /// All emotions' last 90 days.
    pub const RECENT: &str = "/v1/echoes/recent";
    /// Several operations at once.
    pub const BATCH: &str = "/v1/echoes/batch";
    /// One echo.
    pub const ECHO: &str = "/v1/echoes/{echoId}";
    /// One person's echoes.
    pub const TIMELINE: &str = "/v1/users/{userId}/echoes";
    /// One person's emotions, counted.
    pub const PERSON_EMOTIONS: &str = "/v1/users/{userId}/emotions";
    /// Several people's echoes.
    pub const TIMELINES: &str = "/v1/timelines";
    /// Transcripts, tags and places.
    pub const SEARCH: &str = "/v1/search";
    /// Counts over time.
    pub const ANALYTICS: &str = "/v1/analytics/emotions";
    /// New echoes as they come.
    pub const LIVE: &str = "/v1/live";
    /// The caller: a person as a whole.
    pub const ME: &str = "/v1/users/me";
    /// How far the caller's erasure is.
    pub const ERASURE: &str = "/v1/users/me/erasure";
    /// The regions' health.
    pub const STATUS: &str = "/v1/status";
}

/// What a public path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `/v1/emotions`
    Emotions,
    /// `/v1/emotions/{emotion}/echoes`
    Feed(Emotion),
    /// `/v1/emotions/{emotion}/random`
    Random(Emotion),
    /// `/v1/echoes`
    Echoes,
    /// `/v1/echoes/recent`
    Recent,
    /// `/v1/echoes/batch`
    Batch,
    /// `/v1/echoes/{echoId}`
    Echo(EchoId),
    /// `/v1/users/{userId}/echoes`
    Timeline(UserId),
    /// `/v1/users/{userId}/emotions`
    PersonEmotions(UserId),
    /// `/v1/timelines`
    Timelines,
    /// `/v1/search`
    Search,
    /// `/v1/analytics/emotions`
    Analytics,
    /// `/v1/live`
    Live,
    /// `/v1/users/me`
    Me,
    /// `/v1/users/me/erasure`
    Erasure,
    /// `/v1/status`
    Status,
}

impl Resource {
    /// Reads a path, still percent-encoded. An unknown path or emotion is 404, a malformed id is 400 and named.
    pub fn parse(path: &str) -> Result<Self, Problem> {
        let mut segments = split::each(path.strip_prefix("/v1/").ok_or_else(no_such_path)?, b'/');
        let segments = (segments.next(), segments.next(), segments.next(), segments.next());
        match segments {
            (Some("emotions"), None, ..) => Ok(Self::Emotions),
            (Some("emotions"), Some(word), Some("echoes"), None) => emotion(word).map(Self::Feed),
            (Some("emotions"), Some(word), Some("random"), None) => emotion(word).map(Self::Random),
            (Some("echoes"), None, ..) => Ok(Self::Echoes),
            (Some("echoes"), Some("recent"), None, _) => Ok(Self::Recent),
            (Some("echoes"), Some("batch"), None, _) => Ok(Self::Batch),
            (Some("echoes"), Some(id), None, _) => echo_id(id).map(Self::Echo),
            (Some("timelines"), None, ..) => Ok(Self::Timelines),
            (Some("users"), Some("me"), None, _) => Ok(Self::Me),
            (Some("users"), Some("me"), Some("erasure"), None) => Ok(Self::Erasure),
            (Some("users"), Some(user), Some("echoes"), None) => user_id(user).map(Self::Timeline),
            (Some("users"), Some(user), Some("emotions"), None) => user_id(user).map(Self::PersonEmotions),
            (Some("search"), None, ..) => Ok(Self::Search),
            (Some("analytics"), Some("emotions"), None, _) => Ok(Self::Analytics),
            (Some("live"), None, ..) => Ok(Self::Live),
            (Some("status"), None, ..) => Ok(Self::Status),
            _ => Err(no_such_path()),
        }
    }

    /// The path in its one canonical spelling.
    pub fn path(&self) -> String {
        match self {
            Self::Emotions => pattern::EMOTIONS.to_owned(),
            Self::Feed(emotion) => format!("/v1/emotions/{emotion}/echoes"),
            Self::Random(emotion) => format!("/v1/emotions/{emotion}/random"),
            Self::Echoes => pattern::ECHOES.to_owned(),
            Self::Recent => pattern::RECENT.to_owned(),
            Self::Batch => pattern::BATCH.to_owned(),
            Self::Timelines => pattern::TIMELINES.to_owned(),
            Self::Search => pattern::SEARCH.to_owned(),
            Self::Analytics => pattern::ANALYTICS.to_owned(),
            Self::Live => pattern::LIVE.to_owned(),
            Self::Me => pattern::ME.to_owned(),
            Self::Erasure => pattern::ERASURE.to_owned(),
            Self::Echo(id) => format!("/v1/echoes/{id}"),
            Self::Timeline(user) => format!("/v1/users/{}/echoes", utf8_percent_encode(user.as_str(), SEGMENT)),
            Self::PersonEmotions(user) => {
                format!("/v1/users/{}/emotions", utf8_percent_encode(user.as_str(), SEGMENT))
            }
            Self::Status => pattern::STATUS.to_owned(),
        }
    }

    /// What `Allow` says of it.
    pub const fn allow(&self) -> &'static str {
        match self {
            Self::Echoes | Self::Batch => "POST, OPTIONS",
            Self::Echo(_) => "GET, HEAD, PATCH, DELETE, OPTIONS",
            Self::Me => "DELETE, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }
}

/// Everything but RFC 3986's unreserved characters is escaped, as signing wants it.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The problem of a path that names nothing.
pub fn no_such_path() -> Problem {
    Problem::new(Slug::NotFound, "there is no such path")
}

/// Bytes that a path and query which begin so may have.
pub fn max_target_bytes(target: &str) -> usize {
    match target {
        _ if target.starts_with(pattern::TIMELINES) => MAX_TIMELINES_TARGET_BYTES,
        _ if target.starts_with(pattern::SEARCH) => MAX_SEARCH_TARGET_BYTES,
        _ => MAX_TARGET_BYTES,
    }
}

/// Whether a path and query are short enough to be looked at.
pub fn check_target_size(target: &str) -> Result<(), Problem> {
    let max_bytes = max_target_bytes(target);
    if target.len() <= max_bytes {
        return Ok(());
    }
    let detail = format!("must be at most {max_bytes} bytes with its query");
    Err(Problem {
        errors: vec![FieldError::new("path", detail)],
        ..Problem::new(Slug::TooLarge, "the path is too long")
    })
}

/// Bytes that a call to this path of a core may carry: what the caller's request may, and in a batch the keys that the edge
/// gives to creates.
pub fn max_body_bytes(path: &str) -> usize {
    const MAX_BATCH_CALL_BYTES: usize = MAX_BATCH_BODY_BYTES + MAX_BATCH_OPERATIONS * BATCH_KEY_BYTES;
    if path == pattern::BATCH { MAX_BATCH_CALL_BYTES } else { MAX_BODY_BYTES }
}

/// Reads the caller's key for a create.
pub fn idempotency_key(header: &str) -> Result<crate::IdempotencyKey, Problem> {
    header.parse().map_err(|error: crate::id::InvalidId| Problem::invalid_field("Idempotency-Key", error.to_string()))
}

fn emotion(word: &str) -> Result<Emotion, Problem> {
    // The words need no escaping, so an escaped one is not one of them.
    word.parse().map_err(|_| Problem::new(Slug::NotFound, "there is no such emotion"))
}

fn echo_id(segment: &str) -> Result<EchoId, Problem> {
    segment.parse().map_err(|error: crate::id::InvalidId| Problem::invalid_field("echoId", error.to_string()))
}

fn user_id(segment: &str) -> Result<UserId, Problem> {
    let decoded = percent_decode_str(segment).decode_utf8_lossy();
    decoded.parse().map_err(|error: crate::id::InvalidId| Problem::invalid_field("userId", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const ID: &str = "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20";

    #[test]
    fn paths_read_back() {
        for path in [
            "/v1/emotions",
            "/v1/emotions/happy/echoes",
            "/v1/emotions/sad/random",
            "/v1/echoes",
            "/v1/echoes/recent",
            &format!("/v1/echoes/{ID}"),
            "/v1/users/auth0%7C5f.a%40b-c_d/echoes",
            "/v1/echoes/batch",
            "/v1/users/ana/emotions",
            "/v1/timelines",
            "/v1/search",
            "/v1/analytics/emotions",
            "/v1/live",
            "/v1/users/me",
            "/v1/users/me/erasure",
            "/v1/status",
        ] {
            assert_eq!(Resource::parse(path).unwrap().path(), path);
        }
        let upper = Resource::parse(&format!("/v1/echoes/{}", ID.to_uppercase())).unwrap();
        assert_eq!(upper.path(), format!("/v1/echoes/{ID}"));
        assert_eq!(Resource::parse("/v1/users/a@b/echoes").unwrap().path(), "/v1/users/a%40b/echoes");
    }

    #[test]
    fn unknown_paths_are_not_found() {
        for path in [
            "",
            "/",
            "/v1",
            "/v1/",
            "/v2/emotions",
            "/v1/emotions/",
            "/v1/emotions/joyful/echoes",
            "/v1/emotions/happy",
            "/v1/emotions/happy/echoes/",
            "/v1/emotions/hap%70y/echoes",
            "/v1/echoes/recent/",
            "/v1/users/ana",
            "/v1/users/me/export",
            "/v1/users/ana/echoes/1/2",
            "//v1/emotions",
        ] {
            assert_eq!(Resource::parse(path).unwrap_err().slug, Slug::NotFound, "{path}");
        }
    }

    #[test]
    fn malformed_ids_are_named() {
        for (path, field) in [
            ("/v1/echoes/%00", "echoId"),
            ("/v1/echoes/7d444840-9dc0-41d1-b245-5ffdce74fad2", "echoId"),
            ("/v1/users/a%23202611/echoes", "userId"),
            ("/v1/users/%FF/echoes", "userId"),
            ("/v1/users/me/echoes", "userId"),
            ("/v1/users//echoes", "userId"),
        ] {
            assert_eq!(Resource::parse(path).unwrap_err().errors[0].field, field, "{path}");
        }
    }
}
