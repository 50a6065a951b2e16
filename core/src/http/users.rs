//! `/v1/users/{userId}` and what lies below it.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::Uri;
use axum::response::Response;
use echoes_shared::query::ListQuery;
use echoes_shared::wire::{self, Resource};
use http::HeaderMap;

use super::Context;
use super::answer::{self, Source};
use super::auth::caller;
use super::page;
use crate::clock::{self, Stopwatch};
use crate::service::ServiceError;

pub(super) async fn timeline(
    State(context): State<Arc<Context>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let Resource::Timeline(user) = Resource::parse(uri.path())? else {
        return Err(wire::no_such_path().into());
    };
    let query = ListQuery::parse_timeline(query.as_deref())?;
    let list = context.service.timeline(user, &query, clock::now()).await?;
    Ok(page::list(list, &headers).into_response(watch.elapsed()))
}

pub(super) async fn emotions(
    State(context): State<Arc<Context>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let Resource::PersonEmotions(user) = Resource::parse(uri.path())? else {
        return Err(wire::no_such_path().into());
    };
    let list = context.service.emotions_of(user).await?;
    Ok(answer::made(&list, Source::Store, &headers, watch))
}

pub(super) async fn erase(State(context): State<Arc<Context>>, headers: HeaderMap) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let erasure = context.service.erase(&caller(&headers)?, clock::now()).await?;
    Ok(answer::accepted(&erasure, watch))
}

pub(super) async fn erasure(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let erasure = context.service.erasure(&caller(&headers)?, clock::now()).await?;
    Ok(answer::uncacheable(&erasure, Source::Store, watch))
}
