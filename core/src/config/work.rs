//! The environment of the work beside serving.

use std::net::SocketAddr;

use super::{CacheConfig, ConfigError, Environment, OpenSearchUrl, StoreConfig, read_log_filter};

/// Units a second of the sweep unless `ECHOES_SWEEP_UNITS_PER_SECOND` says otherwise: five echoes a second, or three times
/// the region's share of the seed's 500,000 a day.
const DEFAULT_SWEEP_UNITS_PER_SECOND: u32 = 25;
/// As much as a new table takes (facts, *DynamoDB*: 4,000 WCU).
const MAX_SWEEP_UNITS_PER_SECOND: u32 = 4_000;

/// The jobs of `echoes work` and `echoes serve --work`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkConfig {
    /// `ECHOES_SWEEP_UNITS_PER_SECOND` (25): units of this region that the sweep of the recent index may consume in a
    /// second, on average; 0 switches it off.
    pub sweep_units_per_second: u32,
}

impl WorkConfig {
    /// Reads the variables above.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        const RATE: &str = "ECHOES_SWEEP_UNITS_PER_SECOND";
        let sweep_units_per_second = environment.optional(RATE)?.unwrap_or(DEFAULT_SWEEP_UNITS_PER_SECOND);
        if sweep_units_per_second > MAX_SWEEP_UNITS_PER_SECOND {
            let problem = format!("must be 0 to {MAX_SWEEP_UNITS_PER_SECOND}");
            return Err(ConfigError { variable: RATE, problem });
        }
        Ok(Self { sweep_units_per_second })
    }
}

/// What `echoes work` needs.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The tables.
    pub store: StoreConfig,
    /// The jobs.
    pub work: WorkConfig,
    /// Through which the serving processes are told what was deleted: Redis, where there is one.
    pub cache: CacheConfig,
    /// Where what the stream tells is put to be found.
    pub opensearch: Option<OpenSearchUrl>,
    /// `ECHOES_ADMIN_LISTEN` (none): health, readiness and metrics, unsigned, while it works for ever.
    pub admin_listen: Option<SocketAddr>,
    /// `RUST_LOG` (`info`): what is logged.
    pub log_filter: String,
}

impl WorkerConfig {
    /// Reads the variables above.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            store: StoreConfig::read(environment)?,
            work: WorkConfig::read(environment)?,
            cache: CacheConfig::read(environment)?.for_telling(),
            opensearch: OpenSearchUrl::read(environment)?,
            admin_listen: environment.optional("ECHOES_ADMIN_LISTEN")?,
            log_filter: read_log_filter(environment)?,
        })
    }

    /// The same for work that goes on beside the serving processes, which must hear of what it buries and find what it hears of:
    /// with Redis and OpenSearch alone.
    pub fn read_for_ever(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let config = Self::read(environment)?;
        match (&config.cache.redis, &config.opensearch) {
            (None, _) => Err(CacheConfig::redis_is_missing()),
            (_, None) => Err(OpenSearchUrl::is_missing()),
            (Some(_), Some(_)) => Ok(config),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_tells_and_keeps_nothing() {
        let look_up = |asked: &str| match asked {
            "ECHOES_REGION" => Some("eu-west-1".to_owned()),
            "ECHOES_REDIS_URL" => Some("redis://127.0.0.1:6379".to_owned()),
            "ECHOES_MEMCACHED_SERVERS" => Some("127.0.0.1:11211".to_owned()),
            "ECHOES_OPENSEARCH_URL" => Some("http://127.0.0.1:9201".to_owned()),
            _ => None,
        };
        let cache = WorkerConfig::read(&Environment::new(look_up)).unwrap().cache;
        assert!(cache.redis.is_some() && cache.memcached.is_none() && cache.memory_bytes == 0);
        assert!(WorkerConfig::read_for_ever(&Environment::new(look_up)).is_ok());
        let without = |asked: &str| if asked == "ECHOES_REGION" { look_up(asked) } else { None };
        let error = WorkerConfig::read_for_ever(&Environment::new(without)).unwrap_err();
        assert!(error.to_string().starts_with("ECHOES_REDIS_URL: "), "{error}");
        let blind = |asked: &str| if asked == "ECHOES_OPENSEARCH_URL" { None } else { look_up(asked) };
        let error = WorkerConfig::read_for_ever(&Environment::new(blind)).unwrap_err();
        assert!(error.to_string().starts_with("ECHOES_OPENSEARCH_URL: "), "{error}");
        assert!(WorkerConfig::read(&Environment::new(blind)).is_ok());
        let odd = |asked: &str| if asked == "ECHOES_REDIS_URL" { Some("cache".to_owned()) } else { look_up(asked) };
        assert_eq!(WorkerConfig::read(&Environment::new(odd)).unwrap_err().variable, "ECHOES_REDIS_URL");
    }

    #[test]
    fn the_sweeps_rate_is_a_number_in_bounds() {
        let read = |value: Option<&str>| {
            let look_up = |asked: &str| value.filter(|_| asked == "ECHOES_SWEEP_UNITS_PER_SECOND").map(str::to_owned);
            WorkConfig::read(&Environment::new(look_up))
        };
        assert_eq!(read(None).unwrap().sweep_units_per_second, DEFAULT_SWEEP_UNITS_PER_SECOND);
        assert_eq!(read(Some("0")).unwrap().sweep_units_per_second, 0);
        for value in ["", "-1", "2.5", "fast", "4001", "99999999999"] {
            assert_eq!(read(Some(value)).unwrap_err().variable, "ECHOES_SWEEP_UNITS_PER_SECOND", "{value}");
        }
    }
}
