//! Answers: bodies, entity tags, problems. The one place where errors become statuses.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use echoes_shared::problem::CONTENT_TYPE as PROBLEM_JSON;
use echoes_shared::{Echo, Problem, Region, Slug, wire};
use http::header::IntoHeaderName;
use http::header::{ALLOW, CACHE_CONTROL, CACHE_STATUS, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::header::{CORE_REQUEST_ID, REQUEST_ID, SERVER_TIMING};
use super::page;
use super::provenance::FROM_STORE;
use crate::clock::{self, Stopwatch};
use crate::service::{ServiceError, StoreError, Written, weak_tag};
use crate::units;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Seconds after which a caller of an unavailable core may come back.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
/// Characters of a request id at most; a longer one is replaced.
const MAX_REQUEST_ID_CHARS: usize = 64;

/// The id of a request, from the edge or made here.
#[derive(Debug, Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(CORE_REQUEST_ID).and_then(|id| id.to_str().ok()).filter(|id| is_request_id(id));
        // Copied: a slice of the request would hold the buffer into which the connection reads the next one.
        given.and_then(|id| HeaderValue::from_str(id).ok()).map_or_else(Self::default, Self)
    }

    pub(super) fn as_str(&self) -> &str {
        // It is made of nothing else.
        self.0.to_str().unwrap_or_default()
    }
}

/// Whether a text that came as a request's id is taken as it is.
pub(super) fn is_request_id(text: &str) -> bool {
    (1..=MAX_REQUEST_ID_CHARS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
}

impl Default for RequestId {
    fn default() -> Self {
        let id = echoes_shared::IdempotencyKey::mint(clock::now(), &rand::random()).to_string();
        // A UUID is a header's value.
        Self(HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("")))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a read's body came from, in the words of RFC 9211.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// DynamoDB.
    Store,
    /// This process's memory.
    Memory,
    /// The search index.
    Index,
}

impl Source {
    /// Where a body came from for which the store was asked, or was not.
    pub(super) const fn of(from_store: bool) -> Self {
        if from_store { Self::Store } else { Self::Memory }
    }

    const fn cache_status(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Store => FROM_STORE,
            Self::Memory => "echoes-l1; hit",
            Self::Index => "echoes-search; fwd=miss",
        })
    }
}

/// A list that this process makes, with a weak tag of its bytes.
pub(super) fn made(body: &impl Serialize, source: Source, request: &HeaderMap, watch: Stopwatch) -> Response {
    let bytes = serialise(body);
    let tag = weak_tag(&[&bytes]);
    let mut response = if page::is_known(&tag, request) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        json(StatusCode::OK, bytes)
    };
    response.headers_mut().insert(ETAG, tag);
    describe(response.headers_mut(), source, watch.elapsed());
    response
}

