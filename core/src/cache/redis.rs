//! The second tier: Redis, which also holds every key's generation, the leases of loads, and tells processes of each other's writes.

mod ending;
mod epoch;
mod hear;
mod link;
pub(super) mod live;
mod looks;
mod names;
mod patience;
mod pending;
mod popular;
mod scripts;
#[cfg(test)]
mod tests;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use ::redis::Client;
use bytes::Bytes;
use echoes_shared::Region;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

use super::RedisUrl;
use crate::metrics::Metrics;
use epoch::Epoch;
use hear::{Ears, Word};
use link::{Link, Live};
use names::Names;
use patience::Patience;
use scripts::{BEGIN, Call, GIVE_UP, KEEP, hexadecimal};
use verdict::Failure;

/// A lease: longer than a load may take, short enough that those who wait for a dead process do so once.
pub(super) const LEASE: Duration = Duration::from_secs(2);
/// How long a generation lives after a value was last kept under it; longer than any value.
const GENERATION: Duration = Duration::from_secs(24 * 60 * 60);
/// A larger value is not kept: it would hold up all that shares the connection.
pub(super) const VALUE_BYTES_AT_MOST: usize = 1 << 20;
/// The digits of Redis's clock that a generation begins with.
const BIRTH_DIGITS: usize = 13;

/// A key's generation of now, in this Redis's present life. Values of another stamp never count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stamp(pub [u8; 16]);

/// What Redis knows of a key. `now_millis` is Redis's own clock, epoch milliseconds: one clock for the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// Redis is away, hung, or refused.
    Away,
    /// The key has no generation: nothing that any tier holds counts. The next one counts as just born, for a change may have
    /// ended the last.
    Unknown,
    /// The key's stamp, and what Redis holds under the key, which may be of another stamp.
    Known { stamp: Stamp, now_millis: u64, value: Option<Bytes> },
}

/// What the beginning of a load came to.
#[derive(Debug)]
pub(super) enum Begin {
    /// Redis is away, hung, or refused: load, and keep the value in memory alone.
    Away,
    /// This process loads. The generation began with the last change, at least so many milliseconds ago: young ones' fills are
    /// kept briefly.
    Load { stamp: Stamp, age_millis: u64, now_millis: u64, lease: Lease },
    /// Another process loads; its lease ends after so long.
    Wait { stamp: Stamp, age_millis: u64, now_millis: u64, lease_left: Duration },
}

/// The right to load a key, for a bounded time.
#[derive(Debug)]
pub(super) struct Lease {
    pub token: [u8; 16],
}

/// What keeping a value came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It counts from now on.
    Yes,
    /// The key was invalidated since the load began.
    Discarded,
    /// It was not, but the value is too large, or Redis full.
    Refused,
    /// Redis is away.
    Away,
}

/// What other processes of the region say, or that some of it may have been missed.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    /// A message of another process, as it was given to [`Redis::invalidate`].
    Message(Bytes),
    /// This key has just been filled.
    Filled(String),
    /// The subscription was interrupted: messages may have been missed.
    Gap,
}

/// The region's Redis, through one pipelined connection that reconnects, and one for messages.
///
/// Why nothing old counts: a value counts only under the stamp of now, which hashes the epoch, the generation of everything
/// and the key's generation. An invalidation replaces the generation; the next is random, so no stamp comes back. Values or
/// generations that do come back (from a snapshot, from a replica that lacked the last writes) come with another epoch, for
/// every connection's epoch is read over it, and `ROLE` in every look tells of a server that became a replica meanwhile.
#[derive(Debug)]
pub(super) struct Redis {
    link: Option<Arc<Link>>,
    ears: Ears,
    tasks: Vec<AbortHandle>,
}

impl Redis {
    /// Connects in the background, in the runtime in which it is called.
    pub(super) fn new(url: &RedisUrl, region: Region, metrics: Metrics) -> Self {
        Self::patient(url, region, metrics, Patience::default())
    }

