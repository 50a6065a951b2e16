//! Writes: everything that the edge can know is checked before a core is asked. In order: the media type, the token, the key
//! or the version, the body.

mod batch;

use std::rc::Rc;

use echoes_shared::policy::MAX_BODY_BYTES;
use echoes_shared::wire::{self, Resource};
use echoes_shared::{EchoId, IdempotencyKey, Problem, Slug, Timestamp, UserId, etag, validate};
use js_sys::JsString;
use wasm_bindgen::JsValue;

use crate::arrival::{Answered, Answering, Arrival, Outcome};
use crate::cache::status::{Forwarded, forwarded};
use crate::config::Config;
use crate::identity::{self, Presented};
use crate::origin::answer::Answer;
use crate::origin::{self, Call, Unavailable};
use crate::response::{Common, Refusal, Reply, header};
use crate::runtime::Content;
use crate::{cache, clock, random, read};

pub use batch::batch;

/// Seconds after which a caller may try again when no region answers.
const RETRY_AFTER_SECONDS: u32 = 2;
/// Milliseconds that a core may take to say how far an erasure is.
const ERASURE_MILLIS: u32 = 1_000;
/// Milliseconds that a caller may take to send a body.
const BODY_MILLIS: u32 = 10_000;

thread_local! {
    static CONTENT_TYPE: JsString = JsString::from("content-type");
    static CONTENT_LENGTH: JsString = JsString::from("content-length");
    static IDEMPOTENCY_KEY: JsString = JsString::from(wire::IDEMPOTENCY_KEY);
    static IF_MATCH: JsString = JsString::from(wire::IF_MATCH);
}

/// `POST /v1/echoes`
pub fn create(arrival: Arrival) -> Outcome {
    if let Err(problem) = media_type(&arrival) {
        return arrival.refuse(problem);
    }
    with_caller(arrival, |arrival, config, user| async move {
        let key = match key(&arrival) {
            Ok(key) => key,
            Err(problem) => return Ok(Err(problem.into())),
        };
        let Body { bytes, began } = match body(&arrival, MAX_BODY_BYTES).await? {
            Ok(body) => body,
            Err(problem) => return Ok(Err(problem.into())),
        };
        let echo = match validate::new_echo(&bytes, &user, None) {
            Ok(echo) => echo,
            Err(problem) => return Ok(Err(problem.into())),
        };
        let call = Call::write("POST", Resource::Echoes.path(), &arrival.id, user);
        let call = Call { key: Some(key), body: bytes, ..call };
        // The key makes the create safe to repeat in any region, even after one that took it and did not answer.
        let answer = origin::ask(&call, &config.origin, &arrival.nearest_regions(), began).await;
        if answer.as_ref().is_ok_and(|answer| matches!(answer.status, 200 | 201)) {
            cache::note_created(echo.emotion, clock::now());
        }
        conclude(&arrival, answer)
    })
}

/// `PATCH /v1/echoes/{echoId}`
pub fn edit(arrival: Arrival, id: EchoId) -> Outcome {
    if let Err(problem) = media_type(&arrival) {
        return arrival.refuse(problem);
    }
    with_caller(arrival, move |arrival, config, user| async move {
        let version = match etag::if_match(IF_MATCH.with(|name| arrival.incoming.header(name)).as_deref()) {
            Ok(version) => version,
            Err(problem) => return Ok(Err(problem.into())),
        };
        let Body { bytes, began } = match body(&arrival, MAX_BODY_BYTES).await? {
            Ok(body) => body,
            Err(problem) => return Ok(Err(problem.into())),
        };
        if let Err(problem) = validate::edit(&bytes) {
            return Ok(Err(problem.into()));
        }
        let call = Call::write("PATCH", Resource::Echo(id).path(), &arrival.id, user);
        let call = Call { if_match: Some(version), body: bytes, ..call };
        let answer = origin::ask_home(call, &config.origin, &arrival.nearest_regions(), began).await;
        if let Ok(answer) = &answer {
            read::note_edit(&arrival, id, answer).await?;
        }
        conclude(&arrival, answer)
    })
}

/// `DELETE /v1/echoes/{echoId}`
pub fn delete(arrival: Arrival, id: EchoId) -> Outcome {
    with_caller(arrival, move |arrival, config, user| async move {
        let call = Call::write("DELETE", Resource::Echo(id).path(), &arrival.id, user);
        let answer = origin::ask_home(call, &config.origin, &arrival.nearest_regions(), arrival.at).await;
        if answer.as_ref().is_ok_and(|answer| answer.status == 204) {
            cache::note_deleted(id, clock::now()).await;
        }
        conclude(&arrival, answer)
    })
}

fn media_type(arrival: &Arrival) -> Result<(), Problem> {
    let media_type = CONTENT_TYPE.with(|name| arrival.incoming.header(name));
    validate::content_type(media_type.as_deref())
}

