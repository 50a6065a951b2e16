//! The environment of the caches: which tiers there are, and where.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use redis::IntoConnectionInfo as _;

use super::{ConfigError, Environment};

const MIB: u64 = 1024 * 1024;
/// Bytes of the memory tier unless `ECHOES_CACHE_MEMORY_BYTES` says otherwise: a thousand heads of 60 KB.
const DEFAULT_MEMORY_BYTES: u64 = 64 * MIB;
/// Less would not hold one head of long echoes.
const MIN_MEMORY_BYTES: u64 = MIB;
const MAX_MEMORY_BYTES: u64 = 64 * 1024 * MIB;
/// A region of more would have outgrown this tier.
const MAX_SERVERS: usize = 64;

const MEMORY: &str = "ECHOES_CACHE_MEMORY_BYTES";
const REDIS: &str = "ECHOES_REDIS_URL";
const MEMCACHED: &str = "ECHOES_MEMCACHED_SERVERS";

/// The caches of one process; each tier is there where its variable is set.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// `ECHOES_CACHE_MEMORY_BYTES` (64 MiB): bytes that the memory tier holds at most, 1 MiB to 64 GiB; 0 switches it off.
    pub memory_bytes: u64,
    /// `ECHOES_REDIS_URL`: the region's Redis. Without it one process alone may serve the region.
    pub redis: Option<RedisUrl>,
    /// `ECHOES_MEMCACHED_SERVERS`: the region's Memcached servers; without Redis, which holds the generations, there can be none.
    pub memcached: Option<MemcachedServers>,
}

impl CacheConfig {
    /// Reads the variables above.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let memory_bytes = environment.optional(MEMORY)?.unwrap_or(DEFAULT_MEMORY_BYTES);
        if memory_bytes != 0 && !(MIN_MEMORY_BYTES..=MAX_MEMORY_BYTES).contains(&memory_bytes) {
            let problem = format!("must be 0 (off) or {MIN_MEMORY_BYTES} to {MAX_MEMORY_BYTES}");
            return Err(ConfigError { variable: MEMORY, problem });
        }
        let redis = environment.optional(REDIS)?;
        let memcached = environment.optional(MEMCACHED)?;
        if memcached.is_some() && redis.is_none() {
            let why = "Redis holds the generations that tell which of Memcached's values still count";
            return Err(ConfigError { variable: MEMCACHED, problem: format!("needs {REDIS} as well: {why}") });
        }
        Ok(Self { memory_bytes, redis, memcached })
    }

    /// What a process is told that works beside the serving ones and could not tell them of it.
    pub(super) fn redis_is_missing() -> ConfigError {
        let why = "is needed, for the serving processes hear through Redis what this one deletes; \
                   one process alone does both as `echoes serve --work`";
        ConfigError { variable: REDIS, problem: why.to_owned() }
    }

    /// What a process that serves nobody has of them: Redis, to tell the serving ones what it changed.
    pub(super) fn for_telling(self) -> Self {
        Self { memory_bytes: 0, redis: self.redis, memcached: None }
    }
}

/// `redis://[user:password@]host[:port][/db]`, or `rediss://…` for TLS. A password never shows.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(pub String);

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl(…)")
    }
}

impl FromStr for RedisUrl {
    type Err = &'static str;

    /// The message never repeats the text, which may hold a password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = ["redis://", "rediss://"].iter().any(|scheme| text.starts_with(scheme));
        // `#insecure` would have TLS believe anybody.
        if known && !text.contains('#') && text.into_connection_info().is_ok() {
            return Ok(Self(text.to_owned()));
        }
        Err("must be redis://[user:password@]host[:port][/db], or rediss:// for TLS, and nothing after it")
    }
}

/// `host:port[,host:port…]`, 1 to 64, none twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemcachedServers(pub Vec<String>);

impl FromStr for MemcachedServers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let servers: Vec<String> = text.split(',').map(str::to_ascii_lowercase).collect();
        if servers.len() > MAX_SERVERS {
            return Err(format!("must be at most {MAX_SERVERS} servers"));
        }
        if let Some(odd) = servers.iter().find(|server| !is_host_and_port(server)) {
            return Err(format!("must be host:port[,host:port…], not {odd:?}"));
        }
        let twice = |(place, server): (usize, &String)| servers.iter().take(place).any(|before| before == server);
        if let Some((_, server)) = servers.iter().enumerate().find(|pair| twice(*pair)) {
            return Err(format!("names {server} twice"));
        }
        Ok(Self(servers))
    }
}

