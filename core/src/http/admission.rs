//! The second gate: at most so many requests at a time, the rest is told to come back.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use echoes_shared::{Problem, Slug};

use super::Context;
use super::answer::{self, RequestId};

pub(super) async fn admit(
    State(context): State<Arc<Context>>,
    Extension(id): Extension<RequestId>,
    request: Request,
    next: Next,
) -> Response {
    // A queue would only make everybody late: the edge asks another region instead.
    let Ok(_permit) = context.permits.try_acquire() else {
        return answer::problem(&Problem::new(Slug::Unavailable, "this region is at its limit"), &id);
    };
    next.run(request).await
}
