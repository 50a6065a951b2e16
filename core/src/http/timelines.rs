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
use super::answer::{self, RequestId};
use super::page;
use crate::clock::{self, Stopwatch};
use crate::service::{List, ServiceError};

/// After this the answer holds those that were read.
const DEADLINE: Duration = Duration::from_millis(TIMELINES_DEADLINE_MILLIS);

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
    let trail = several.trail();
    // A read has no home, so each of these errors is a problem.
    let failed = several.failed.into_iter().filter_map(|(user, error)| Some((user, answer::part(error).ok()?)));
    let failed: Vec<_> = failed.collect();
    let failed: Vec<_> =
        failed.iter().map(|(user_id, problem)| Failed { user_id, problem: problem.body(id.as_str()) }).collect();
    Ok(page::lists(joined(&several.read, &failed), trail, &headers).into_response(watch.elapsed()))
}

/// `{"timelines":[{"userId":…,"echoes":[…],"nextCursor":…},…],"failed":[…]}`, its lists spliced as they are kept.
fn joined(read: &[(UserId, List)], failed: &[Failed<'_>]) -> Vec<u8> {
    let failed = answer::serialise(&failed);
    let each = |(user, list): &(UserId, List)| list.page.body_bytes() + user.as_str().len() + 16;
    let mut body = Vec::with_capacity(read.iter().map(each).sum::<usize>() + failed.len() + 32);
    body.extend_from_slice(br#"{"timelines":["#);
    for (number, (user, List { page, .. })) in read.iter().enumerate() {
        body.extend_from_slice(if number == 0 { br#"{"userId":"# } else { br#",{"userId":"# });
        body.extend(answer::serialise(user));
        body.push(b',');
        // Its own brace has been opened.
        body.extend_from_slice(page.head.strip_prefix(b"{").unwrap_or(&page.head));
        body.extend_from_slice(&page.tail);
    }
    body.extend_from_slice(br#"],"failed":"#);
    body.extend(failed);
    body.push(b'}');
    body
}