/// A body that must not be kept.
pub(super) fn uncacheable(body: &impl Serialize, source: Source, watch: Stopwatch) -> Response {
    let mut response = json(StatusCode::OK, serialise(body));
    describe(response.headers_mut(), source, watch.elapsed());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The echo after its create, 201 or, for a repeat, 200.
pub(super) fn written(written: &Written, watch: Stopwatch) -> Response {
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = after_write(status, &written.echo, watch);
    insert(response.headers_mut(), LOCATION, &wire::Resource::Echo(written.echo.echo_id).path());
    response
}

/// The echo after its edit.
pub(super) fn edited(echo: &Echo, watch: Stopwatch) -> Response {
    after_write(StatusCode::OK, echo, watch)
}

fn after_write(status: StatusCode, echo: &Echo, watch: Stopwatch) -> Response {
    let mut response = json(status, serialise(echo));
    let headers = response.headers_mut();
    insert(headers, ETAG, &echo.etag());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    insert(headers, SERVER_TIMING, &timing(watch.elapsed()));
    response
}

/// What was begun and goes on behind the answer.
pub(super) fn accepted(body: &impl Serialize, watch: Stopwatch) -> Response {
    let mut response = results(body, watch);
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// What several writes came to.
pub(super) fn results(body: &impl Serialize, watch: Stopwatch) -> Response {
    let mut response = json(StatusCode::OK, serialise(body));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    insert(headers, SERVER_TIMING, &timing(watch.elapsed()));
    response
}

pub(super) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

pub(super) fn allowing(mut response: Response, methods: &'static str) -> Response {
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

/// A problem's status and headers. Its body names the request, so it waits in the response's extensions for
/// [`complete`].
pub(super) fn problem(problem: Problem) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(problem.slug.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match problem.slug {
        Slug::Unavailable | Slug::TooManyRequests => {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        Slug::Unauthenticated => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("AWS4-HMAC-SHA256"));
        }
        _ => {}
    }
    response.extensions_mut().insert(problem);
    response
}

/// Puts the request's id on the answer, and into its problem where it is one.
pub(super) fn complete(mut response: Response, id: RequestId) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = Body::from(problem.to_json(id.as_str()));
    }
    response.headers_mut().insert(REQUEST_ID, id.0);
    response
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(found) => problem(found),
            Self::Elsewhere(home) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
                insert(response.headers_mut(), HeaderName::from_static(wire::CORE_HOME), home.as_str());
                response
            }
            Self::Store(cause) => {
                tracing::error!(%cause, "the store did not answer");
                let mut response = problem(unavailable(&cause));
                if cause.is_silence() {
                    insert(response.headers_mut(), HeaderName::from_static(wire::CORE_STORE), "unreachable");
                }
                response
            }
        }
    }
}

/// What is wrong with a part of a request, in the words for a whole one; or the region that must be asked for it.
pub(super) fn part(error: ServiceError) -> Result<Problem, Region> {
    match error {
        ServiceError::Problem(found) => Ok(found),
        ServiceError::Elsewhere(home) => Err(home),
        ServiceError::Store(cause) => {
            tracing::error!(%cause, "the store did not answer for a part");
            Ok(unavailable(&cause))
        }
    }
}

fn unavailable(cause: &StoreError) -> Problem {
    let detail = match cause {
        StoreError::Throttled { .. } => "the store is at its limit",
        StoreError::Contended => "the echo is being changed by others",
        StoreError::Behind => "this region has not heard of that version yet",
        StoreError::Unreachable { .. } | StoreError::Unconnected { .. } | StoreError::Refused { .. } => {
            "the store cannot be reached"
        }
    };
    Problem::new(Slug::Unavailable, detail)
}

fn describe(headers: &mut HeaderMap, source: Source, took: Duration) {
    headers.insert(CACHE_STATUS, source.cache_status());
    let text = match source {
        Source::Store => timing(took),
        Source::Memory => format!("l1;dur={:.2}", millis(took)),
        Source::Index => format!("search;dur={:.2}", millis(took)),
    };
    insert(headers, SERVER_TIMING, &text);
}

/// How long the store took and what it charged for this request.
pub(super) fn timing(took: Duration) -> String {
    let consumed = units::consumed();
    match consumed.is_none() {
        true => format!("dynamodb;dur={:.1}", millis(took)),
        false => format!("dynamodb;dur={:.1};desc=\"{consumed}\"", millis(took)),
    }
}

/// As `Server-Timing` counts.
fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

fn json(status: StatusCode, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

pub(super) fn serialise(body: &impl Serialize) -> Vec<u8> {
    // Our bodies are structs of strings and finite numbers, which always serialise.
    serde_json::to_vec(body).unwrap_or_default()
}

pub(super) fn insert(headers: &mut HeaderMap, name: impl IntoHeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_store_that_does_not_answer_is_named_to_the_edge() {
        let operation = "UpdateItem";
        let unreachable = StoreError::Unreachable { operation, cause: "no connection".to_owned() };
        let causes = [unreachable, StoreError::Throttled { operation }, StoreError::Contended, StoreError::Behind];
        let named = causes.map(|cause| {
            let response = ServiceError::Store(cause).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[RETRY_AFTER], RETRY_AFTER_SECONDS);
            response.headers().contains_key(wire::CORE_STORE)
        });
        assert_eq!(named, [true, false, false, false]);
    }
}
