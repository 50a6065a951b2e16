//! Calls to the cores: signed, nearest healthy region first, within one deadline for all attempts.

pub mod answer;
pub mod attempts;
mod batch;
mod home;
mod stream;
pub mod transport;

use std::cell::RefCell;

use echoes_shared::live::EventId;
use echoes_shared::policy::{MAX_ANSWER_BYTES, REGION_ATTEMPTS};
use echoes_shared::sigv4::sign::{Call as SignedCall, signature_headers};
use echoes_shared::{IdempotencyKey, Region, Timestamp, UserId, validate, wire};

use crate::clock;
use crate::config::OriginConfig;
use crate::health::HealthTable;
use crate::{log, random, runtime};
use answer::{Answer, Failure};
use attempts::Budget;
use transport::Outgoing;

pub use batch::batch;
pub use home::ask_home;
pub use stream::{Opening, open};

thread_local! {
    static HEALTH: RefCell<HealthTable> = RefCell::default();
}

/// What a core is asked.
#[derive(Debug, Clone)]
pub struct Call {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// The canonical path and query.
    pub target: String,
    /// The request's id.
    pub request_id: String,
    /// The caller, for writes.
    pub user: Option<UserId>,
    /// The name of a create.
    pub key: Option<IdempotencyKey>,
    /// The version that an edit is of.
    pub if_match: Option<u64>,
    /// The last event that a listener was sent.
    pub last_event: Option<EventId>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// Whether the region asked is to decide in place of the echo's home, which is down.
    pub fallback: bool,
}

impl Call {
    /// A read.
    pub fn get(target: String, request_id: &str) -> Self {
        Self::new("GET", target, request_id, None)
    }

    /// The opening of a stream for who was sent `last` before; with the method `HEAD`, of nothing but its head.
    pub fn listen(method: &'static str, target: String, request_id: &str, last: Option<EventId>) -> Self {
        Self { last_event: last, ..Self::new(method, target, request_id, None) }
    }

    /// A write on behalf of `user`, so far without a name, a version or a body.
    pub fn write(method: &'static str, target: String, request_id: &str, user: UserId) -> Self {
        Self::new(method, target, request_id, Some(user))
    }

    fn new(method: &'static str, target: String, request_id: &str, user: Option<UserId>) -> Self {
        let request_id = request_id.to_owned();
        let (key, if_match, last_event, body) = (None, None, None, Vec::new());
        Self { method, target, request_id, user, key, if_match, last_event, body, fallback: false }
    }
}

/// Whether a failure tells that the region is not well, after a call that had so many milliseconds.
type Blames = fn(&Failure, u32) -> bool;

/// No region answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

/// Asks the nearest healthy region, and the next ones when it fails. Only for calls that any region may answer, and that
/// may be made twice. `began` is when somebody began to wait for it.
pub async fn ask(
    call: &Call,
    config: &OriginConfig,
    nearest: &[Region],
    began: Timestamp,
) -> Result<Answer, Unavailable> {
    ask_in_shares(call, config, nearest, began, REGION_ATTEMPTS).await
}

/// The same, each attempt with what is left of the time divided by `shares`; the last with all of it.
async fn ask_in_shares(
    call: &Call,
    config: &OriginConfig,
    nearest: &[Region],
    began: Timestamp,
    shares: usize,
) -> Result<Answer, Unavailable> {
    let budget = Budget::new(began);
    let regions: Vec<_> = order(config, nearest).into_iter().take(REGION_ATTEMPTS).collect();
    for (attempts_left, region) in (1..=regions.len()).rev().zip(regions) {
        if budget.is_spent(clock::now()) {
            break;
        }
        if let Ok(answer) = attempt(call, config, region, &budget, attempts_left.min(shares)).await {
            return Ok(answer);
        }
    }
    Err(Unavailable)
}

/// The regions that have a core, in the order in which to ask them.
fn order(config: &OriginConfig, nearest: &[Region]) -> Vec<Region> {
    let configured: Vec<_> = nearest.iter().copied().filter(|&region| config.core(region).is_some()).collect();
    HEALTH.with_borrow(|health| health.order(&configured, clock::now()))
}

