//! `/v1/emotions` and what lies below it.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::Uri;
use axum::response::Response;
use echoes_shared::query::ListQuery;
use echoes_shared::wire::{self, Resource};
use echoes_shared::{Emotion, Problem};
use http::HeaderMap;

use super::Context;
use super::answer::{self, Source};
use super::page;
use crate::clock::{self, Stopwatch};
use crate::service::ServiceError;

pub(super) async fn list(State(context): State<Arc<Context>>, headers: HeaderMap) -> Response {
    let watch = Stopwatch::start();
    let list = context.service.emotions().await;
    answer::made(&list.body, Source::of(list.from_store), &headers, watch)
}

pub(super) async fn feed(
    State(context): State<Arc<Context>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let emotion = emotion(&uri)?;
    let query = ListQuery::parse(query.as_deref())?;
    let list = context.service.feed(emotion, &query, clock::now()).await?;
    Ok(page::list(list, &headers).into_response(watch.elapsed()))
}

pub(super) async fn random(State(context): State<Arc<Context>>, uri: Uri) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let drawn = context.service.random(emotion(&uri)?, clock::now()).await?;
    Ok(answer::uncacheable(drawn.echo.as_ref(), Source::of(drawn.from_store), watch))
}

fn emotion(uri: &Uri) -> Result<Emotion, Problem> {
    match Resource::parse(uri.path())? {
        Resource::Feed(emotion) | Resource::Random(emotion) => Ok(emotion),
        _ => Err(wire::no_such_path()),
    }
}