/// A name or an address (IPv6 in brackets), and a port.
fn is_host_and_port(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let named = match address {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => (1..=253).contains(&host.len()) && host.bytes().all(allowed),
        };
        // `parse` would take a sign as well.
        named && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<CacheConfig, ConfigError> {
        let look_up =
            |asked: &str| variables.iter().find(|(name, _)| *name == asked).map(|(_, text)| (*text).to_owned());
        CacheConfig::read(&Environment::new(look_up))
    }

    const URL: (&str, &str) = (REDIS, "redis://cache:a-secret@cache.example:6380/2");

    #[test]
    fn every_tier_is_optional() {
        let none = read(&[]).unwrap();
        assert_eq!((none.memory_bytes, none.redis, none.memcached), (64 * MIB, None, None));
        let all =
            read(&[(MEMORY, "0"), URL, (MEMCACHED, "10.0.0.1:11211,Cache-2.example:11212,[::1]:11211")]).unwrap();
        assert_eq!(all.memory_bytes, 0);
        assert_eq!(all.memcached.as_ref().unwrap().0, ["10.0.0.1:11211", "cache-2.example:11212", "[::1]:11211"]);
        assert!(!format!("{all:?}").contains("secret"), "{all:?}");
        let told = all.for_telling();
        assert!(told.redis.is_some() && told.memcached.is_none());
        for url in [
            "redis://127.0.0.1:6379",
            "redis://cache.example",
            "redis://:pw@h:1/0",
            "redis://[::1]:6379",
            "rediss://u:pw@h:6380",
        ] {
            assert_eq!(read(&[(REDIS, url)]).unwrap().redis, Some(RedisUrl(url.to_owned())));
        }
        for bytes in [MIN_MEMORY_BYTES, MAX_MEMORY_BYTES] {
            assert_eq!(read(&[(MEMORY, &bytes.to_string())]).unwrap().memory_bytes, bytes);
        }
    }

    #[test]
    fn memcached_without_redis_is_refused_and_says_why() {
        let error = read(&[(MEMCACHED, "127.0.0.1:11211")]).unwrap_err();
        assert_eq!(error.variable, MEMCACHED);
        assert!(error.problem.contains(REDIS) && error.problem.contains("generations"), "{error}");
    }

    #[test]
    fn every_fault_names_its_variable_and_no_secret() {
        let too_many = (1..=65).map(|port| format!("h:{port}")).collect::<Vec<_>>().join(",");
        for (name, value) in [
            (MEMORY, ""),
            (MEMORY, "64MiB"),
            (MEMORY, "-1"),
            (MEMORY, "1"),
            (MEMORY, "1048575"),
            (MEMORY, "68719476737"),
            (REDIS, ""),
            (REDIS, "cache.example:6379"),
            (REDIS, "http://u:a-secret@cache.example"),
            (REDIS, "unix:///run/redis.sock"),
            (REDIS, "redis://u:a-secret@cache.example:port"),
            (REDIS, "redis://u:a-secret@cache.example/db"),
            (REDIS, "redis://"),
            (REDIS, "rediss://u:a-secret@h:6380/#insecure"),
            (MEMCACHED, ""),
            (MEMCACHED, "cache.example"),
            (MEMCACHED, ":11211"),
            (MEMCACHED, "cache.example:"),
            (MEMCACHED, "cache.example:+1"),
            (MEMCACHED, "cache.example:0"),
            (MEMCACHED, "cache.example:65536"),
            (MEMCACHED, "::1:11211"),
            (MEMCACHED, "[::g]:11211"),
            (MEMCACHED, "a:1,,b:1"),
            (MEMCACHED, "a:1, b:1"),
            (MEMCACHED, "a:1,b:1,A:1"),
            (MEMCACHED, &too_many),
        ] {
            let others = [URL].into_iter().filter(|(other, _)| *other != name);
            let variables: Vec<_> = others.chain([(name, value)]).collect();
            let error = read(&variables).unwrap_err();
            assert_eq!(error.variable, name, "{value}");
            assert!(!error.to_string().contains("secret"), "{error}");
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }
}
