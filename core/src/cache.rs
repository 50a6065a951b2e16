//! What has been read, kept near: memory, then Redis, then Memcached, then the store.
//!
//! # Why nothing old is shown
//!
//! Every key has a *generation* in Redis: random bytes that are never used twice. Whoever writes first writes to the store and then
//! replaces the generations of all keys that the write is seen in; only then is the writer answered. A load asks for the
//! generation before it reads the store, and what it read carries a *stamp* made of that generation, of the generation of
//! everything, and of the identity of this life of Redis. A value of Redis or Memcached counts only with the stamp of now. So:
//!
//! - A load that began before a write ended has a generation that the write ended: what it read never counts, whether it is put
//!   into Redis before that (then its stamp is not that of now) or after (then it is refused), nor out of Memcached.
//! - A Redis that was flushed, restarted, restored or replaced by a replica that had not heard of everything has another
//!   identity, or lacks generations: nothing counts that was filled before. Without Redis, Memcached is not asked.
//! - The store's indexes may be behind a write by [`Lifetimes::settle`]: what is loaded under a generation younger than that is
//!   shown only until the generation is that old, and then loaded again. What a process has deleted, or heard to be deleted, it
//!   takes out of whatever it loads ([`Cache::hides`]).
//! - In one process, values enter and leave memory under one lock. An invalidation takes the entry and the flight of its key
//!   away, so a flight that began before it keeps nothing. A write invalidates memory before it tells Redis, and again after:
//!   what Redis still showed between the two is gone too.
//! - The other processes hear a message, published after the generations are gone, and do the same. If their connection was
//!   interrupted, they ask below for everything that they hold before they show it.
//!
//! - A write that Redis could not be told of is counted in the store before its writer is answered. The count is a part of every
//!   stamp, and every process reads it every three seconds: then nothing counts that was kept before. So it does not matter
//!   whether others still reach Redis, nor whether the writer lives to tell it later.
//!
//! - What is loaded while Redis does not answer may lack what nobody will tell of: it is shown while it is fresh and not longer,
//!   so that it is gone as soon as what lay in memory before.
//!
//! - The table's stream tells of every change once more, whichever region took it and whether or not its writer told: one process
//!   of the region that works calls [`Cache::tell`] for each, and goes on only when everybody knows or the store has counted it.
//!
//! So an acknowledged write is seen after [`Lifetimes::settle`] by its own process and by each that has heard of it; after twice
//! that, if meanwhile the same key changed again, the stream told of it again, or Redis was lost, for what is loaded then may lack
//! the first change and is kept for the sake of the second. A process that does not hear of it (a message is lost without an
//! interruption, or Redis cannot be reached by one of the two) sees it at the latest when what it holds has been fresh and stale in
//! memory, counted from the beginning of its load ([`Lifetimes::untold`], which adds the time that an index may be behind): a write
//! that is only counted is known before that. A process that dies after the store took a write and before its writer was answered
//! has told nobody, nor has another region's: the stream does, and all these times are counted from then
//! ([`Lifetimes::unheard`]). Where the stream stands still, the shared tiers show such a write as late as they hold what was before.
//! While the store fails, what memory holds is shown for longer ([`Lifetimes::stale_if_error`]), never what was
//! invalidated here by a write that the store took ([`Certainty`]).
//! `model.rs` tries all orders of these events in small worlds, and that each of these rules is needed for these bounds.

