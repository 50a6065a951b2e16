//! One emotion's pool: draws from its source, and the decision when to read another.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use echoes_shared::policy::REQUEST_DEADLINE_MILLIS;
use echoes_shared::{Echo, EchoId, Emotion, Timestamp, UserId};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

use super::cells::Estimate;
use super::fill::{self, Read};
use super::news::News;
use super::source::{MIN_LIFE_MILLIS, Source};
use super::whole::Whole;
use super::{Drawn, locked};
use crate::store::StoreError;
use crate::units::{self, Units};

/// Milliseconds that a draw waits for a source that replaces one which has grown far too old but has something to draw.
const PATIENCE_MILLIS: u64 = 300;
/// A source is waited for from so many lives on: echoes may have come that it knows nothing of.
const LIVES_UNTIL_WAITED_FOR: u64 = 2;
/// Milliseconds after which the emotion's size is looked at anew instead of being taken from the last source.
const ESTIMATE_LIFE_MILLIS: u64 = 600_000;
/// Milliseconds of the pause after a first failure, doubled with each further one; the pause is a random part of it.
const BACKOFF_MILLIS: u64 = 250;
/// The longest pause.
const MAX_BACKOFF_MILLIS: u64 = 8_000;

/// One emotion's pool. Nobody holds the lock of `contents` over a call to the store.
#[derive(Debug)]
pub(super) struct Pool {
    emotion: Emotion,
    contents: Mutex<Contents>,
    news: Arc<Mutex<News>>,
    /// Held while a source is read, so that it is read once.
    reading: Arc<AsyncMutex<()>>,
}

#[derive(Debug)]
struct Contents {
    source: Source,
    /// When the source began to be read; none before the first.
    read_at: Option<Timestamp>,
    estimate: Option<Estimate>,
    /// Reads that ended, well or not.
    reads: u64,
    /// Why the last read failed.
    error: Option<StoreError>,
    failures: u32,
    /// The store is left alone until then, in milliseconds since the epoch.
    retry_at_millis: u64,
    rng: StdRng,
}

/// What a source asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// A new one, while this one serves on.
    Soon,
    /// A new one before anything is drawn.
    Now,
}

impl Pool {
    /// A pool that has not been read. Its choices follow from `seed`.
    pub(super) fn new(emotion: Emotion, news: Arc<Mutex<News>>, seed: u64) -> Self {
        let contents = Contents {
            source: Source::Whole(Whole::default()),
            read_at: None,
            estimate: None,
            reads: 0,
            error: None,
            failures: 0,
            retry_at_millis: 0,
            rng: StdRng::seed_from_u64(seed),
        };
        Self { emotion, contents: Mutex::new(contents), news, reading: Arc::default() }
    }

    /// A living echo; none where the emotion has none. An error only where there is nothing to draw and the store failed.
    pub(super) async fn draw<R>(self: &Arc<Self>, read: R, now: Timestamp) -> Result<Drawn, StoreError>
    where
        R: Read + 'static,
    {
        let (need, seen) = self.contents().need(now);
        let mut read = Some(read);
        let mut from_store = false;
        match need {
            Need::Nothing => {}
            Need::Soon => {
                if let (Ok(turn), Some(read)) = (Arc::clone(&self.reading).try_lock_owned(), read.take()) {
                    self.start(turn, read, now);
                }
            }
            Need::Now => from_store = self.wait_for_a_read(read.take(), seen, now).await,
        }
        let (mut echo, asks) = self.contents().take(now);
        if echo.is_none() && asks && need != Need::Now {
            from_store = self.wait_for_a_read(read, seen, now).await;
            (echo, _) = self.contents().take(now);
        }
        let mut contents = self.contents();
        let echo = echo.or_else(|| contents.any(now));
        match &contents.error {
            _ if echo.is_some() => Ok(Drawn { echo, from_store }),
            Some(error) => Err(error.clone()),
            // Others may have held the turn for longer than a listener waits.
            None if contents.read_at.is_none() => {
                Err(StoreError::Unreachable { operation: "Query", cause: "no answer in time".to_owned() })
            }
            None => Ok(Drawn { echo: None, from_store }),
        }
    }

    /// Takes in an echo as it is now.
    pub(super) fn note(&self, echo: &Arc<Echo>, now: Timestamp) {
        self.contents().note(echo, now);
    }

    /// Never draws this echo again.
    pub(super) fn forget(&self, id: EchoId) {
        self.contents().source.forget(id);
    }

    /// Never draws an echo of this person of up to this time again.
    pub(super) fn forget_person(&self, user: &UserId, up_to: Timestamp) {
        self.contents().source.forget_person(user, up_to);
    }

