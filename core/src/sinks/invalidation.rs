//! Tells the region's caches of every change of the table, whichever region took it and whatever became of its writer; and this
//! process's random draws of what is new.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use echoes_shared::{Echo, EchoId, Emotion, Timestamp, UserId, keys};
use futures_util::future::BoxFuture;

use super::{Batch, Refused, Sink, SinkName, Unavailable};
use crate::cache::{Cache, Change};
use crate::stream::{Image, Record};

/// A record older than this, or as far ahead, is not news to random draws: a replay of hours would bring back for moments what was
/// deleted since, and a pool is read anew every two minutes.
const NEWS_MILLIS: u64 = 60_000;

/// Whoever draws at random and wants to hear of an echo as it is now.
pub type Listener = Arc<dyn Fn(&Echo, Timestamp) + Send + Sync>;

/// The caches as a sink.
///
/// A record ends what was shown before it and brings nothing of its own, so the same one again ends it again, and one that comes
/// too late ends what is right already. That an echo is gone is always true later, since ids are never used again.
pub struct Invalidation {
    cache: Cache,
    listener: Option<Listener>,
}

impl fmt::Debug for Invalidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidation").field("draws", &self.listener.is_some()).finish_non_exhaustive()
    }
}

impl Invalidation {
    /// Tells `cache`, and so the region; and `listener`, where this process draws at random.
    #[must_use]
    pub fn new(cache: Cache, listener: Option<Listener>) -> Self {
        Self { cache, listener }
    }

    async fn tell(&self, batch: &Batch) -> Result<Vec<Refused>, Unavailable> {
        let changes = changes(&batch.records, batch.now);
        if !changes.is_empty() && !self.cache.tell(&changes).await {
            return Err(Unavailable("neither Redis nor the store takes the news of a change".to_owned()));
        }
        if let Some(listener) = &self.listener {
            let news = news(&batch.records, batch.now);
            news.into_iter().filter(|echo| !self.cache.hides(echo)).for_each(|echo| listener(echo, batch.now));
        }
        Ok(Vec::new())
    }
}

impl Sink for Invalidation {
    fn name(&self) -> SinkName {
        SinkName::Invalidation
    }

    fn apply<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Refused>, Unavailable>> {
        Box::pin(self.tell(batch))
    }
}

/// What these records change for readers, each change once.
fn changes(records: &[Arc<Record>], now: Timestamp) -> Vec<Change> {
    let mut told = HashSet::new();
    let mut changes = Vec::new();
    for record in records {
        for (user, emotion) in places(record, now) {
            let gone = record.new_echo().is_none();
            if told.insert((record.echo, user.clone(), emotion, gone)) {
                changes.push(Change { user, echo: record.echo, emotion, gone });
            }
        }
    }
    changes
}

/// Whose echo of which emotion a record is about: two where two regions took different content under one key, and one has won.
fn places(record: &Record, now: Timestamp) -> Vec<(UserId, Option<Emotion>)> {
    if changes_nothing(record, now) {
        return Vec::new();
    }
    // The name of a person with a bucket's suffix, or without.
    let Ok(user) = keys::without_suffix(&record.hash).parse::<UserId>() else { return Vec::new() };
    let mut emotions: Vec<_> = [&record.old, &record.new].into_iter().flatten().map(emotion).collect();
    emotions.dedup();
    // A tombstone that does not tell is that of an echo whose record tells.
    if emotions.iter().any(Option::is_some) {
        emotions.retain(Option::is_some);
    }
    emotions.into_iter().map(|emotion| (user.clone(), emotion)).collect()
}

/// What had expired before it was removed has not been shown since, nor was a tombstone.
fn changes_nothing(record: &Record, now: Timestamp) -> bool {
    let was_shown = |image: &Image| match image {
        // By either clock: the stream's tells only seconds, and ours may be off.
        Image::Echo(echo) => echo.lives_at(now.min(record.at)),
        Image::Tombstone(_) => false,
    };
    record.new.is_none() && !record.old.as_ref().is_some_and(was_shown)
}

fn emotion(image: &Image) -> Option<Emotion> {
    match image {
        Image::Echo(echo) => Some(echo.emotion),
        Image::Tombstone(tombstone) => tombstone.was,
    }
}

/// The echoes that these records leave alive, each as the last one leaves it.
fn news(records: &[Arc<Record>], now: Timestamp) -> Vec<&Echo> {
    let mut later: HashSet<EchoId> = HashSet::new();
    let mut news = Vec::new();
    for record in records.iter().rev() {
        let is_last = later.insert(record.echo);
        let is_news = record.at.millis().abs_diff(now.millis()) <= NEWS_MILLIS;
        if let Some(echo) = record.new_echo().filter(|echo| is_last && is_news && echo.lives_at(now)) {
            news.push(echo);
        }
    }
    news.reverse();
    news
}

#[cfg(test)]
mod tests;
