//! Which tiers there are.

use std::fmt;

/// The caches of one process; each tier is there where its variable is set.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// `ECHOES_CACHE_MEMORY_BYTES` (64 MiB): bytes that the memory tier holds at most; 0 switches it off.
    pub memory_bytes: u64,
    /// `ECHOES_REDIS_URL`: the region's Redis.
    pub redis: Option<RedisUrl>,
    /// `ECHOES_MEMCACHED_SERVERS`: the region's Memcached servers; without Redis, which holds the generations, there can be none.
    pub memcached: Option<MemcachedServers>,
}

/// `redis://[user:password@]host:port[/db]` or `rediss://…`. A password never shows.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(pub String);

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl(…)")
    }
}

/// `host:port[,host:port…]`, 1 to 64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemcachedServers(pub Vec<String>);