    /// How many echoes it holds, for tests.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        match &self.contents().source {
            Source::Whole(whole) => whole.len(),
            Source::Sampled(_) => unreachable!("no test asks for the size of an edition"),
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        locked(&self.contents)
    }

    /// Waits until a read ends that had not ended after `seen` reads: another's, or one that this begins. Says whether it began
    /// one. Without `read` there is only another's to wait for.
    async fn wait_for_a_read(self: &Arc<Self>, read: Option<impl Read + 'static>, seen: u64, now: Timestamp) -> bool {
        let patience = if self.contents().source.is_empty() { REQUEST_DEADLINE_MILLIS } else { PATIENCE_MILLIS };
        let wait = async {
            let turn = match Arc::clone(&self.reading).try_lock_owned() {
                Ok(turn) => turn,
                Err(_) => Arc::clone(&self.reading).lock_owned().await,
            };
            match read {
                Some(read) if self.contents().reads == seen => {
                    if let Ok(consumed) = self.start(turn, read, now).await {
                        units::consume(consumed);
                    }
                    true
                }
                _ => false,
            }
        };
        tokio::time::timeout(Duration::from_millis(patience), wait).await.unwrap_or(true)
    }

    /// Reads a source in a task of its own, so that a caller who goes away does not end it; it comes to what that consumed.
    fn start(
        self: &Arc<Self>,
        turn: OwnedMutexGuard<()>,
        read: impl Read + 'static,
        now: Timestamp,
    ) -> JoinHandle<Units> {
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            let (known, mut rng) = pool.contents().before_a_read(now);
            let (result, consumed) = units::counted(fill::source(known, &read, &mut rng)).await;
            // Both locks, so that a delete comes either before, and is applied, or after, and takes its echo out.
            let news = locked(&pool.news);
            let mut contents = pool.contents();
            match result {
                Ok((mut source, estimate)) => {
                    news.apply(&mut source, pool.emotion, now, &mut contents.rng);
                    contents.install(source, estimate, now);
                }
                Err(error) => {
                    tracing::warn!(%error, emotion = %pool.emotion, "the pool was not refreshed");
                    contents.fail(error, now);
                }
            }
            drop(contents);
            drop(news);
            drop(turn);
            consumed
        })
    }
}

impl Contents {
    /// What the source asks for, and how many reads have ended.
    fn need(&self, now: Timestamp) -> (Need, u64) {
        let need = match self.read_at {
            _ if self.pauses(now) => Need::Nothing,
            None => Need::Now,
            Some(_) if self.is_far_too_old(now) => Need::Now,
            Some(read_at) => {
                let age = age(read_at, now);
                let is_due = age >= self.source.life_millis() || self.source.is_spent(age);
                if is_due { Need::Soon } else { Need::Nothing }
            }
        };
        (need, self.reads)
    }

    /// Whether the store is left alone after a failure. A pause longer than there are comes from a clock that was set back.
    fn pauses(&self, now: Timestamp) -> bool {
        (1..=MAX_BACKOFF_MILLIS).contains(&self.retry_at_millis.saturating_sub(now.millis()))
    }

    /// Whether nothing is drawn of it before another was read; true of one that was never read.
    fn is_far_too_old(&self, now: Timestamp) -> bool {
        let most = LIVES_UNTIL_WAITED_FOR * self.source.life_millis();
        self.read_at.is_none_or(|read_at| age(read_at, now) >= most)
    }

    /// One draw, and, where it found nothing, whether the store should be asked whether there is anything.
    fn take(&mut self, now: Timestamp) -> (Option<Arc<Echo>>, bool) {
        let asks = self.read_at.is_none_or(|read_at| age(read_at, now) >= MIN_LIFE_MILLIS);
        (self.source.draw(now, &mut self.rng), asks && !self.pauses(now))
    }

    fn any(&mut self, now: Timestamp) -> Option<Arc<Echo>> {
        self.source.any(now, &mut self.rng)
    }

    /// Takes in an echo as it is now, but not where another source is read before the next draw anyway: a pool that nobody draws
    /// from would hold ever more echoes.
    fn note(&mut self, echo: &Arc<Echo>, now: Timestamp) {
        if !self.is_far_too_old(now) {
            self.source.note(echo, &mut self.rng);
        }
    }

    fn before_a_read(&mut self, now: Timestamp) -> (Option<Estimate>, StdRng) {
        let is_young = |read_at| age(read_at, now) < ESTIMATE_LIFE_MILLIS;
        let known = self.estimate.filter(|_| self.read_at.is_some_and(is_young));
        (known, StdRng::from_rng(&mut self.rng))
    }

    fn install(&mut self, source: Source, estimate: Estimate, now: Timestamp) {
        self.source = source;
        self.estimate = Some(estimate);
        self.read_at = Some(now);
        self.reads += 1;
        self.error = None;
        self.failures = 0;
    }

    fn fail(&mut self, error: StoreError, now: Timestamp) {
        let longest = (BACKOFF_MILLIS << self.failures.min(8)).min(MAX_BACKOFF_MILLIS);
        self.retry_at_millis = now.millis().saturating_add(self.rng.random_range(1..=longest));
        self.failures = self.failures.saturating_add(1);
        self.reads += 1;
        self.error = Some(error);
    }
}

/// Milliseconds between the two, whichever comes first: a pool of an hour ahead was read before the clock was set back, and would
/// otherwise never grow old until the clock has caught up.
fn age(read_at: Timestamp, now: Timestamp) -> u64 {
    now.millis().abs_diff(read_at.millis())
}
