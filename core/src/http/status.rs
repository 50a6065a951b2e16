//! `/v1/status`: what this core knows of itself.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::Context;
use super::answer::{self, RequestId, Source};
use crate::clock::Stopwatch;

pub(super) async fn status(State(context): State<Arc<Context>>, Extension(id): Extension<RequestId>) -> Response {
    let watch = Stopwatch::start();
    match context.service.status().await {
        Ok(status) => answer::uncacheable(&status, Source::Store, watch),
        Err(error) => answer::error(error, &id),
    }
}
