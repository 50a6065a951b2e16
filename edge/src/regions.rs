//! `GET /v1/status`: the regions as this edge sees them. It asks every core, at most every few seconds.

use std::cell::Cell;

use echoes_shared::policy::{EDGE_FRESH_SECONDS, EDGE_STALE_WHILE_REVALIDATE_SECONDS};
use echoes_shared::status::{Lags, RegionStatus, Status};
use echoes_shared::wire::{REGION, Resource};
use echoes_shared::{Region, Timestamp, validate};
use wasm_bindgen::JsValue;
use web_sys::Response;

use crate::arrival::{Arrival, Outcome};
use crate::cache::{flight, status};
use crate::clock;
use crate::config::OriginConfig;
use crate::origin::{self, Call};
use crate::response::{Common, Reply, header};

/// Milliseconds that a core may take to say that it is well.
const CHECK_MILLIS: u32 = 1_000;
/// Milliseconds that the first callers wait for the round that one of them began.
const PATIENCE_MILLIS: u64 = CHECK_MILLIS as u64 + 200;
const MILLIS_PER_SECOND: u64 = 1_000;

/// What is known of the regions, in the order of [`Region::ALL`].
type Known = [RegionStatus; Region::ALL.len()];

/// The name under which rounds of checks wait for each other.
const FLIGHT: &str = "status";

thread_local! {
    static LAST: Cell<Option<(Timestamp, Known)>> = const { Cell::new(None) };
}

/// Answers `GET /v1/status`.
pub fn status(arrival: Arrival) -> Outcome {
    if let Some((known, left_seconds)) = last(arrival.at) {
        // One request at a time asks the cores; to those that come meanwhile the last answer is good enough.
        let usable = left_seconds >= -i64::from(EDGE_STALE_WHILE_REVALIDATE_SECONDS);
        if left_seconds > 0 || (usable && flight::is_under_way(FLIGHT, arrival.at)) {
            return respond(&arrival, known, &status::hit(left_seconds)).map(JsValue::from);
        }
    }
    arrival.later(|arrival| async move {
        let config = match arrival.config() {
            Ok(config) => config,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let turn = flight::wait_and_begin(FLIGHT, PATIENCE_MILLIS).await;
        if let Some((known, left_seconds @ 1..)) = last(clock::now()) {
            return respond(&arrival, known, &status::hit(left_seconds)).map(Ok);
        }
        let known = ask(&Call::get(Resource::Status.path(), &arrival.id), &config.origin).await;
        LAST.set(Some((clock::now(), known)));
        drop(turn);
        respond(&arrival, known, &status::forwarded(None, status::Forwarded::Bypassed)).map(Ok)
    })
}

/// What the last round found, and what is left of its freshness in seconds, negative when that is over.
fn last(now: Timestamp) -> Option<(Known, i64)> {
    let (checked_at, known) = LAST.get()?;
    let age_seconds = now.millis_since(checked_at) / MILLIS_PER_SECOND;
    let left = i64::from(EDGE_FRESH_SECONDS) - i64::try_from(age_seconds).unwrap_or(i64::MAX);
    Some((known, if left > 0 { left } else { left - 1 }))
}

/// Asks all cores side by side. A region is healthy as this edge sees it; its lags are as cores tell.
async fn ask(call: &Call, config: &OriginConfig) -> Known {
    let mut well = origin::ask_all(call, config, CHECK_MILLIS).await;
    well.retain(|answer| answer.status == 200);
    // One that cannot be read is that of another version, and well all the same.
    let told: Vec<Status> = well.iter().filter_map(|answer| serde_json::from_slice(&answer.body).ok()).collect();
    Region::ALL.map(|name| {
        let healthy = well.iter().any(|answer| answer.region == name);
        RegionStatus { name, healthy, lags: Lags::of(name, &told) }
    })
}

fn respond(arrival: &Arrival, known: Known, cache_status: &str) -> Result<Response, JsValue> {
    let [region, ..] = arrival.nearest_regions();
    // A struct of strings, numbers and truths always serialises.
    let body = serde_json::to_string(&Status { region, regions: known.into() }).unwrap_or_default();
    Reply::new(Common::Unstored, &arrival.id)?
        .with(header::CONTENT_TYPE, Some(validate::JSON))?
        .with(header::CACHE_STATUS, Some(cache_status))?
        .with(header::SERVER_TIMING, Some(&format!("edge;dur={}", arrival.elapsed_millis())))?
        .with(REGION, Some(region.as_str()))?
        .send(200, body.as_bytes())
}
