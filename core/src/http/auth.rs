//! The third gate: default deny. The signature over the head is judged before a byte of the body is read.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use echoes_shared::sigv4::verify::{Head, Refusal};
use echoes_shared::{Problem, Slug, UserId, validate, wire};
use http::HeaderMap;
use http_body_util::LengthLimitError;

use super::Context;
use super::answer;
use crate::clock;

/// How long a signed caller may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn authenticate(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    match verified(&context, request).await {
        Ok(request) => next.run(request).await,
        Err(Denial::Refused(refusal)) => {
            tracing::warn!(%refusal, "a call was refused");
            answer::problem(Problem::new(Slug::Unauthenticated, refusal.to_string()))
        }
        Err(Denial::Body(problem)) => answer::problem(problem),
    }
}

/// Why a request goes no further.
enum Denial {
    /// It is not signed as it must be.
    Refused(Refusal),
    /// It is, but its body cannot be read.
    Body(Problem),
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

async fn verified(context: &Context, request: Request) -> Result<Request, Denial> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let head = Head { method: parts.method.as_str(), target, headers: &parts.headers };
    let claimed = context.verifier.verify(head, clock::now())?;
    let body = read(body, wire::max_body_bytes(parts.uri.path())).await.map_err(Denial::Body)?;
    claimed.check(&body)?;
    Ok(Request::from_parts(parts, Body::from(body)))
}

async fn read(body: Body, max_bytes: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, max_bytes)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if is_above_limit(&error) => Err(validate::body_too_large(max_bytes)),
        // The way between edge and core is at fault, not the caller: the edge then asks another region.
        Ok(Err(_)) | Err(_) => Err(Problem::new(Slug::Unavailable, "the body did not arrive")),
    }
}

fn is_above_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<LengthLimitError>())
}

/// The person on whose behalf the edge calls.
pub(super) fn caller(headers: &HeaderMap) -> Result<UserId, Problem> {
    let name = headers.get(wire::CORE_USER).and_then(|value| value.to_str().ok());
    let name = name.ok_or_else(|| Problem::new(Slug::Unauthenticated, "x-echoes-user is required here"))?;
    name.parse()
        .map_err(|error: echoes_shared::id::InvalidId| Problem::invalid_field(wire::CORE_USER, error.to_string()))
}