/// `DELETE /v1/users/me`
pub fn erase(arrival: Arrival) -> Outcome {
    with_caller(arrival, |arrival, config, user| async move {
        let call = Call::write("DELETE", Resource::Me.path(), &arrival.id, user);
        report(&arrival, origin::ask(&call, &config.origin, &arrival.nearest_regions(), arrival.at).await)
    })
}

/// `GET /v1/users/me/erasure`: no write, but as private as one. Every core is asked: one that has not heard of the latest request
/// would say that there is none, or that an earlier one is done.
pub fn erasure(arrival: Arrival) -> Outcome {
    with_caller(arrival, |arrival, config, user| async move {
        let call = Call { user: Some(user), ..Call::get(Resource::Erasure.path(), &arrival.id) };
        let answers = origin::ask_all(&call, &config.origin, ERASURE_MILLIS).await;
        let says_more = |answer: &Answer| {
            let runs = str::from_utf8(&answer.body).is_ok_and(|body| body.contains("\"running\""));
            (answer.status == 200, runs)
        };
        report(&arrival, answers.into_iter().max_by_key(says_more).ok_or(Unavailable))
    })
}

/// Gives a core's answer about the caller, which no cache keeps.
fn report(arrival: &Arrival, answer: Result<Answer, Unavailable>) -> Answered {
    let Ok(answer) = answer else { return conclude(arrival, Err(Unavailable)) };
    let status = forwarded(answer.header(header::CACHE_STATUS), Forwarded::Bypassed);
    let reply = Reply::of(&answer, Common::Unstored, arrival)?;
    reply.with(header::CACHE_STATUS, Some(&status))?.send(answer.status, &answer.body).map(Ok)
}

/// What is done for a caller who is known.
type Work = Box<dyn FnOnce(Arrival, Rc<Config>, UserId) -> Answering>;

/// Refuses without I/O what can be; else finds out who the caller is, and goes on.
fn with_caller<W: Future<Output = Answered> + 'static>(
    arrival: Arrival,
    work: impl FnOnce(Arrival, Rc<Config>, UserId) -> W + 'static,
) -> Outcome {
    find_caller(arrival, Box::new(|arrival, config, user| Box::pin(work(arrival, config, user))))
}

fn find_caller(arrival: Arrival, work: Work) -> Outcome {
    let config = match arrival.config() {
        Ok(config) => config,
        Err(refusal) => return arrival.refuse(refusal),
    };
    let presented: Presented = match identity::present(&arrival.incoming, &config.identity) {
        Ok(presented) => presented,
        Err(refusal) => return arrival.refuse(refusal),
    };
    arrival.later(move |arrival| async move {
        match identity::verify(presented, &config.identity, &arrival.context).await {
            Ok(user) => work(arrival, config, user).await,
            Err(refusal) => Ok(Err(refusal)),
        }
    })
}

/// The caller's name for the create, or a fresh one.
fn key(arrival: &Arrival) -> Result<IdempotencyKey, Problem> {
    let now = clock::now();
    let Some(header) = IDEMPOTENCY_KEY.with(|name| arrival.incoming.header(name)) else {
        return Ok(IdempotencyKey::mint(now, &random::bytes()));
    };
    let key = wire::idempotency_key(header.trim())?;
    let outside =
        |error: echoes_shared::id::KeyOutsideWindow| Problem::invalid_field("Idempotency-Key", error.to_string());
    key.check_window(now).map_err(outside)?;
    Ok(key)
}

/// A body as it came.
struct Body {
    bytes: Vec<u8>,
    /// When the regions' time begins: how slowly the caller sends is not theirs.
    began: Timestamp,
}

/// The body as it came, at most so long.
async fn body(arrival: &Arrival, limit_bytes: usize) -> Result<Result<Body, Problem>, JsValue> {
    let too_large = || Ok(Err(validate::body_too_large(limit_bytes)));
    let claimed = CONTENT_LENGTH.with(|name| arrival.incoming.header(name));
    // An honest length saves the reading; a dishonest one is found out by it.
    if claimed.and_then(|length| length.parse().ok()).is_some_and(|length: usize| length > limit_bytes) {
        return too_large();
    }
    let reading = clock::now();
    match arrival.incoming.body_up_to(limit_bytes, BODY_MILLIS).await? {
        Content::Whole(bytes) => {
            Ok(Ok(Body { bytes, began: arrival.at.plus_millis(clock::now().millis_since(reading)) }))
        }
        Content::TooLong => too_large(),
        Content::Late => Ok(Err(Problem::new(Slug::InvalidRequest, "the body did not come whole within 10 seconds"))),
    }
}

/// Gives the core's answer to the caller as it is.
fn conclude(arrival: &Arrival, answer: Result<Answer, Unavailable>) -> Answered {
    let Ok(answer) = answer else {
        return Ok(Err(Refusal::unavailable("no region answers just now", RETRY_AFTER_SECONDS)));
    };
    let reply = Reply::of(&answer, Common::Unstored, arrival)?;
    if answer.body.is_empty() { reply.send_empty(answer.status) } else { reply.send(answer.status, &answer.body) }
        .map(Ok)
}