    fn patient(url: &RedisUrl, region: Region, metrics: Metrics, patience: Patience) -> Self {
        let ears = Ears::new(rand::random());
        let client = match Client::open(url.0.as_str()) {
            Ok(client) => client,
            Err(error) => {
                // The configuration has judged it before; without it the other tiers still work.
                tracing::error!(category = error.category(), "ECHOES_REDIS_URL cannot be used");
                return Self { link: None, ears, tasks: Vec::new() };
            }
        };
        let link = Arc::new(Link::new(client, Names::new(region), patience, metrics));
        let connecting = tokio::spawn({
            let link = Arc::clone(&link);
            async move { link.keep_connected().await }
        });
        let listening = tokio::spawn(hear::listen(Arc::clone(&link), ears.clone()));
        Self { link: Some(link), ears, tasks: vec![connecting.abort_handle(), listening.abort_handle()] }
    }

    /// Returns when Redis is there; never, where its address is none.
    pub(super) async fn connected(&self) {
        let Some(link) = &self.link else { return std::future::pending().await };
        // The sender lives as long as the link.
        let _ = link.changes().wait_for(Option::is_some).await;
    }

    /// One round trip, shared with others that look in the same moment: generation and value. Whoever looks counts what fails.
    pub(super) async fn look(&self, key: &str) -> Look {
        let Some((link, live, epoch)) = self.there() else { return Look::Away };
        let plain = Names::plain(key);
        let Ok((held, number)) = looks::look(link, &live, &plain).await else { return Look::Away };
        let (generation, value) = held.of(number);
        let (Some(everything), Some(generation)) = (&held.everything, generation) else { return Look::Unknown };
        Look::Known { stamp: epoch.stamp(&plain, everything, &generation), now_millis: held.now_millis, value }
    }

    /// One round trip: makes a generation where there is none, and takes the lease where it is free.
    pub(super) async fn begin(&self, key: &str) -> Begin {
        let Some((link, live, epoch)) = self.there() else { return Begin::Away };
        let plain = Names::plain(key);
        let (generation, name) = (link.names.generation(&plain), link.names.lease(&plain));
        let (for_everything, for_key, token): ([u8; 16], [u8; 16], [u8; 16]) = rand::random();
        let (held, kept) = (LEASE.as_millis().to_string(), GENERATION.as_millis().to_string());
        let call = Call {
            script: &BEGIN,
            keys: &[&link.names.everything, &generation, &name],
            arguments: &[&for_everything, &for_key, &token, held.as_bytes(), kept.as_bytes()],
        };
        type Begun = (u64, Bytes, Bytes, u8, i64);
        let Ok((now_millis, everything, generation, leased, left)) = link.run::<Begun>(&live, &call).await else {
            return Begin::Away;
        };
        let known = u64::try_from(link.known_for(&live).as_millis()).unwrap_or(u64::MAX);
        let age = |generation: &[u8]| now_millis.saturating_sub(birth_millis(generation).unwrap_or(now_millis));
        let age_millis = age(&everything).min(age(&generation)).min(known);
        let stamp = epoch.stamp(&plain, &everything, &generation);
        if leased == 0 {
            let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
            return Begin::Wait { stamp, age_millis, now_millis, lease_left: left.min(LEASE) };
        }
        Begin::Load { stamp, age_millis, now_millis, lease: Lease { token } }
    }

