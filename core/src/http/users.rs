//! `/v1/users/{userId}` and what lies below it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::Uri;
use axum::response::Response;
use echoes_shared::query::ListQuery;
use echoes_shared::wire::{self, Resource};
use http::HeaderMap;

use super::Context;
use super::answer::{self, RequestId, Source};
use crate::clock::{self, Stopwatch};
use crate::service::{List, ServiceError};

pub(super) async fn timeline(
    State(context): State<Arc<Context>>,
    Extension(id): Extension<RequestId>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let watch = Stopwatch::start();
    let read = async || -> Result<List, ServiceError> {
        let Resource::Timeline(user) = Resource::parse(uri.path())? else {
            return Err(wire::no_such_path().into());
        };
        let query = ListQuery::parse_timeline(query.as_deref())?;
        context.service.timeline(&user, &query, clock::now()).await
    };
    match read().await {
        Ok(list) => answer::list(&list, &headers, Source::Store, watch),
        Err(error) => answer::error(error, &id),
    }
}
