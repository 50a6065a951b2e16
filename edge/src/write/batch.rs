//! `POST /v1/echoes/batch`: the envelope is judged here, each operation by the cores.

use std::borrow::Cow;

use echoes_shared::IdempotencyKey;
use echoes_shared::policy::MAX_BATCH_BODY_BYTES;
use echoes_shared::validate::{self, BatchItem, Operation};
use echoes_shared::wire::Resource;

use super::{Body, body, conclude, media_type, with_caller};
use crate::arrival::{Arrival, Outcome};
use crate::origin::{self, Call};
use crate::{cache, clock, random, runtime};

/// Answers `POST /v1/echoes/batch`.
pub fn batch(arrival: Arrival) -> Outcome {
    if let Err(problem) = media_type(&arrival) {
        return arrival.refuse(problem);
    }
    with_caller(arrival, |arrival, config, user| async move {
        let Body { bytes, began } = match body(&arrival, MAX_BATCH_BODY_BYTES).await? {
            Ok(body) => body,
            Err(problem) => return Ok(Err(problem.into())),
        };
        let items = match validate::batch(&bytes, &user, None) {
            Ok(items) => items,
            Err(problem) => return Ok(Err(problem.into())),
        };
        let operations: Vec<_> = items.iter().map(with_key).collect();
        let call = Call::write("POST", Resource::Batch.path(), &arrival.id, user);
        let answer = origin::batch(call, &operations, &config.origin, &arrival.nearest_regions(), began).await;
        if let Ok((_, statuses)) = &answer {
            note(&items, statuses).await;
        }
        conclude(&arrival, answer.map(|(answer, _)| answer))
    })
}

/// The operation as the cores get it: a create without a key is given one, so that it is the same request in every region.
fn with_key<'a>(item: &BatchItem<'a>) -> Cow<'a, str> {
    match item.operation {
        Ok(Operation::Create { key: None, .. }) => {
            item.with_key(IdempotencyKey::mint(clock::now(), &random::bytes())).into()
        }
        _ => item.text().into(),
    }
}

/// Remembers what was done, so that nobody here is shown less.
async fn note(items: &[BatchItem<'_>], statuses: &[u16]) {
    let now = clock::now();
    let mut deletes = Vec::new();
    for (item, status) in items.iter().zip(statuses) {
        match (&item.operation, status) {
            (Ok(Operation::Create { echo, .. }), 200 | 201) => cache::note_created(echo.emotion, now),
            (Ok(Operation::Delete(id)), 204) => deletes.push(cache::note_deleted(*id, now)),
            _ => {}
        }
    }
    runtime::all(deletes).await;
}
