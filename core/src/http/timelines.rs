//! `GET /v1/timelines`: several people's echoes at once.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use echoes_shared::UserId;
use echoes_shared::policy::TIMELINES_DEADLINE_MILLIS;
use echoes_shared::problem::Body as ProblemBody;
use echoes_shared::query::TimelinesQuery;
use http::HeaderMap;
use serde::Serialize;

use super::Context;
use super::answer::{self, RequestId, Source};
use crate::clock::{self, Stopwatch};
use crate::service::{List, ServiceError};

/// After this the answer holds those that were read.
const DEADLINE: Duration = Duration::from_millis(TIMELINES_DEADLINE_MILLIS);

#[derive(Serialize)]
struct Body<'a> {
    timelines: Vec<Timeline<'a>>,
    failed: Vec<Failed<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Timeline<'a> {
    user_id: &'a UserId,
    #[serde(flatten)]
    list: &'a List,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed<'a> {
    user_id: &'a UserId,
    problem: ProblemBody<'a>,
}

pub(super) async fn several(
    State(context): State<Arc<Context>>,
    Extension(id): Extension<RequestId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    let query = TimelinesQuery::parse(query.as_deref())?;
    let several = context.service.timelines(query, clock::now(), DEADLINE).await?;
    let timelines = several.read.iter().map(|(user_id, list)| Timeline { user_id, list }).collect();
    // A read has no home, so each of these errors is a problem.
    let failed = several.failed.into_iter().filter_map(|(user, error)| Some((user, answer::part(error).ok()?)));
    let failed: Vec<_> = failed.collect();
    let failed =
        failed.iter().map(|(user_id, problem)| Failed { user_id, problem: problem.body(id.as_str()) }).collect();
    Ok(answer::list(&Body { timelines, failed }, &headers, Source::Store, watch))
}
