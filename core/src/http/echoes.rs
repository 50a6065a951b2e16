//! `/v1/echoes` and what lies below it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::Uri;
use axum::response::Response;
use echoes_shared::query::ListQuery;
use echoes_shared::wire::{self, Resource};
use echoes_shared::{EchoId, IdempotencyKey, Problem, Timestamp, etag, validate};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::Context;
use super::auth::caller;
use super::{answer, page};
use crate::clock::{self, Stopwatch};
use crate::service::ServiceError;

pub(super) async fn create(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    validate::content_type(headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()))?;
    let user = caller(&headers)?;
    let now = clock::now();
    let key = idempotency_key(&headers, now)?;
    let written = context.service.create(user, key, &body, now).await?;
    Ok(answer::written(&written, watch))
}

pub(super) async fn recent(
    State(context): State<Arc<Context>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let query = ListQuery::parse(query.as_deref())?;
    let list = context.service.recent(&query, clock::now()).await?;
    Ok(page::list(list, &headers).into_response(watch.elapsed()))
}

pub(super) async fn one(
    State(context): State<Arc<Context>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let echo = context.service.echo(echo_id(&uri)?, clock::now()).await?;
    Ok(page::echo(echo, &headers).into_response(watch.elapsed()))
}

pub(super) async fn edit(
    State(context): State<Arc<Context>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    validate::content_type(headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()))?;
    let (echo, user) = (echo_id(&uri)?, caller(&headers)?);
    let seen = etag::if_match(once(&headers, wire::IF_MATCH, "If-Match")?)?;
    let echo = context.service.edit(&user, echo, seen, &body, is_fallback(&headers), clock::now()).await?;
    Ok(answer::edited(&echo, watch))
}

pub(super) async fn remove(
    State(context): State<Arc<Context>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ServiceError> {
    let (echo, user) = (echo_id(&uri)?, caller(&headers)?);
    context.service.delete(&user, echo, is_fallback(&headers), clock::now()).await?;
    Ok(answer::no_content())
}

/// Whether the home of what is to be written is down.
pub(super) fn is_fallback(headers: &HeaderMap) -> bool {
    headers.get(wire::CORE_FALLBACK).is_some_and(|value| value == "1")
}

fn echo_id(uri: &Uri) -> Result<EchoId, Problem> {
    match Resource::parse(uri.path())? {
        Resource::Echo(id) => Ok(id),
        _ => Err(wire::no_such_path()),
    }
}

/// The caller's key, or a new one where there is none.
fn idempotency_key(headers: &HeaderMap, now: Timestamp) -> Result<IdempotencyKey, Problem> {
    let given = once(headers, wire::IDEMPOTENCY_KEY, "Idempotency-Key")?;
    given.map_or_else(|| Ok(IdempotencyKey::mint(now, &rand::random())), wire::idempotency_key)
}

/// The value of a header that may be given once; empty where it is no text.
fn once<'a>(headers: &'a HeaderMap, name: &str, shown: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Problem::invalid_field(shown, "may be given once")),
        (value, None) => Ok(value.map(|value| value.to_str().unwrap_or_default())),
    }
}
