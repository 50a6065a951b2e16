//! The outermost gate: every request gets an id, is measured, counted and logged once.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use http::header::CACHE_STATUS;
use tracing::Instrument as _;

use super::Context;
use super::answer::{self, RequestId};
use super::header::REGION;
use crate::clock::Stopwatch;
use crate::metrics::{Answers, Metrics};
use crate::units;

/// The label of requests that match no route.
const NO_ROUTE: &str = "none";
/// A hit that takes longer is worth a line.
const SLOW: Duration = Duration::from_millis(100);

/// Takes the edge's request id, or makes one, gives it to the handler and puts it on the answer.
pub(super) async fn identify(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    // Every line logged on the way carries the id.
    let span = tracing::info_span!("request", request_id = %id);
    let response = next.run(request).instrument(span).await;
    answer::complete(response, id)
}

/// Whether a cache had the answer, which is no error.
fn is_hit(response: &Response) -> bool {
    let status = response.status();
    let tiers = response.headers().get(CACHE_STATUS).and_then(|tiers| tiers.to_str().ok());
    (status.is_success() || status.is_redirection()) && tiers.is_some_and(begins_with_hit)
}

/// Whether the first of these tiers, from which the others have the answer, had it itself (RFC 9211).
fn begins_with_hit(tiers: &str) -> bool {
    let first = tiers.split(',').next().unwrap_or_default();
    first.split(';').skip(1).any(|parameter| parameter.trim() == "hit")
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
    let status = response.status();
    let took = watch.elapsed();
    context.metrics.http_request(route, status.as_str(), took);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    // What the caches answer at once is most of what there is, and nothing to look into: the metrics count it.
    if took < SLOW && is_hit(&response) {
        tracing::debug!(%method, route, status = status.as_u16(), took_us = micros, "answered");
    } else {
        tracing::info!(%method, route, status = status.as_u16(), took_us = micros, units = %consumed, "answered");
    }
    response.headers_mut().insert(REGION, HeaderValue::from_static(context.region.as_str()));
    response
}

/// A route that memory may answer at once, and where most of those answers are counted.
#[derive(Debug)]
pub(super) struct Hits {
    route: &'static str,
    found: Answers,
}

impl Hits {
    pub(super) fn new(metrics: &Metrics, route: &'static str) -> Self {
        Self { route, found: metrics.answers(route, StatusCode::OK.as_str()) }
    }
}

/// Measures, counts and logs an answer that memory had at once.
pub(super) fn answered_at_once(context: &Context, hits: &Hits, request_id: &str, status: StatusCode, took: Duration) {
    match status {
        StatusCode::OK => hits.found.count(took),
        _ => context.metrics.http_request(hits.route, status.as_str(), took),
    }
    tracing::debug!(request_id, route = hits.route, status = status.as_u16(), ?took, "answered at once");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_what_the_first_tier_had() {
        for hit in [
            "echoes-l1; hit",
            "echoes-l1; hit; ttl=4",
            "echoes-l1; hit; ttl=-12; detail=stale",
            "echoes-l2; hit; ttl=3100, echoes-l1; fwd=miss",
        ] {
            assert!(begins_with_hit(hit), "{hit}");
        }
        for none in [
            "",
            "hit",
            "echoes-store; fwd=miss",
            "echoes-store; fwd=bypass",
            "echoes-store; fwd=miss, echoes-l2; fwd=miss, echoes-l1; fwd=miss; collapsed",
            "echoes-search; fwd=miss",
            "echoes-search; fwd=miss, echoes-l1; hit",
        ] {
            assert!(!begins_with_hit(none), "{none}");
        }
    }
}
