//! The outermost gate: every request gets an id, is measured, counted and logged once.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use echoes_shared::wire;
use tracing::Instrument as _;

use super::Context;
use super::answer::{self, RequestId};
use crate::clock::Stopwatch;
use crate::units;

/// The label of requests that match no route.
const NO_ROUTE: &str = "none";

/// Takes the edge's request id, or makes one, gives it to the handler and puts it on the answer.
pub(super) async fn identify(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    // Every line logged on the way carries the id.
    let span = tracing::info_span!("request", request_id = %id);
    let response = next.run(request).instrument(span).await;
    answer::complete(response, &id)
}

/// Measures, counts and logs; names the region on the answer.
pub(super) async fn observe(
    State(context): State<Arc<Context>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let watch = Stopwatch::start();
    let method = request.method().clone();
    let (mut response, consumed) = units::counted(next.run(request)).await;
    let route = path.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let status = response.status().as_u16();
    let took = watch.elapsed();
    context.metrics.http_request(route, status, took);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(%method, route, status, took_us = micros, units = %consumed, "answered");
    response.headers_mut().insert(wire::REGION, HeaderValue::from_static(context.region.as_str()));
    response
}
