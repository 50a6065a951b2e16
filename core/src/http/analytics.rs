//! `/v1/analytics`

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use echoes_shared::query::AnalyticsQuery;
use http::HeaderMap;

use super::Context;
use super::answer::{self, Source};
use crate::clock::{self, Stopwatch};
use crate::service::ServiceError;

pub(super) async fn emotions(
    State(context): State<Arc<Context>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let now = clock::now();
    let query = AnalyticsQuery::parse(query.as_deref(), now)?;
    let counted = context.service.analytics(&query, now).await?;
    Ok(answer::made(&counted.body, Source::of(counted.from_store), &headers, watch))
}