    /// Keeps a value for so long, if the key still has this stamp; gives the lease back and tells those who wait.
    /// A value above 1 MiB is refused.
    pub(super) async fn keep(
        &self,
        key: &str,
        stamp: Stamp,
        lease: Option<&Lease>,
        value: Bytes,
        lifetime: Duration,
    ) -> Kept {
        let Some((link, live, epoch)) = self.there() else { return Kept::Away };
        let plain = Names::plain(key);
        let names = &link.names;
        let keys = [names.generation(&plain), names.value(&plain), names.lease(&plain)];
        let [generation, name, lease_name] = keys.each_ref().map(String::as_str);
        let fits = value.len() <= VALUE_BYTES_AT_MOST;
        let lifetime = if fits { lifetime.min(GENERATION).as_millis() } else { 0 }.to_string();
        let (stamp, kept) = (hexadecimal(&stamp.0), GENERATION.as_millis().to_string());
        let call = Call {
            script: &KEEP,
            keys: &[&names.everything, generation, name, lease_name],
            arguments: &[
                &epoch.preimage(&plain),
                stamp.as_bytes(),
                if fits { &value } else { b"" },
                lifetime.as_bytes(),
                kept.as_bytes(),
                lease.map_or(&[], |lease| &lease.token),
                names.channel.as_bytes(),
                &self.filled(key),
            ],
        };
        match link.run::<u8>(&live, &call).await {
            Ok(0) => Kept::Discarded,
            Ok(1) => Kept::Yes,
            Ok(_) | Err(Failure::Full) => Kept::Refused,
            Err(_) => Kept::Away,
        }
    }

    /// Gives the lease of a failed load back.
    pub(super) async fn give_up(&self, key: &str, lease: &Lease) {
        let Some((link, live, _)) = self.there() else { return };
        let name = link.names.lease(&Names::plain(key));
        let (channel, filled) = (link.names.channel.as_bytes(), self.filled(key));
        let call = Call { script: &GIVE_UP, keys: &[&name], arguments: &[&lease.token, channel, &filled] };
        // Where it cannot be given back it lapses.
        let _ = link.run::<u8>(&live, &call).await;
    }

    /// Ends the generations of these keys and sends `message` to the region's other processes. While Redis is away it is
    /// remembered, and delivered before anything is read again. Answers whether Redis has been told.
    pub(super) async fn invalidate(&self, keys: &[String], message: Bytes) -> bool {
        let Some(link) = self.link.clone() else { return false };
        let keys = keys.iter().map(|key| Names::plain(key).into_owned()).collect();
        let message = hear::written(Some(&self.ears.me), Word::Change, &message).into();
        // In a task of its own: a caller that goes away must not take an invalidation with it.
        tokio::spawn(async move { link.invalidate(keys, message).await }).await.unwrap_or(false)
    }

    /// Believes nothing until [`Redis::untold`] has said how many writes were not told.
    pub(super) fn await_untold(&self) {
        self.link.iter().for_each(|link| link.await_untold());
    }

    /// Some process could not tell Redis of so many writes: whatever was kept before the last of them counts no more.
    pub(super) fn untold(&self, count: u64) {
        if self.link.as_ref().is_some_and(|link| link.untold(count)) {
            // Nobody may be listening yet.
            let _ = self.ears.heard.send(Heard::Gap);
        }
    }

    /// The last count that [`Redis::untold`] said.
    pub(super) fn known_untold(&self) -> u64 {
        self.link.as_ref().map_or(0, |link| link.known_untold())
    }

    /// The count has fallen to this: what bears its number from before must not count, here or elsewhere.
    pub(super) fn recount(&self, count: u64) {
        self.link.iter().for_each(|link| link.recount(count));
        // Nobody may be listening yet.
        let _ = self.ears.heard.send(Heard::Gap);
    }

    /// What the other processes say from now on. A listener that falls behind is told so by the channel, and has a gap too.
    pub(super) fn hear(&self) -> broadcast::Receiver<Heard> {
        self.ears.heard.subscribe()
    }

    /// Tells those who wait for a key that they need not any more.
    fn filled(&self, key: &str) -> Vec<u8> {
        hear::written(Some(&self.ears.me), Word::Filled, key.as_bytes())
    }

    /// The connection of now, if Redis is there, and the life in which what it holds counts.
    fn there(&self) -> Option<(&Arc<Link>, Arc<Live>, Epoch)> {
        let link = self.link.as_ref()?;
        let live = link.live()?;
        let epoch = link.epoch(&live)?;
        Some((link, live, epoch))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// When a generation was made, on Redis's clock.
fn birth_millis(generation: &[u8]) -> Option<u64> {
    std::str::from_utf8(generation.get(..BIRTH_DIGITS)?).ok()?.parse().ok()
}
