//! `POST /v1/echoes/batch`: several creates and deletes, a result for each.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use echoes_shared::policy::BATCH_DEADLINE_MILLIS;
use echoes_shared::problem::Body as ProblemBody;
use echoes_shared::{Echo, IdempotencyKey, Problem, Region, validate};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::Context;
use super::answer::{self, RequestId};
use super::auth::caller;
use super::echoes::is_fallback;
use crate::clock::{self, Stopwatch};
use crate::service::{Batch, Done, Outcome, ServiceError};

/// After this a batch is answered with what is done.
const DEADLINE: Duration = Duration::from_millis(BATCH_DEADLINE_MILLIS);

#[derive(Serialize)]
struct Results<'a> {
    results: Vec<Entry<'a>>,
}

/// One operation's result. `home` goes with 421 and to the edge alone: that region must be asked.
#[derive(Serialize)]
struct Entry<'a> {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    echo: Option<&'a Echo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<Region>,
}

pub(super) async fn run(
    State(context): State<Arc<Context>>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ServiceError> {
    let watch = Stopwatch::start();
    validate::content_type(headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()))?;
    let user = caller(&headers)?;
    let now = clock::now();
    let mint = || IdempotencyKey::mint(now, &rand::random());
    let batch = Batch { user: &user, body: &body, fallback: is_fallback(&headers), now, deadline: DEADLINE };
    let outcomes = context.service.batch(batch, mint).await?;
    let outcomes: Vec<_> = outcomes.into_iter().map(in_our_words).collect();
    let results = outcomes.iter().map(|outcome| Entry::of(outcome, id.as_str())).collect();
    Ok(answer::results(&Results { results }, watch))
}

/// An outcome, or what is wrong, or where to ask.
type Told = Result<Done, Result<Problem, Region>>;

fn in_our_words(outcome: Outcome) -> Told {
    outcome.map_err(answer::part)
}

impl<'a> Entry<'a> {
    fn of(outcome: &'a Told, request_id: &'a str) -> Self {
        let plain = |status: StatusCode| Self { status: status.as_u16(), echo: None, problem: None, home: None };
        match outcome {
            Ok(Done::Written(written)) => {
                let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
                Self { echo: Some(&written.echo), ..plain(status) }
            }
            Ok(Done::Gone) => plain(StatusCode::NO_CONTENT),
            Err(Err(home)) => Self { home: Some(*home), ..plain(StatusCode::MISDIRECTED_REQUEST) },
            Err(Ok(found)) => {
                let problem = Some(found.body(request_id));
                Self { status: found.slug.status(), echo: None, problem, home: None }
            }
        }
    }
}
