//! The second tier: Redis, which also holds every key's generation, the leases of loads, and tells processes of each other's writes.

use std::time::Duration;

use bytes::Bytes;
use echoes_shared::Region;
use tokio::sync::broadcast;

use super::RedisUrl;
use crate::metrics::Metrics;

/// A key's generation of now, in this Redis's present life. Values of another stamp never count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stamp(pub [u8; 16]);

/// What Redis knows of a key. `now_millis` is Redis's own clock, epoch milliseconds: one clock for the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// Redis is away, hung, or refused.
    Away,
    /// The key has no generation: nothing that any tier holds counts.
    Unknown,
    /// The key's stamp, and what Redis holds under the key, which may be of another stamp.
    Known { stamp: Stamp, now_millis: u64, value: Option<Bytes> },
}

/// What the beginning of a load came to.
#[derive(Debug)]
pub(super) enum Begin {
    /// Redis is away, hung, or refused: load, and keep the value in memory alone.
    Away,
    /// This process loads. The generation is so many milliseconds old: young ones' fills are kept briefly.
    Load { stamp: Stamp, age_millis: u64, now_millis: u64, lease: Lease },
    /// Another process loads; its lease ends after so long.
    Wait { lease_left: Duration },
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
#[derive(Debug)]
pub(super) struct Redis;

impl Redis {
    /// Connects in the background.
    pub(super) fn new(url: &RedisUrl, region: Region, metrics: Metrics) -> Self {
        let _ = (url, region, metrics);
        Self
    }

    /// One round trip: generation and value.
    pub(super) async fn look(&self, key: &str) -> Look {
        let _ = key;
        Look::Away
    }

    /// One round trip: makes a generation where there is none, and takes the lease where it is free.
    pub(super) async fn begin(&self, key: &str) -> Begin {
        let _ = key;
        Begin::Away
    }

    /// Keeps a value for so long, if the key still has this stamp; gives the lease back and tells those who wait.
    pub(super) async fn keep(
        &self,
        key: &str,
        stamp: Stamp,
        lease: Option<&Lease>,
        value: Bytes,
        lifetime: Duration,
    ) -> Kept {
        let _ = (key, stamp, lease, value, lifetime);
        Kept::Away
    }

    /// Gives the lease of a failed load back.
    pub(super) async fn give_up(&self, key: &str, lease: &Lease) {
        let _ = (key, lease);
    }

    /// Ends the generations of these keys and sends `message` to the region's other processes. While Redis is away it is
    /// remembered, and delivered before anything is read again.
    pub(super) async fn invalidate(&self, keys: &[String], message: Bytes) {
        let _ = (keys, message);
    }

    /// What the other processes say from now on.
    pub(super) fn hear(&self) -> broadcast::Receiver<Heard> {
        broadcast::channel(1).1
    }
}