mod departed;
mod envelope;
#[cfg(test)]
mod fault_proxy;
mod flights;
mod gone;
mod head;
mod key;
mod lifetimes;
mod live;
mod load;
mod loaded;
mod memcached;
mod memory;
mod messages;
#[cfg(test)]
mod model;
mod one;
mod popular;
mod read;
mod redis;
mod shared;
#[cfg(test)]
mod tests;
mod trail;
mod untold;
mod walk;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use echoes_shared::{Echo, EchoId, Emotion, Region, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;

use crate::clock;
use crate::metrics::{CacheMetrics, Metrics};
use crate::store::{Store, StoreError};
use departed::Departed;
use flights::Flights;
use lifetimes::millis;
use memcached::Memcached;
use memory::Memory;
use messages::News;
use popular::Popular;
use redis::{Heard, Redis};

pub use crate::config::{CacheConfig, MemcachedServers, RedisUrl};
pub(crate) use head::weak_tag;
pub use head::{Cut, Head};
pub use key::Key;
pub use lifetimes::Lifetimes;
pub use load::Load;
pub use loaded::{Loaded, Value};
pub use one::One;
pub use redis::live::LiveHeard;
pub use trail::{Step, Trail};

/// The caches of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Tiers>);

#[derive(Debug)]
struct Tiers {
    lifetimes: Lifetimes,
    departed: Departed,
    flights: Flights,
    memory: Memory,
    popular: Popular,
    redis: Option<Redis>,
    memcached: Option<Arc<Memcached>>,
    metrics: CacheMetrics,
    /// Where writes are counted that Redis cannot be told of.
    store: OnceLock<Store>,
    untold_turns: untold::Turns,
    /// Milliseconds of the monotonic clock.
    clock: fn() -> u64,
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

/// How certain it is that a change was made, which decides what becomes of what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Certainty {
    /// The store has taken it: nothing from before is ever shown again.
    #[default]
    Done,
    /// The store has not answered. Everything that the change would be seen in is asked for again before it is shown, and shown
    /// from before only if the store fails: else each write that fails in an outage would take away what outlasts it.
    Perhaps,
    /// Somebody was shown what is old: the same of the echo and its person's lists alone.
    Shown,
}

impl Cache {
    /// The caches that `config` names, empty.
    pub fn new(config: &CacheConfig, region: Region, lifetimes: Lifetimes, metrics: Metrics) -> Self {
        Self(Arc::new(Tiers {
            lifetimes,
            departed: Departed::default(),
            flights: Flights::default(),
            memory: Memory::new(config.memory_bytes, metrics.cache().clone()),
            popular: Popular::default(),
            redis: config.redis.as_ref().map(|url| Redis::new(url, region, metrics.clone())),
            memcached: config.memcached.as_ref().map(|servers| Arc::new(Memcached::new(servers, region))),
            metrics: metrics.cache().clone(),
            store: OnceLock::new(),
            untold_turns: untold::Turns::default(),
            clock: clock::monotonic_millis,
        }))
    }

    /// Begins to listen to the region's other processes, within a runtime; once. It ends with the last clone of these caches.
    /// What Redis cannot be told of is counted in `store`, and Redis is not believed before that count has been read once.
    pub fn start(&self, store: &Store) {
        let Some(redis) = &self.0.redis else { return };
        let mut heard = redis.hear();
        redis.await_untold();
        if self.0.store.set(store.clone()).is_ok() {
            tokio::spawn(untold::follow(Arc::downgrade(&self.0), store.clone()));
        }
        let tiers = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                let heard = match heard.recv().await {
                    Ok(heard) => heard,
                    // More came at once than is kept for a slow listener.
                    Err(RecvError::Lagged(_)) => Heard::Gap,
                    Err(RecvError::Closed) => return,
                };
                let Some(tiers) = tiers.upgrade() else { return };
                tiers.hear(&heard);
            }
        });
    }

    /// Waits until Redis is there, where there is one, for so long; answers whether it is.
    pub async fn connected(&self, within: Duration) -> bool {
        let Some(redis) = &self.0.redis else { return false };
        tokio::time::timeout(within, redis.connected()).await.is_ok()
    }

    /// The value of `key` if memory has it and nothing needs to be done about it: the hot path, without waiting. Where it has
    /// not, ask [`Cache::read`], which begins with the same.
    pub fn peek(&self, key: &Key, now: Timestamp) -> Option<Cached> {
        self.0.peek(key, now)
    }

    /// The value of `key`, from the nearest tier that has it; `load` asks the store.
    ///
    /// Readers of one key share one load, which goes on if its first reader goes away and is given up after a deadline. `now` is
    /// the wall clock, by which echoes expire; all ages are by clocks that nobody sets.
    ///
    /// # Errors
    /// What the store said, where no tier has a value that may be shown.
    pub async fn read(&self, key: &Key, now: Timestamp, load: impl Load) -> Result<Cached, StoreError> {
        match self.peek(key, now) {
            Some(cached) => Ok(cached),
            None => self.0.read(key, now, load).await,
        }
    }

    /// Loads the value of `key` and puts it over the present one, unless a shared tier has it fresh for `at_least` so long;
    /// without shared tiers, unless memory has it fresh. Who reads meanwhile is shown the present one.
    ///
    /// # Errors
    /// What the store said.
    pub async fn refresh(
        &self,
        key: &Key,
        now: Timestamp,
        at_least: Duration,
        load: impl Load,
    ) -> Result<(), StoreError> {
        self.0.refresh(key, now, at_least, load).await
    }

    /// Drops what these writes change, in this process at once and in every tier and process of the region, before it returns
    /// where they answer. The one function that every writer calls, of this region or, through the stream, of another.
    ///
    /// Call it after the store has taken the write and before the writer is answered. It goes on if its caller goes away. Answers
    /// whether everybody will know whatever becomes of this process: Redis has been told, or the store has counted it.
    pub async fn tell(&self, changes: &[Change]) -> bool {
        self.tell_of(changes, Certainty::Done).await
    }

    /// The same of changes that may not be certain.
    pub async fn tell_of(&self, changes: &[Change], certainty: Certainty) -> bool {
        self.heed(changes, certainty);
        if self.0.redis.is_none() || changes.is_empty() {
            return true;
        }
        let (cache, changes) = (self.clone(), changes.to_vec());
        // A task that ended by a fault has been logged by the runtime; the bound of a lost message holds.
        tokio::spawn(async move { cache.tell_others(&changes, certainty).await }).await.unwrap_or(false)
    }

    async fn tell_others(&self, changes: &[Change], certainty: Certainty) -> bool {
        let Some(redis) = &self.0.redis else { return true };
        let mut all_known = true;
        for changes in changes.chunks(messages::MAX_CHANGES) {
            let keys: BTreeSet<Key> = changes.iter().flat_map(|change| certainty.keys(change)).collect();
            let names: Vec<String> = keys.iter().map(Key::to_string).collect();
            let mut known = redis.invalidate(&names, messages::write(changes, certainty)).await;
            if !known
                && certainty != Certainty::Shown
                && let Some(store) = self.0.store.get()
            {
                known = untold::count(&self.0, store).await;
            }
            all_known &= known;
            // What Redis showed while it did not know may have been kept meanwhile.
            self.heed(changes, certainty);
        }
        all_known
    }

    /// The part of [`Cache::tell`] that waits for nobody: this process alone.
    pub fn forget(&self, changes: &[Change]) {
        self.heed(changes, Certainty::Done);
    }

    /// The part of [`Cache::tell_of`] that waits for nobody.
    pub fn heed(&self, changes: &[Change], certainty: Certainty) {
        let tick = (self.0.clock)();
        for change in changes.iter().filter(|change| change.gone) {
            match certainty {
                Certainty::Done => self.0.departed.forget(change.echo, tick),
                Certainty::Perhaps | Certainty::Shown => self.0.departed.suspect(change.echo, tick),
            }
        }
        for key in changes.iter().flat_map(|change| certainty.keys(change)) {
            self.0.forget_key(&key, certainty, tick);
        }
    }

    /// An echo that was about to be deleted, as [`Cache::heed`] was told, was not; it is shown again where nobody else has
    /// deleted it.
    pub fn lives(&self, echo: EchoId) {
        self.0.departed.lives(echo);
    }

    /// Whether this process knows that `echo` has been deleted, whatever the store's indexes still list.
    pub fn hides(&self, echo: &Echo) -> bool {
        self.0.departed.hides(echo.user_id.as_str(), echo.echo_id)
    }

    /// Never shows an echo of `user` of up to this time again, in this process.
    pub fn forget_person(&self, user: &UserId, up_to: Timestamp) {
        let tick = (self.0.clock)();
        self.0.departed.forget_person(user, up_to, tick);
        key::lists_of(user).for_each(|key| self.0.forget_key(&key, Certainty::Done, tick));
    }
}

