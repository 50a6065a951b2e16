//! Opens a stream at the nearest healthy region. Once it is open nobody else is asked: when it ends, the listener comes back.

use echoes_shared::policy::{MAX_ANSWER_BYTES, REGION_ATTEMPTS};
use echoes_shared::{Region, Timestamp};
use web_sys::ReadableStream;

use super::answer::{Answer, Failure};
use super::attempts::Budget;
use super::transport::{self, Opened};
use super::{Call, Unavailable, begin, note, order, outgoing};
use crate::config::OriginConfig;
use crate::{clock, log, runtime};

/// What the opening of a stream came to.
#[derive(Debug)]
pub enum Opening {
    /// The head of a stream, and the stream, but for `HEAD`.
    Open(Answer, Option<ReadableStream>),
    /// A core has something to say about the request.
    Answer(Answer),
}

/// Asks the nearest healthy region for a stream, and the next ones when it has none to give. `began` is when somebody began to wait
/// for it; the time that calls have counts until a stream's head.
pub async fn open(
    call: &Call,
    config: &OriginConfig,
    nearest: &[Region],
    began: Timestamp,
) -> Result<Opening, Unavailable> {
    let budget = Budget::new(began);
    let regions: Vec<_> = order(config, nearest).into_iter().take(REGION_ATTEMPTS).collect();
    for (attempts_left, region) in (1..=regions.len()).rev().zip(regions) {
        if budget.is_spent(clock::now()) {
            break;
        }
        let deadline_millis = budget.share_millis(clock::now(), attempts_left);
        match open_at(call, config, region, deadline_millis).await {
            Ok(opening) => return Ok(opening),
            Err(failure) => log::warn("region_failed", &format!("{region}: {failure}"), &call.request_id),
        }
    }
    Err(Unavailable)
}

async fn open_at(
    call: &Call,
    config: &OriginConfig,
    region: Region,
    deadline_millis: u32,
) -> Result<Opening, Failure> {
    let asked_at = begin(region);
    let opened = match outgoing(call, config, region, deadline_millis) {
        Some(outgoing) => transport::open(&outgoing).await,
        None => Err(Failure::NotSigned),
    };
    let opening = match opened {
        Ok(opened) => judge(opened, call, region, asked_at, deadline_millis).await,
        Err(failure) => Err(failure),
    };
    note(region, opening.as_ref().err(), deadline_millis, Failure::blames_the_region_of_a_stream);
    opening
}

async fn judge(
    opened: Opened,
    call: &Call,
    region: Region,
    asked_at: Timestamp,
    deadline_millis: u32,
) -> Result<Opening, Failure> {
    const FOUND: u16 = 200;
    if opened.received.status == FOUND {
        let answer = Answer::judge(opened.received, region, asked_at, call.method)?;
        return Ok(Opening::Open(answer, opened.body));
    }
    let received = opened.whole(MAX_ANSWER_BYTES, &runtime::timer(deadline_millis)).await?;
    Answer::judge(received, region, asked_at, call.method).map(Opening::Answer)
}
