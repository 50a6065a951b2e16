//! One echo at random: for each emotion a pool of its newest echoes, from which every draw is uniform.
//!
//! The pool holds the whole emotion while that has at most [`POOL_ECHOES`] living echoes; beyond that, older ones are
//! not drawn yet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use echoes_shared::{Echo, EchoId, Emotion, Timestamp, UserId};
use rand::RngExt as _;
use tokio::sync::Mutex as AsyncMutex;

use crate::store::{Store, StoreError};

/// Echoes of a pool at most.
const POOL_ECHOES: usize = 1_000;
/// Milliseconds until a pool is read again.
const POOL_LIFETIME_MILLIS: u64 = 30_000;
/// The same for an empty one: the first echo of an emotion is drawn soon.
const EMPTY_LIFETIME_MILLIS: u64 = 1_000;
/// Milliseconds for which a deleted echo is kept out of pools that are filled from an index that may lag.
const DELETED_MILLIS: u64 = 60_000;
/// Deleted echoes remembered at most; the oldest is forgotten first.
const MAX_DELETED: usize = 10_000;

/// The pools of all emotions.
#[derive(Debug)]
pub(super) struct Pools {
    pools: BTreeMap<Emotion, Arc<Pool>>,
    deleted: Arc<Mutex<Vec<(EchoId, Timestamp)>>>,
}

/// One emotion's pool. Nobody holds the lock of `contents` over a call to the store.
#[derive(Debug, Default)]
struct Pool {
    contents: Mutex<Contents>,
    /// Held while the pool is filled, so that it is filled once.
    filling: Arc<AsyncMutex<()>>,
}

#[derive(Debug, Default)]
struct Contents {
    echoes: Vec<Echo>,
    /// When to read again, in milliseconds since the epoch.
    stale_at_millis: u64,
}

/// An echo drawn and whether the store was asked for it.
#[derive(Debug)]
pub(super) struct Drawn {
    pub echo: Option<Echo>,
    pub from_store: bool,
}

impl Default for Pools {
    fn default() -> Self {
        let pools = Emotion::ALL.iter().map(|&emotion| (emotion, Arc::default())).collect();
        Self { pools, deleted: Arc::default() }
    }
}

impl Pools {
    /// A living echo of `emotion`, each of the pool with the same chance; none where there is none.
    ///
    /// A pool that has grown old is drawn from while one refresh runs; an empty one is waited for.
    pub(super) async fn draw(&self, store: &Store, emotion: Emotion, now: Timestamp) -> Result<Drawn, StoreError> {
        let Some(pool) = self.pools.get(&emotion) else { return Ok(Drawn { echo: None, from_store: false }) };
        let (mut echo, stale) = pool.pick(now);
        let fill =
            Fill { pool: Arc::clone(pool), deleted: Arc::clone(&self.deleted), store: store.clone(), emotion, now };
        let waits = stale && echo.is_none();
        if waits {
            let _turn = pool.filling.lock().await;
            // Another caller may have filled it while this one waited.
            if pool.pick(now).1 {
                fill.run().await?;
            }
            echo = pool.pick(now).0;
        } else if stale && let Ok(turn) = Arc::clone(&pool.filling).try_lock_owned() {
            // A task of its own, so that a caller who goes away does not end the refresh.
            tokio::spawn(async move {
                if let Err(error) = fill.run().await {
                    tracing::warn!(%error, %emotion, "the pool was not refreshed");
                }
                drop(turn);
            });
        }
        Ok(Drawn { echo, from_store: waits })
    }

    /// Never draws this echo again.
    pub(super) fn forget(&self, id: EchoId, now: Timestamp) {
        let mut deleted = locked(&self.deleted);
        deleted.retain(|(_, at)| now.millis_since(*at) < DELETED_MILLIS);
        if deleted.len() >= MAX_DELETED {
            deleted.remove(0);
        }
        deleted.push((id, now));
        drop(deleted);
        for pool in self.pools.values() {
            locked(&pool.contents).echoes.retain(|echo| echo.echo_id != id);
        }
    }
}

impl Pools {
    /// Never draws an echo of this person of up to this time again.
    pub(super) fn forget_person(&self, user: &UserId, up_to: Timestamp, now: Timestamp) {
        let is_theirs = |echo: &Echo| echo.user_id == *user && echo.timestamp <= up_to;
        for pool in self.pools.values() {
            let ids: Vec<_> = locked(&pool.contents).echoes.iter().filter(|e| is_theirs(e)).map(|e| e.echo_id).collect();
            ids.into_iter().for_each(|id| self.forget(id, now));
        }
    }
}

impl Pool {
    /// A living echo, and whether the pool should be read again.
    fn pick(&self, now: Timestamp) -> (Option<Echo>, bool) {
        let mut contents = locked(&self.contents);
        contents.echoes.retain(|echo| echo.lives_at(now));
        let stale = now.millis() >= contents.stale_at_millis;
        if contents.echoes.is_empty() {
            return (None, stale);
        }
        let at = rand::rng().random_range(..contents.echoes.len());
        (contents.echoes.get(at).cloned(), stale)
    }
}

/// One refresh of one pool.
struct Fill {
    pool: Arc<Pool>,
    deleted: Arc<Mutex<Vec<(EchoId, Timestamp)>>>,
    store: Store,
    emotion: Emotion,
    now: Timestamp,
}

impl Fill {
    async fn run(self) -> Result<(), StoreError> {
        let read = self.store.feed(self.emotion, POOL_ECHOES, None, self.now).await;
        // Both locks, so that a delete comes either before, and is left out, or after, and takes its echo out.
        let deleted = locked(&self.deleted);
        let mut contents = locked(&self.pool.contents);
        // After a failure too the store is left alone for a while.
        contents.stale_at_millis = self.now.millis().saturating_add(EMPTY_LIFETIME_MILLIS);
        let mut echoes = read?.echoes;
        echoes.retain(|echo| !deleted.iter().any(|(id, _)| *id == echo.echo_id));
        if !echoes.is_empty() {
            contents.stale_at_millis = self.now.millis().saturating_add(POOL_LIFETIME_MILLIS);
        }
        contents.echoes = echoes;
        Ok(())
    }
}

/// A lock whose holder panicked still guards whole values: every change under it is a single assignment or `retain`.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
