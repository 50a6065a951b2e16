//! `/v1/echoes` and what lies below it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::Uri;
use axum::response::Response;
use echoes_shared::query::ListQuery;
use echoes_shared::wire::{self, Resource};
use echoes_shared::{EchoId, IdempotencyKey, Problem, Timestamp, validate};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::Context;
use super::answer::{self, RequestId, Source};
use super::auth::caller;
use crate::clock::{self, Stopwatch};
use crate::service::{List, ServiceError, Written};

pub(super) async fn create(
    State(context): State<Arc<Context>>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let watch = Stopwatch::start();
    let write = async || -> Result<Written, ServiceError> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        validate::content_type(text(CONTENT_TYPE))?;
        let user = caller(&headers)?;
        let now = clock::now();
        let key = idempotency_key(&headers, now)?;
        context.service.create(user, key, &body, now).await
    };
    match write().await {
        Ok(written) => answer::written(&written, watch),
        Err(error) => answer::error(error, &id),
    }
}

pub(super) async fn recent(
    State(context): State<Arc<Context>>,
    Extension(id): Extension<RequestId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let watch = Stopwatch::start();
    let read = async || -> Result<List, ServiceError> {
        let query = ListQuery::parse(query.as_deref())?;
        context.service.recent(&query, clock::now()).await
    };
    match read().await {
        Ok(list) => answer::list(&list, &headers, Source::Store, watch),
        Err(error) => answer::error(error, &id),
    }
}

pub(super) async fn one(
    State(context): State<Arc<Context>>,
    Extension(id): Extension<RequestId>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let watch = Stopwatch::start();
    let read = async || context.service.echo(echo_id(&uri)?, clock::now()).await;
    match read().await {
        Ok(echo) => answer::echo(&echo, &headers, watch),
        Err(error) => answer::error(error, &id),
    }
}

pub(super) async fn remove(
    State(context): State<Arc<Context>>,
    Extension(id): Extension<RequestId>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let write = async || -> Result<(), ServiceError> {
        let (echo, user) = (echo_id(&uri)?, caller(&headers)?);
        let fallback = headers.get(wire::CORE_FALLBACK).is_some_and(|value| value == "1");
        context.service.delete(&user, echo, fallback, clock::now()).await
    };
    match write().await {
        Ok(()) => answer::no_content(),
        Err(error) => answer::error(error, &id),
    }
}

fn echo_id(uri: &Uri) -> Result<EchoId, Problem> {
    match Resource::parse(uri.path())? {
        Resource::Echo(id) => Ok(id),
        _ => Err(wire::no_such_path()),
    }
}

/// The caller's key, or a new one where there is none.
fn idempotency_key(headers: &HeaderMap, now: Timestamp) -> Result<IdempotencyKey, Problem> {
    let mut values = headers.get_all(wire::IDEMPOTENCY_KEY).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(IdempotencyKey::mint(now, &rand::random())),
        (Some(value), None) => wire::idempotency_key(value.to_str().unwrap_or_default()),
        (Some(_), Some(_)) => Err(Problem::invalid_field("Idempotency-Key", "may be given once")),
    }
}
