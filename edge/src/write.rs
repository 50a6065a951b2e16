//! Writes: everything that the edge can know is checked before a core is asked. In order: the media type, the token, the key,
//! the body.

use echoes_shared::policy::MAX_BODY_BYTES;
use echoes_shared::wire::{self, Resource};
use echoes_shared::{EchoId, IdempotencyKey, NewEcho, Problem, Slug, UserId, validate};
use js_sys::JsString;
use wasm_bindgen::JsValue;
use web_sys::Response;

use crate::arrival::{Arrival, Outcome};
use crate::config::Config;
use crate::identity::{self, Presented};
use crate::origin::answer::Answer;
use crate::origin::{self, Call, Unavailable};
use crate::response::{Common, Refusal, Reply};
use crate::runtime::Content;
use crate::{cache, clock, random};

/// Seconds after which a caller may try again when no region answers.
const RETRY_AFTER_SECONDS: u32 = 2;
/// Milliseconds that a caller may take to send a body.
const BODY_MILLIS: u32 = 10_000;

thread_local! {
    static CONTENT_TYPE: JsString = JsString::from("content-type");
    static CONTENT_LENGTH: JsString = JsString::from("content-length");
    static IDEMPOTENCY_KEY: JsString = JsString::from(wire::IDEMPOTENCY_KEY);
}

/// `POST /v1/echoes`
pub fn create(arrival: Arrival) -> Outcome {
    let media_type = CONTENT_TYPE.with(|name| arrival.incoming.header(name));
    if let Err(problem) = validate::content_type(media_type.as_deref()) {
        return arrival.refuse(problem);
    }
    with_caller(arrival, |arrival, config, user| async move {
        let key = match key(&arrival) {
            Ok(key) => key,
            Err(problem) => return Ok(Err(problem.into())),
        };
        let reading = clock::now();
        let (body, echo) = match body(&arrival, &user).await? {
            Ok(body) => body,
            Err(problem) => return Ok(Err(problem.into())),
        };
        // How slowly the caller sends is not the regions' time.
        let began = arrival.at.plus_millis(clock::now().millis_since(reading));
        let call = Call {
            method: "POST",
            target: Resource::Echoes.path(),
            request_id: arrival.id.clone(),
            user: Some(user),
            key: Some(key),
            body,
            fallback: false,
        };
        // The key makes the create safe to repeat in any region, even after one that took it and did not answer.
        let answer = origin::ask(&call, &config.origin, &arrival.nearest_regions(), began).await;
        if answer.as_ref().is_ok_and(|answer| matches!(answer.status, 200 | 201)) {
            cache::note_created(echo.emotion, clock::now());
        }
        conclude(&arrival, answer)
    })
}

/// `DELETE /v1/echoes/{echoId}`
pub fn delete(arrival: Arrival, id: EchoId) -> Outcome {
    with_caller(arrival, move |arrival, config, user| async move {
        let call = Call {
            method: "DELETE",
            target: Resource::Echo(id).path(),
            request_id: arrival.id.clone(),
            user: Some(user),
            key: None,
            body: Vec::new(),
            fallback: false,
        };
        let answer = origin::delete(call, &config.origin, &arrival.nearest_regions(), arrival.at).await;
        if answer.as_ref().is_ok_and(|answer| answer.status == 204) {
            cache::note_deleted(id, clock::now()).await;
        }
        conclude(&arrival, answer)
    })
}

/// Refuses without I/O what can be; else finds out who the caller is, and goes on.
fn with_caller<W>(arrival: Arrival, work: impl FnOnce(Arrival, std::rc::Rc<Config>, UserId) -> W + 'static) -> Outcome
where
    W: Future<Output = Result<Result<Response, Refusal>, JsValue>> + 'static,
{
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

/// The body as it came, and the echo in it.
async fn body(arrival: &Arrival, user: &UserId) -> Result<Result<(Vec<u8>, NewEcho), Problem>, JsValue> {
    let too_large = || validate::body_too_large(MAX_BODY_BYTES);
    let claimed = CONTENT_LENGTH.with(|name| arrival.incoming.header(name));
    // An honest length saves the reading; a dishonest one is found out by it.
    if claimed.and_then(|length| length.parse().ok()).is_some_and(|length: u64| length > MAX_BODY_BYTES as u64) {
        return Ok(Err(too_large()));
    }
    let bytes = match arrival.incoming.body_up_to(MAX_BODY_BYTES, BODY_MILLIS).await? {
        Content::Whole(bytes) => bytes,
        Content::TooLong => return Ok(Err(too_large())),
        Content::Late => {
            return Ok(Err(Problem::new(Slug::InvalidRequest, "the body did not come whole within 10 seconds")));
        }
    };
    Ok(validate::new_echo(&bytes, user, None).map(|echo| (bytes, echo)))
}

/// Gives the core's answer to the caller as it is.
fn conclude(arrival: &Arrival, answer: Result<Answer, Unavailable>) -> Result<Result<Response, Refusal>, JsValue> {
    let Ok(answer) = answer else {
        return Ok(Err(Refusal::unavailable("no region answers just now", RETRY_AFTER_SECONDS)));
    };
    let reply = Reply::of(&answer, Common::Unstored, arrival)?;
    if answer.body.is_empty() { reply.send_empty(answer.status) } else { reply.send(answer.status, &answer.body) }
        .map(Ok)
}
