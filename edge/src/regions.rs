//! `GET /v1/status`: the regions as this edge sees them. It asks every core, at most every few seconds.

use std::cell::Cell;

use echoes_shared::policy::{EDGE_FRESH_SECONDS, EDGE_STALE_WHILE_REVALIDATE_SECONDS};
use echoes_shared::wire::{REGION, Resource};
use echoes_shared::{Region, Timestamp, validate};
use js_sys::{Array, Promise};
use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use crate::arrival::{Arrival, Outcome};
use crate::cache::{flight, status};
use crate::origin::{self, Call};
use crate::response::{Common, Reply, header};
use crate::{clock, runtime};

/// Milliseconds that a core may take to say that it is well.
const CHECK_MILLIS: u32 = 1_000;
/// Milliseconds that the first callers wait for the round that one of them began.
const PATIENCE_MILLIS: u64 = CHECK_MILLIS as u64 + 200;
const MILLIS_PER_SECOND: u64 = 1_000;

/// Which regions answered, in the order of [`Region::ALL`].
type Healthy = [bool; Region::ALL.len()];

/// The name under which rounds of checks wait for each other.
const FLIGHT: &str = "status";

thread_local! {
    static LAST: Cell<Option<(Timestamp, Healthy)>> = const { Cell::new(None) };
}

#[derive(Serialize)]
struct Body {
    region: Region,
    regions: Vec<RegionStatus>,
}

#[derive(Serialize)]
struct RegionStatus {
    name: Region,
    healthy: bool,
}

/// Answers `GET /v1/status`.
pub fn status(arrival: Arrival) -> Outcome {
    if let Some((healthy, left_seconds)) = last(arrival.at) {
        // One request at a time asks the cores; to those that come meanwhile the last answer is good enough.
        let usable = left_seconds >= -i64::from(EDGE_STALE_WHILE_REVALIDATE_SECONDS);
        if left_seconds > 0 || (usable && flight::is_under_way(FLIGHT, arrival.at)) {
            return respond(&arrival, healthy, &status::hit(left_seconds)).map(JsValue::from);
        }
    }
    arrival.later(|arrival| async move {
        let config = match arrival.config() {
            Ok(config) => config,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let turn = flight::wait_and_begin(FLIGHT, PATIENCE_MILLIS).await;
        if let Some((healthy, left_seconds @ 1..)) = last(clock::now()) {
            return respond(&arrival, healthy, &status::hit(left_seconds)).map(Ok);
        }
        let checks = Region::ALL.map(|region| {
            let (config, call) = (config.clone(), Call::get(Resource::Status.path(), &arrival.id));
            runtime::promise(async move {
                let answer = origin::check_region(&call, &config.origin, region, CHECK_MILLIS).await;
                Ok(answer.is_ok_and(|answer| answer.status == 200).into())
            })
        });
        let healthy = all(checks).await;
        LAST.set(Some((clock::now(), healthy)));
        drop(turn);
        respond(&arrival, healthy, &status::forwarded(None, status::Forwarded::Bypassed)).map(Ok)
    })
}

/// What the last round found, and what is left of its freshness in seconds, negative when that is over.
fn last(now: Timestamp) -> Option<(Healthy, i64)> {
    let (checked_at, healthy) = LAST.get()?;
    let age_seconds = now.millis_since(checked_at) / MILLIS_PER_SECOND;
    let left = i64::from(EDGE_FRESH_SECONDS) - i64::try_from(age_seconds).unwrap_or(i64::MAX);
    Some((healthy, if left > 0 { left } else { left - 1 }))
}

/// Waits for all checks, which run side by side.
async fn all(checks: [Promise; Region::ALL.len()]) -> Healthy {
    let promises: Array = checks.iter().collect();
    let outcomes =
        JsFuture::from(Promise::all(&promises)).await.map(|values| Array::from(&values)).unwrap_or_default();
    let mut healthy = Healthy::default();
    for (to, outcome) in healthy.iter_mut().zip(outcomes.iter()) {
        *to = outcome.is_truthy();
    }
    healthy
}

fn respond(arrival: &Arrival, healthy: Healthy, cache_status: &str) -> Result<Response, JsValue> {
    let [region, ..] = arrival.nearest_regions();
    let regions =
        Region::ALL.into_iter().zip(healthy).map(|(name, healthy)| RegionStatus { name, healthy }).collect();
    // A struct of strings and truths always serialises.
    let body = serde_json::to_string(&Body { region, regions }).unwrap_or_default();
    Reply::new(Common::Unstored, &arrival.id)?
        .with(header::CONTENT_TYPE, Some(validate::JSON))?
        .with(header::CACHE_STATUS, Some(cache_status))?
        .with(header::SERVER_TIMING, Some(&format!("edge;dur={}", arrival.elapsed_millis())))?
        .with(REGION, Some(region.as_str()))?
        .send(200, body.as_bytes())
}
