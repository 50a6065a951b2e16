//! `/v1/live`: new echoes as they come, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use echoes_shared::live::EventId;
use echoes_shared::query::LiveQuery;
use echoes_shared::{Problem, wire};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CACHE_STATUS, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use super::Context;
use super::answer;
use super::header::SERVER_TIMING;
use crate::clock::{self, Stopwatch};
use crate::live::Listener;
use crate::service::ServiceError;

/// The media type of server-sent events, which is always UTF-8.
/// <https://html.spec.whatwg.org/multipage/server-sent-events.html>
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

pub(super) async fn listen(
    State(context): State<Arc<Context>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let query = LiveQuery::parse(query.as_deref())?;
    let listener = context.service.listen(query.emotion, last(&headers)?, clock::now()).await?;
    let mut response = Response::new(Body::from_stream(stream::unfold(listener, step)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CACHE_STATUS, HeaderValue::from_static("echoes-store; fwd=bypass"));
    answer::insert(headers, SERVER_TIMING, &answer::timing(watch.elapsed()));
    Ok(response)
}

async fn step(mut listener: Listener) -> Option<(Result<axum::body::Bytes, Infallible>, Listener)> {
    let piece = listener.next().await?;
    Some((Ok(piece), listener))
}

/// What the caller was sent last.
fn last(headers: &HeaderMap) -> Result<Option<EventId>, Problem> {
    let Some(header) = headers.get(wire::LAST_EVENT_ID) else { return Ok(None) };
    // What is no text is no id.
    EventId::last(header.to_str().unwrap_or_default()).map(Some)
}
