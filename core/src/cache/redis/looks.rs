//! Looks that are wished for in the same moment are one round trip, in which Redis says once for all of them who it is and what
//! time it is.

use std::sync::{Arc, Mutex, PoisonError};

use ::redis::{Pipeline, Value};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::task::yield_now;

use super::link::{Link, Live};
use super::verdict::Failure;

/// Keys of one round trip at most: the first of them waits for the answers of all.
const KEYS_AT_MOST: usize = 16;

/// The looks of one connection that have not been asked yet.
#[derive(Debug, Default)]
pub(super) struct Looks(Mutex<Option<Gathering>>);

/// Keys that will be asked for together. Whoever looks holds the answer to come; when nobody does any more, there is none.
#[derive(Debug)]
struct Gathering {
    /// `None` once they have been asked for.
    wanted: Wanted,
    answer: WeakShared<Answer>,
}

/// The names of what is read: of each key the generation, then the value.
type Wanted = Arc<Mutex<Option<Vec<String>>>>;
type Answer = BoxFuture<'static, Result<Arc<Held>, Failure>>;

/// What Redis held, at one moment of its own.
#[derive(Debug)]
pub(super) struct Held {
    pub now_millis: u64,
    /// The generation of everything.
    pub everything: Option<Bytes>,
    /// Of each key the generation, then the value.
    values: Vec<Option<Bytes>>,
}

impl Held {
    /// Generation and value of the key with this number.
    pub(super) fn of(&self, number: usize) -> (Option<Bytes>, Option<Bytes>) {
        let at = |place: usize| self.values.get(place).cloned().flatten();
        (at(2 * number), at(2 * number + 1))
    }
}

/// Looks for a key over a connection, with those that others look for in this moment. Returns what was held and the number of the key.
pub(super) async fn look(link: &Arc<Link>, live: &Arc<Live>, plain: &str) -> Result<(Arc<Held>, usize), Failure> {
    let (number, answer) = join(link, live, [link.names.generation(plain), link.names.value(plain)]);
    // The others who are ready now have their turn first, and join.
    yield_now().await;
    Ok((answer.await?, number))
}

fn join(link: &Arc<Link>, live: &Arc<Live>, pair: [String; 2]) -> (usize, Shared<Answer>) {
    // A Redis that was too slow for many may be fast enough for one, and is not given up for what it was asked together.
    let most = if live.is_in_doubt() { 1 } else { KEYS_AT_MOST };
    let mut gathering = live.looks.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Gathering { wanted, answer }) = &*gathering
        && let Some(answer) = answer.upgrade()
        && let Some(wanted) = &mut *wanted.lock().unwrap_or_else(PoisonError::into_inner)
        && wanted.len() < 2 * most
    {
        let number = wanted.len() / 2;
        wanted.extend(pair);
        return (number, answer);
    }
    let wanted = Arc::new(Mutex::new(Some(Vec::from(pair))));
    let answer = ask(Arc::clone(link), Arc::clone(live), Arc::clone(&wanted)).boxed().shared();
    *gathering = answer.downgrade().map(|answer| Gathering { wanted, answer });
    (0, answer)
}

async fn ask(link: Arc<Link>, live: Arc<Live>, wanted: Wanted) -> Result<Arc<Held>, Failure> {
    let names = wanted.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    let mut pipeline = Pipeline::with_capacity(3);
    pipeline.cmd("ROLE").cmd("TIME");
    pipeline.cmd("MGET").arg(&link.names.everything).arg(names);
    let (role, (seconds, micros), mut values) =
        link.try_ask::<(Value, (u64, u64), Vec<Option<Bytes>>)>(&live, &pipeline, link.patience.command).await?;
    if !is_master(&role) {
        link.leave(&live, "it is a replica");
        return Err(Failure::Broken);
    }
    let now_millis: u64 = seconds.saturating_mul(1_000).saturating_add(micros / 1_000);
    let everything = if values.is_empty() { None } else { values.remove(0) };
    Ok(Arc::new(Held { now_millis, everything, values }))
}

/// The first word of the answer to `ROLE`.
fn is_master(role: &Value) -> bool {
    let Value::Array(parts) = role else { return false };
    matches!(parts.first(), Some(Value::BulkString(role)) if role == b"master")
}
