//! The sink of those who listen now: what each record means to them, told to this process's hub and to the others'.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use echoes_shared::policy::{KEY_MAX_AGE_MILLIS, KEY_MAX_AHEAD_MILLIS};
use echoes_shared::{Echo, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::{Batch, Refused, Sink, SinkName, Unavailable};
use crate::cache::{Cache, LiveHeard};
use crate::live::{Happening, Hub, What, messages};
use crate::stream::{Image, Record};

/// A record older than this is no news: the pump catches up with a day, say. It is longer than the replay of the last minutes by more than
/// the minutes that two clocks may differ.
const NEWS_MILLIS: u64 = 15 * 60 * 1_000;
/// Between two attempts to say that something was not said.
const PAUSE: Duration = Duration::from_secs(1);

/// What a record means to those who listen; most often something.
fn happening(record: &Record, now: Timestamp) -> Option<Happening> {
    if now.millis_since(record.at) > NEWS_MILLIS {
        return None;
    }
    let at = record.at;
    match (&record.old, &record.new) {
        (None, Some(Image::Echo(echo))) if echo.lives_at(now) && is_posted(echo, at) => {
            Some(Happening { at, what: What::Echo(echo.clone()) })
        }
        // Not what changed beside the echo, and not an edit that lost: the repair makes it a later one.
        (Some(Image::Echo(old)), Some(Image::Echo(echo))) if echo.lives_at(now) && echo.edition() > old.edition() => {
            Some(Happening { at, what: What::Echo(echo.clone()) })
        }
        (old, Some(Image::Tombstone(tombstone))) => match old {
            Some(Image::Tombstone(_)) => None,
            Some(Image::Echo(echo)) => Some(gone(record, Some(echo.emotion))),
            None => Some(gone(record, tombstone.was)),
        },
        // In other regions than the one that removed it nothing tells of a time that was up, but the time.
        (Some(Image::Echo(echo)), None) if !record.expired && echo.lives_at(at) => {
            Some(gone(record, Some(echo.emotion)))
        }
        _ => None,
    }
}

/// Whether it can have been posted just then, and not imported: no key is older.
fn is_posted(echo: &Echo, at: Timestamp) -> bool {
    at.millis_since(echo.timestamp) <= KEY_MAX_AGE_MILLIS + KEY_MAX_AHEAD_MILLIS
}

fn gone(record: &Record, emotion: Option<echoes_shared::Emotion>) -> Happening {
    Happening { at: record.at, what: What::Gone { id: record.echo, emotion } }
}

/// Tells this process's hub, and through Redis those of the others.
///
/// It is never in the way of the stream. What could not be said to the others it owes them: as soon as Redis takes it again, they are told
/// of a gap, and their listeners come back for what they missed. A worker that begins owes that too, for the one before it may have ended
/// with a debt. What would have been said meanwhile is left out.
#[derive(Debug)]
pub struct LiveSink {
    hub: Option<Hub>,
    others: Option<Arc<Others>>,
    debtor: Option<AbortHandle>,
}

#[derive(Debug)]
struct Others {
    cache: Cache,
    owes: AtomicBool,
    owed: Notify,
}

impl LiveSink {
    /// Within a runtime: a sink for `hub`, where this process serves, and for the processes that hear of `cache`'s Redis, where there
    /// is one.
    pub fn new(hub: Option<Hub>, cache: &Cache) -> Self {
        if let Some(hub) = &hub {
            hub.is_fed();
        }
        let (owes, owed) = (AtomicBool::new(false), Notify::new());
        let others = cache.has_others().then(|| Arc::new(Others { cache: cache.clone(), owes, owed }));
        let debtor = others.clone().map(|others| {
            others.owe();
            tokio::spawn(async move { others.pay().await }).abort_handle()
        });
        Self { hub, others, debtor }
    }
}

impl Drop for LiveSink {
    fn drop(&mut self) {
        self.debtor.iter().for_each(AbortHandle::abort);
    }
}

impl Others {
    fn owe(&self) {
        self.owes.store(true, Ordering::SeqCst);
        self.owed.notify_one();
    }

    /// Says for ever that something was not said, whenever that is owed.
    async fn pay(&self) {
        loop {
            self.owed.notified().await;
            self.cache.redis_is_there().await;
            // Before the word, so that what happens after it is said.
            self.owes.store(false, Ordering::SeqCst);
            if !self.cache.say_live(&LiveHeard::Gap).await {
                self.owe();
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn say(&self, happenings: &[Happening]) {
        for message in messages(happenings) {
            if self.owes.load(Ordering::SeqCst) {
                return;
            }
            if !self.cache.say_live(&LiveHeard::Message(message)).await {
                tracing::warn!(
                    "the region's other processes could not be told what happens: they will look themselves"
                );
                self.owe();
            }
        }
    }
}

impl Sink for LiveSink {
    fn name(&self) -> SinkName {
        SinkName::Live
    }

    fn apply<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Refused>, Unavailable>> {
        async {
            let happenings: Vec<_> = batch.records.iter().filter_map(|record| happening(record, batch.now)).collect();
            if happenings.is_empty() {
                return Ok(Vec::new());
            }
            if let Some(hub) = &self.hub {
                hub.publish(&happenings);
            }
            if let Some(others) = &self.others {
                others.say(&happenings).await;
            }
            Ok(Vec::new())
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
