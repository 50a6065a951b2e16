//! What has been read, kept near: memory, then Redis, then Memcached, then the store.

mod departed;
mod envelope;
#[cfg(test)]
mod fault_proxy;
mod gone;
mod head;
mod key;
mod lifetimes;
mod loaded;
mod memcached;
mod one;
mod popular;
mod redis;
mod trail;

use std::sync::Arc;

use echoes_shared::{Echo, EchoId, Emotion, Region, Timestamp, UserId};

use crate::metrics::Metrics;
use crate::store::StoreError;
use departed::Departed;
use memcached::Memcached;
use popular::Popular;
use redis::Redis;

pub use crate::config::{CacheConfig, MemcachedServers, RedisUrl};
pub(crate) use head::weak_tag;
pub use head::{Cut, Head};
pub use key::Key;
pub use lifetimes::Lifetimes;
pub use loaded::{Loaded, Value};
pub use one::One;
pub use trail::{Step, Trail};

/// The caches of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Tiers>);

#[derive(Debug)]
struct Tiers {
    lifetimes: Lifetimes,
    departed: Departed,
    popular: Popular,
    redis: Option<Redis>,
    memcached: Option<Memcached>,
    metrics: Metrics,
}

/// A value and where it came from.
#[derive(Debug, Clone)]
pub struct Cached {
    /// The value.
    pub value: Arc<Value>,
    /// The tiers that were asked for it.
    pub trail: Trail,
}

/// What a write changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose echo it is.
    pub user: UserId,
    /// The echo.
    pub echo: EchoId,
    /// Its emotion, where that is known; where it is not, the lists of every emotion count as changed.
    pub emotion: Option<Emotion>,
    /// Whether the echo has been deleted: then it is never shown again.
    pub gone: bool,
}

impl Cache {
    /// The caches that `config` names, empty.
    pub fn new(config: &CacheConfig, region: Region, lifetimes: Lifetimes, metrics: Metrics) -> Self {
        Self(Arc::new(Tiers {
            lifetimes,
            departed: Departed::default(),
            popular: Popular::default(),
            redis: config.redis.as_ref().map(|url| Redis::new(url, region, metrics.clone())),
            memcached: config.memcached.as_ref().map(|servers| Memcached::new(servers, region, metrics.clone())),
            metrics,
        }))
    }

    /// The value of `key`, from the nearest tier that has it; `load` asks the store.
    ///
    /// # Errors
    /// What the store said, where no tier has a value that may be shown.
    pub async fn read<L, F>(&self, key: &Key, now: Timestamp, load: L) -> Result<Cached, StoreError>
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Loaded, StoreError>> + Send + 'static,
    {
        let _ = now;
        let loaded = load().await?;
        Ok(Cached { value: Arc::new(loaded.into_value(key, &self.0.departed)), trail: Trail::default() })
    }

    /// Drops what these writes change, in this process at once and in every tier and process of the region, before it returns
    /// where they answer. The one function that every writer calls, of this region or, through the stream, of another.
    pub async fn tell(&self, changes: &[Change]) {
        self.forget(changes);
    }

    /// The part of [`Cache::tell`] that waits for nobody: this process alone.
    pub fn forget(&self, changes: &[Change]) {
        for change in changes {
            if change.gone {
                self.0.departed.forget(change.echo);
            }
        }
    }

    /// Whether this process knows that `echo` has been deleted, whatever the store's indexes still list.
    pub fn hides(&self, echo: &Echo) -> bool {
        self.0.departed.hides(&echo.user_id, echo.echo_id)
    }

    /// Somebody asked for the feed of `emotion`.
    pub fn asked(&self, emotion: Emotion, now: Timestamp) {
        self.0.popular.asked(emotion, now);
    }

    /// The emotions whose feeds this process was asked for in the last hour, the most popular first.
    pub fn popular(&self, now: Timestamp) -> Vec<Emotion> {
        self.0.popular.ranked(now)
    }

    /// Never shows an echo of `user` of up to this time again.
    pub fn forget_person(&self, user: &UserId, up_to: Timestamp) {
        self.0.departed.forget_person(user, up_to);
    }
}
