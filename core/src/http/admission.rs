//! The second gate: at most so many requests at a time, each for so long; the rest is told to come back.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use echoes_shared::policy::REQUEST_DEADLINE_MILLIS;
use echoes_shared::{Problem, Slug};

use super::Context;
use super::answer;

/// After this the edge has given up on all regions, so nobody waits for the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(REQUEST_DEADLINE_MILLIS);

pub(super) async fn admit(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    // A queue would only make everybody late: the edge asks another region instead.
    let Ok(_permit) = context.permits.try_acquire() else {
        return answer::problem(Problem::new(Slug::Unavailable, "this region is at its limit"));
    };
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => answer::problem(Problem::new(Slug::Unavailable, "the store took too long")),
    }
}
