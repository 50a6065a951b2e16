//! `/v1/emotions` and what lies below it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::Uri;
use axum::response::Response;
use echoes_shared::query::ListQuery;
use echoes_shared::wire::{self, Resource};
use echoes_shared::{Emotion, Problem};
use http::HeaderMap;

use super::Context;
use super::answer::{self, RequestId, Source};
use crate::clock::{self, Stopwatch};
use crate::service::{List, ServiceError};

pub(super) async fn list(State(context): State<Arc<Context>>, headers: HeaderMap) -> Response {
    answer::list(&context.service.emotions(), &headers, Source::Memory, Stopwatch::start())
}

pub(super) async fn feed(
    State(context): State<Arc<Context>>,
    Extension(id): Extension<RequestId>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let watch = Stopwatch::start();
    let read = async || -> Result<List, ServiceError> {
        let emotion = emotion(&uri)?;
        let query = ListQuery::parse(query.as_deref())?;
        context.service.feed(emotion, &query, clock::now()).await
    };
    match read().await {
        Ok(list) => answer::list(&list, &headers, Source::Store, watch),
        Err(error) => answer::error(error, &id),
    }
}

pub(super) async fn random(
    State(context): State<Arc<Context>>,
    Extension(id): Extension<RequestId>,
    uri: Uri,
) -> Response {
    let watch = Stopwatch::start();
    let read = async || context.service.random(emotion(&uri)?, clock::now()).await;
    match read().await {
        Ok(drawn) => {
            let source = if drawn.from_store { Source::Store } else { Source::Memory };
            answer::uncacheable(&drawn.echo, source, watch)
        }
        Err(error) => answer::error(error, &id),
    }
}

fn emotion(uri: &Uri) -> Result<Emotion, Problem> {
    match Resource::parse(uri.path())? {
        Resource::Feed(emotion) | Resource::Random(emotion) => Ok(emotion),
        _ => Err(wire::no_such_path()),
    }
}