/// Asks one region within its share of what is left, and notes how that went.
async fn attempt(
    call: &Call,
    config: &OriginConfig,
    region: Region,
    budget: &Budget,
    attempts_left: usize,
) -> Result<Answer, Failure> {
    let deadline_millis = budget.share_millis(clock::now(), attempts_left);
    let is_batch = call.target == wire::pattern::BATCH;
    let blames = if is_batch { Failure::blames_the_region_of_a_batch } else { Failure::blames_the_region };
    let answer = ask_region(call, config, region, deadline_millis, blames).await;
    if let Err(failure) = &answer {
        log::warn("region_failed", &format!("{region}: {failure}"), &call.request_id);
    }
    answer
}

/// Asks every core at once how it is, or what it knows; those that do not answer in time are left out.
pub async fn ask_all(call: &Call, config: &OriginConfig, deadline_millis: u32) -> Vec<Answer> {
    let blames = Failure::blames_the_region_checked;
    let asked = config.cores.iter().map(|(region, _)| ask_region(call, config, *region, deadline_millis, blames));
    runtime::all(asked.collect()).await.into_iter().flatten().collect()
}

/// Asks exactly this region, and notes how that went.
async fn ask_region(
    call: &Call,
    config: &OriginConfig,
    region: Region,
    deadline_millis: u32,
    blames_the_region: Blames,
) -> Result<Answer, Failure> {
    let asked_at = begin(region);
    let outcome = match outgoing(call, config, region, deadline_millis) {
        Some(outgoing) => transport::send(outgoing).await,
        None => Err(Failure::NotSigned),
    };
    let answer = outcome.and_then(|received| Answer::judge(received, region, asked_at, call.method));
    note(region, answer.as_ref().err(), deadline_millis, blames_the_region);
    answer
}

/// Notes that a region is about to be asked; answers when.
fn begin(region: Region) -> Timestamp {
    let now = clock::now();
    HEALTH.with_borrow_mut(|health| health.begin(region, now));
    now
}

/// Notes how a call went that had `deadline_millis`.
fn note(region: Region, failure: Option<&Failure>, deadline_millis: u32, blames_the_region: Blames) {
    HEALTH.with_borrow_mut(|health| match failure {
        None => health.succeeded(region),
        Some(failure) if !blames_the_region(failure, deadline_millis) => health.not_known(region),
        Some(failure) => {
            let [jitter] = random::bytes();
            health.failed(region, clock::now(), jitter, matches!(failure, Failure::Busy(_)));
        }
    });
}

/// Whether every region failed lately.
pub fn is_down(config: &OriginConfig) -> bool {
    config.cores.iter().all(|(region, _)| is_avoided(*region))
}

/// Whether the region failed lately.
fn is_avoided(region: Region) -> bool {
    HEALTH.with_borrow(|health| health.is_avoided(region, clock::now()))
}

/// Whether the region did not answer lately, not even that it is busy.
fn is_silent(region: Region) -> bool {
    HEALTH.with_borrow(|health| health.is_silent(region, clock::now()))
}

/// The signed call, or `None` where the region has no core or the call cannot be signed.
fn outgoing(call: &Call, config: &OriginConfig, region: Region, deadline_millis: u32) -> Option<Outgoing> {
    let url = format!("{}{}", config.core(region)?, call.target);
    let mut signed: Vec<(&str, &str)> = vec![(wire::CORE_REQUEST_ID, &call.request_id)];
    if let Some(user) = &call.user {
        signed.push((wire::CORE_USER, user.as_str()));
    }
    if call.fallback {
        signed.push((wire::CORE_FALLBACK, "1"));
    }
    let key = call.key.map(|key| key.to_string());
    let version = call.if_match.map(|version| format!("\"{version}\""));
    let last_event = call.last_event.map(|id| id.to_string());
    // Not among what must be signed, but without them a captured create or edit could be replayed as another.
    for (name, value) in
        [(wire::IDEMPOTENCY_KEY, &key), (wire::IF_MATCH, &version), (wire::LAST_EVENT_ID, &last_event)]
    {
        signed.extend(value.as_deref().map(|value| (name, value)));
    }
    let to_sign = SignedCall { method: call.method, url: &url, headers: &signed, body: &call.body };
    let signature = signature_headers(to_sign, &config.key, region, clock::now()).ok()?;
    let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let mut headers: Vec<_> = signed.iter().map(own).collect();
    headers.extend(signature);
    if !call.body.is_empty() {
        headers.push(("content-type".to_owned(), validate::JSON.to_owned()));
    }
    let body = call.body.clone();
    let (answer_limit_bytes, wanted) = (MAX_ANSWER_BYTES, answer::WANTED);
    Some(Outgoing { method: call.method, url, headers, body, deadline_millis, answer_limit_bytes, wanted })
}
