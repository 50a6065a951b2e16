//! `GET /v1/live`: the stream of the nearest healthy region, handed on as it comes.

use echoes_shared::live::EventId;
use echoes_shared::query::LiveQuery;
use echoes_shared::wire::Resource;

use wasm_bindgen::JsValue;

use crate::arrival::{Arrival, Outcome};
use crate::cache::status::{Forwarded, forwarded};
use crate::origin::answer::Answer;
use crate::origin::{self, Call, Opening};
use crate::response::{Common, Refusal, Reply, header};

/// Seconds after which a listener may come back when no region lets one in.
const RETRY_AFTER_SECONDS: u32 = 2;

/// Opens a stream; `method` is that of the request, `GET` or `HEAD`.
pub fn listen(arrival: Arrival, method: &'static str, query: Option<&str>) -> Outcome {
    let asked = LiveQuery::parse(query).and_then(|query| {
        let last = arrival.last_event_id().map(|header| EventId::last(&header)).transpose()?;
        Ok((query, last))
    });
    let (query, last) = match asked {
        Ok(asked) => asked,
        Err(problem) => return arrival.refuse(problem),
    };
    let target = format!("{}{}", Resource::Live.path(), query.canonical());
    arrival.later(move |arrival| async move {
        let config = match arrival.config() {
            Ok(config) => config,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let call = Call::listen(method, target, &arrival.id, last);
        let opening = origin::open(&call, &config.origin, &arrival.nearest_regions(), arrival.at).await;
        let (answer, body) = match opening {
            Ok(Opening::Open(answer, body)) => (answer, body),
            Ok(Opening::Answer(answer)) => {
                return described(&answer, &arrival)?.send(answer.status, &answer.body).map(Ok);
            }
            Err(_) => {
                return Ok(Err(Refusal::unavailable(
                    "no region has a place to listen just now",
                    RETRY_AFTER_SECONDS,
                )));
            }
        };
        let reply = described(&answer, &arrival)?;
        match body {
            Some(body) => reply.send_stream(answer.status, &body),
            None => reply.send_empty(answer.status),
        }
        .map(Ok)
    })
}

/// A core's answer with the headers of every read.
fn described(answer: &Answer, arrival: &Arrival) -> Result<Reply, JsValue> {
    let status = forwarded(answer.header(header::CACHE_STATUS), Forwarded::Bypassed);
    Reply::of(answer, Common::Unstored, arrival)?.with(header::CACHE_STATUS, Some(&status))
}
