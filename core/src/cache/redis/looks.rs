//! Looks that are wished for in the same moment are one round trip, in which Redis says once for all of them who it is and what
//! time it is.

use std::fmt;
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
#[derive(Default)]
pub(super) struct Looks(Mutex<Option<Gathering>>);

/// Keys that will be asked for together. Whoever looks holds the answer to come; when nobody does any more, there is none.
struct Gathering {
    /// `None` once they have been asked for.
    names: Names,
    answer: WeakShared<Answer>,
}

/// What is read: of each key the generation, then the value.
type Names = Arc<Mutex<Option<Vec<String>>>>;
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

impl Looks {
    /// Looks for a key among those that others look for in this moment, over the connection that these looks belong to.
    pub(super) async fn look(
        &self,
        link: &Arc<Link>,
        live: &Arc<Live>,
        plain: &str,
    ) -> Result<(Arc<Held>, usize), Failure> {
        let (number, answer) = self.join(link, live, [link.names.generation(plain), link.names.value(plain)]);
        // Until all that can be done in this moment has been done, and so everybody has come who comes in it.
        yield_now().await;
        Ok((answer.await?, number))
    }

    fn join(&self, link: &Arc<Link>, live: &Arc<Live>, pair: [String; 2]) -> (usize, Shared<Answer>) {
        let mut gathering = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Gathering { names, answer }) = &*gathering
            && let Some(answer) = answer.upgrade()
            && let Some(names) = &mut *names.lock().unwrap_or_else(PoisonError::into_inner)
            && names.len() < 2 * KEYS_AT_MOST
        {
            let number = names.len() / 2;
            names.extend(pair);
            return (number, answer);
        }
        let names = Arc::new(Mutex::new(Some(Vec::from(pair))));
        let answer = ask(Arc::clone(link), Arc::clone(live), Arc::clone(&names)).boxed().shared();
        *gathering = answer.downgrade().map(|answer| Gathering { names, answer });
        (0, answer)
    }
}

async fn ask(link: Arc<Link>, live: Arc<Live>, names: Names) -> Result<Arc<Held>, Failure> {
    let names = names.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    let mut pipeline = Pipeline::with_capacity(3);
    pipeline.cmd("ROLE").cmd("TIME");
    pipeline.cmd("MGET").arg(&link.names.everything).arg(names);
    let (role, (seconds, micros), mut values) =
        link.ask::<(Value, (u64, u64), Vec<Option<Bytes>>)>(&live, &pipeline).await?;
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

impl fmt::Debug for Looks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Looks").finish_non_exhaustive()
    }
}
