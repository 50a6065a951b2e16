//! The third tier: Memcached servers, keys spread over them by consistent hashing.

mod health;
mod name;
mod ring;
mod server;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use echoes_shared::Region;

use super::MemcachedServers;
use ring::Ring;
use server::Server;

/// The longest value: a server's default item of 1 MiB less the key and what it notes beside an item.
/// <https://github.com/memcached/memcached/blob/master/doc/protocol.txt>, `-I`
pub(super) const MAX_VALUE_BYTES: usize = 1024 * 1024 - 512;
/// Memcached reads a longer lifetime as a point in time.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The region's Memcached servers. A server that fails is left out until it answers again; its keys are misses, and stay its
/// keys: were they written elsewhere meanwhile, they would be found there again when it fails the next time.
#[derive(Debug)]
pub(super) struct Memcached {
    region: Region,
    ring: Ring,
    servers: Vec<Option<Arc<Server>>>,
}

impl Memcached {
    /// Connects in the background; until a server has answered for the first time its keys are misses. Outside a runtime nothing
    /// ever connects.
    pub(super) fn new(servers: &MemcachedServers, region: Region) -> Self {
        let probe = name::of(region, "probe");
        // A pool that cannot be made, which only a wrong setting of its own could cause, leaves its keys misses.
        let server = |name: &String| Server::new(name, &probe).ok();
        Self { region, ring: Ring::new(&servers.0), servers: servers.0.iter().map(server).collect() }
    }

    /// The bytes under a key; none where it has none, or its server is away or slow.
    pub(super) async fn get(&self, key: &str) -> Option<Bytes> {
        let name = name::of(self.region, key);
        self.server(&name)?.get(&name).await
    }

    /// Whether the key's server is away, so that it is not even asked.
    pub(super) fn is_left_out(&self, key: &str) -> bool {
        self.server(&name::of(self.region, key)).is_none_or(|server| server.is_away())
    }

    /// Keeps bytes for so long, in whole seconds rounded down; larger than a server takes, or while it is away, nothing happens.
    pub(super) async fn set(&self, key: &str, value: Bytes, lifetime: Duration) {
        let seconds = lifetime.min(MAX_LIFETIME).as_secs();
        // Memcached would keep what has a lifetime of zero for ever.
        if seconds == 0 || value.len() > MAX_VALUE_BYTES {
            return;
        }
        let name = name::of(self.region, key);
        if let Some(server) = self.server(&name) {
            server.set(&name, &value, seconds).await;
        }
    }

    /// The server to which a name belongs, whether it answers or not.
    fn server(&self, name: &str) -> Option<&Arc<Server>> {
        self.servers.get(self.ring.server_of(name)?)?.as_ref()
    }
}
