//! One echo at random: for each emotion a pool of its newest echoes, from which every draw is uniform.
//!
//! The pool holds the whole emotion while that has at most [`POOL_ECHOES`] living echoes; beyond that, older ones are
//! not drawn yet.

use std::collections::BTreeMap;

use echoes_shared::{Echo, EchoId, Emotion, Timestamp};
use rand::RngExt as _;
use tokio::sync::Mutex;

use crate::store::{Store, StoreError};

/// Echoes of a pool at most.
const POOL_ECHOES: usize = 1_000;
/// Milliseconds until a pool is read again.
const POOL_LIFETIME_MILLIS: u64 = 30_000;

/// The pools of all emotions. The lock of a pool is held while it is filled, so that it is filled once.
#[derive(Debug)]
pub(super) struct Pools(BTreeMap<Emotion, Mutex<Pool>>);

#[derive(Debug, Default)]
struct Pool {
    echoes: Vec<Echo>,
    filled_at: Option<Timestamp>,
}

impl Default for Pools {
    fn default() -> Self {
        Self(Emotion::ALL.iter().map(|&emotion| (emotion, Mutex::default())).collect())
    }
}

impl Pools {
    /// A living echo of `emotion`, each with the same chance; `None` where there is none.
    pub(super) async fn draw(
        &self,
        store: &Store,
        emotion: Emotion,
        now: Timestamp,
    ) -> Result<Option<Echo>, StoreError> {
        let Some(pool) = self.0.get(&emotion) else { return Ok(None) };
        let mut pool = pool.lock().await;
        if pool.filled_at.is_none_or(|at| now.millis_since(at) >= POOL_LIFETIME_MILLIS) {
            match store.feed(emotion, POOL_ECHOES, None, now).await {
                Ok(page) => *pool = Pool { echoes: page.echoes, filled_at: Some(now) },
                Err(error) if pool.echoes.is_empty() => return Err(error),
                // A pool that is a little old is better than none.
                Err(error) => tracing::warn!(%error, %emotion, "the pool was not refreshed"),
            }
        }
        pool.echoes.retain(|echo| echo.lives_at(now));
        if pool.echoes.is_empty() {
            return Ok(None);
        }
        let at = rand::rng().random_range(..pool.echoes.len());
        Ok(pool.echoes.get(at).cloned())
    }

    /// Never draws this echo again from what is in memory.
    pub(super) async fn forget(&self, id: EchoId) {
        for pool in self.0.values() {
            pool.lock().await.echoes.retain(|echo| echo.echo_id != id);
        }
    }
}
