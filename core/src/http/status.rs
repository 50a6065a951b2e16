//! `/v1/status`: what this core knows of itself and of the other regions.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::Context;
use super::answer::{self, Source};
use crate::clock::{self, Stopwatch};
use crate::service::ServiceError;

pub(super) async fn status(State(context): State<Arc<Context>>) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let status = context.service.status(clock::now()).await?;
    Ok(answer::uncacheable(&status, Source::Store, watch))
}
