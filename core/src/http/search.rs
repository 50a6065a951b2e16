//! `GET /v1/search`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use echoes_shared::query::SearchQuery;
use http::HeaderMap;

use super::Context;
use super::answer::{self, Source};
use crate::clock::{self, Stopwatch};
use crate::service::ServiceError;

pub(super) async fn search(
    State(context): State<Arc<Context>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let query = SearchQuery::parse(query.as_deref())?;
    let found = context.service.search(&query, clock::now()).await?;
    Ok(answer::made(&found, Source::Index, &headers, watch))
}