impl Certainty {
    /// What a change of this certainty is, or may be, seen in.
    fn keys(self, change: &Change) -> Vec<Key> {
        match self {
            Self::Done | Self::Perhaps => change.keys().collect(),
            Self::Shown => change.own_keys().collect(),
        }
    }
}

impl Tiers {
    /// Takes a key's value out of memory, or leaves it for the store's failure alone; and its flight's right to come in.
    fn forget_key(&self, key: &Key, certainty: Certainty, tick: u64) {
        let mut order = self.flights.order();
        order.forget(key, tick, millis(self.lifetimes.settle));
        match (certainty, self.memory.get(key)) {
            (Certainty::Done, _) => self.memory.remove(key),
            (Certainty::Perhaps | Certainty::Shown, Some(entry)) => entry.doubt(),
            (Certainty::Perhaps | Certainty::Shown, None) => {}
        }
    }

    /// The last count of untold writes that was known.
    fn known_untold(&self) -> u64 {
        self.redis.as_ref().map_or(0, Redis::known_untold)
    }

    /// That count cannot be had: Redis is not believed until it can.
    fn await_untold(&self) {
        self.redis.iter().for_each(Redis::await_untold);
    }

    /// That count has fallen.
    fn recount(&self, count: u64) {
        self.redis.iter().for_each(|redis| redis.recount(count));
    }

    /// Redis was not told of so many writes.
    fn untold(&self, count: u64) {
        self.redis.iter().for_each(|redis| redis.untold(count));
    }

    /// Does what another process says.
    fn hear(self: Arc<Self>, heard: &Heard) {
        let message = match heard {
            Heard::Filled(_) => return,
            Heard::Gap => return self.memory.doubt(),
            Heard::Message(message) => message,
        };
        match messages::read(message) {
            News::Changes(changes, certainty) => Cache(self).heed(&changes, certainty),
            News::Unknown => {
                tracing::warn!(bytes = message.len(), "another process said what this one does not understand");
                self.memory.doubt();
            }
        }
    }
}
