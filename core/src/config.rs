//! The environment: the only place that reads it, one struct for each thing configured.

mod cache;
mod opensearch;
mod search;
mod work;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use echoes_shared::Region;
use echoes_shared::cursor::CursorKeys;
use echoes_shared::sigv4::keys::EdgeKeys;

pub use cache::{CacheConfig, MemcachedServers, RedisUrl};
pub use opensearch::OpenSearchUrl;
pub use search::search_folder;
pub use work::{WorkConfig, WorkerConfig};

/// Ports between the main listener and the admin one (contract, *Between edge and core*).
const ADMIN_PORT_OFFSET: u16 = 100;
/// Requests that one core works on at a time unless `ECHOES_MAX_IN_FLIGHT` says otherwise. At the seed's 10 million
/// reads a day and 10 ms each about one is in flight; the bound is for the day when DynamoDB takes a second.
const DEFAULT_MAX_IN_FLIGHT: usize = 512;
const MAX_MAX_IN_FLIGHT: usize = 65_536;
/// Live streams that one core holds unless `ECHOES_MAX_LIVE` says otherwise: each is a connection and no more (issue: *a bound on
/// connections*).
const DEFAULT_MAX_LIVE: usize = 1_000;
const MAX_MAX_LIVE: usize = 65_536;
/// A variable that is missing or malformed.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    variable: &'static str,
    problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// Looks variables up; the process's own environment is [`Environment::process`].
pub struct Environment<'a>(Box<LookUp<'a>>);

type LookUp<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl<'a> Environment<'a> {
    /// The environment of this process. A value that is no text reads as empty, and so as malformed.
    #[expect(clippy::disallowed_methods, reason = "everything else is configured through this look-up")]
    pub fn process() -> Self {
        Self::new(|name| std::env::var_os(name).map(|value| value.into_string().unwrap_or_default()))
    }

    /// An environment of `look_up`'s answers.
    pub fn new(look_up: impl Fn(&str) -> Option<String> + 'a) -> Self {
        Self(Box::new(look_up))
    }

    fn required<T: FromStr<Err: fmt::Display>>(&self, variable: &'static str) -> Result<T, ConfigError> {
        self.read(variable, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    fn optional<T: FromStr<Err: fmt::Display>>(&self, variable: &'static str) -> Result<Option<T>, ConfigError> {
        self.optional_read(variable, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    fn optional_read<T>(
        &self,
        variable: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        if (self.0)(variable).is_some() { self.read(variable, parse).map(Some) } else { Ok(None) }
    }

    fn read<T>(
        &self,
        variable: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let error = |problem: String| ConfigError { variable, problem };
        let text = (self.0)(variable).ok_or_else(|| error("is required".into()))?;
        parse(&text).map_err(error)
    }
}

/// A table's or bucket's name: 3–255 of `a-z A-Z 0-9 _ . -`.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        let fits = (3..=255).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text.to_owned())) } else { Err("must be 3 to 255 of A-Z a-z 0-9 _ . -") }
    }
}

/// The tables of one region. The AWS SDK's own variables say where DynamoDB is and with which credentials.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `ECHOES_REGION`: the region this process serves.
    pub region: Region,
    /// `ECHOES_TABLE` (`EchoesTable`): the echoes, a global table.
    pub echoes: Name,
    /// `ECHOES_OPS_TABLE` (`EchoesOps`): counters, markers and settings, a global table.
    pub ops: Name,
    /// `ECHOES_LOCAL_TABLE` (`EchoesLocal`): leases, checkpoints and dead letters of this region alone.
    pub local: Name,
    /// `ECHOES_REGIONS` (all four): the regions that hold the global tables, the same everywhere; an erasure is done when
    /// each of them says so.
    pub regions: Vec<Region>,
    /// `AWS_ENDPOINT_URL_DYNAMODB_STREAMS` (`AWS_ENDPOINT_URL_DYNAMODB`, or AWS's own): where the table's stream is read.
    pub streams_endpoint: Option<String>,
}

impl StoreConfig {
    /// Reads the variables above.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let table = |variable, default: &str| -> Result<Name, ConfigError> {
            Ok(environment.optional(variable)?.unwrap_or_else(|| Name(default.to_owned())))
        };
        let region = environment.required("ECHOES_REGION")?;
        let regions = environment.optional_read(REGIONS, |text| regions(text, region))?;
        Ok(Self {
            region,
            echoes: table("ECHOES_TABLE", "EchoesTable")?,
            ops: table("ECHOES_OPS_TABLE", "EchoesOps")?,
            local: table("ECHOES_LOCAL_TABLE", "EchoesLocal")?,
            regions: regions.unwrap_or_else(|| Region::ALL.to_vec()),
            streams_endpoint: streams_endpoint(environment)?,
        })
    }
}

/// Whoever moves DynamoDB elsewhere moves its streams with it: the embedded engines serve both at one address.
fn streams_endpoint(environment: &Environment<'_>) -> Result<Option<String>, ConfigError> {
    for variable in ["AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "AWS_ENDPOINT_URL_DYNAMODB"] {
        if let Some(url) = environment.optional_read(variable, |text| Ok(text.to_owned()))? {
            return Ok(Some(url));
        }
    }
    Ok(None)
}

const REGIONS: &str = "ECHOES_REGIONS";

/// Regions with commas between them, `own` among them.
fn regions(text: &str, own: Region) -> Result<Vec<Region>, String> {
    let mut regions: Vec<Region> = text.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|error| {
        let error: echoes_shared::region::UnknownRegion = error;
        format!("each {error}")
    })?;
    regions.sort_unstable();
    regions.dedup();
    if regions.contains(&own) { Ok(regions) } else { Err(format!("must contain {own}, this process's own")) }
}

/// What `echoes serve` needs.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The tables.
    pub store: StoreConfig,
    /// `ECHOES_LISTEN`: address and port of the signed API.
    pub listen: SocketAddr,
    /// `ECHOES_ADMIN_LISTEN` (the same address, port + 100): health, readiness and metrics, unsigned.
    pub admin_listen: SocketAddr,
    /// `ECHOES_EDGE_KEYS`: who may call.
    pub edge_keys: EdgeKeys,
    /// `ECHOES_CURSOR_KEYS`: the same in every region.
    pub cursor_keys: CursorKeys,
    /// `ECHOES_AUDIO_BUCKET`: where audio lies; an `s3Url` must name it.
    pub audio_bucket: Name,
    /// `ECHOES_MAX_IN_FLIGHT` (512): requests worked on at a time; one more is answered 503.
    pub max_in_flight: usize,
    /// `ECHOES_MAX_LIVE` (1,000): live streams at a time, beside the requests; one more is answered 503. 0 switches them off.
    pub max_live: usize,
    /// The caches.
    pub cache: CacheConfig,
    /// Where echoes are searched; `None` is in an index of the process itself, if it works too.
    pub opensearch: Option<OpenSearchUrl>,
    /// See [`search_folder`].
    pub search_folder: Option<PathBuf>,
    /// `RUST_LOG` (`info`): what is logged.
    pub log_filter: String,
}

impl ServeConfig {
    /// Reads the variables above.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let store = StoreConfig::read(environment)?;
        let listen: SocketAddr = environment.required("ECHOES_LISTEN")?;
        let admin_listen = match environment.optional("ECHOES_ADMIN_LISTEN")? {
            Some(address) => address,
            None => default_admin(listen)?,
        };
        let max_in_flight = environment.optional("ECHOES_MAX_IN_FLIGHT")?.unwrap_or(DEFAULT_MAX_IN_FLIGHT);
        if !(1..=MAX_MAX_IN_FLIGHT).contains(&max_in_flight) {
            let problem = format!("must be 1 to {MAX_MAX_IN_FLIGHT}");
            return Err(ConfigError { variable: "ECHOES_MAX_IN_FLIGHT", problem });
        }
        let max_live = environment.optional("ECHOES_MAX_LIVE")?.unwrap_or(DEFAULT_MAX_LIVE);
        if max_live > MAX_MAX_LIVE {
            let problem = format!("must be 0 to {MAX_MAX_LIVE}");
            return Err(ConfigError { variable: "ECHOES_MAX_LIVE", problem });
        }
        Ok(Self {
            store,
            listen,
            admin_listen,
            edge_keys: environment.read("ECHOES_EDGE_KEYS", |text| EdgeKeys::parse(text).map_err(Into::into))?,
            cursor_keys: environment
                .read("ECHOES_CURSOR_KEYS", |text| CursorKeys::parse(text).map_err(Into::into))?,
            audio_bucket: environment.required("ECHOES_AUDIO_BUCKET")?,
            max_in_flight,
            max_live,
            cache: CacheConfig::read(environment)?,
            opensearch: OpenSearchUrl::read(environment)?,
            search_folder: search_folder(environment)?,
            log_filter: read_log_filter(environment)?,
        })
    }
}

fn read_log_filter(environment: &Environment<'_>) -> Result<String, ConfigError> {
    Ok(environment.optional_read("RUST_LOG", log_filter)?.unwrap_or_else(|| "info".to_owned()))
}

/// A filter in the form that `tracing` reads.
fn log_filter(text: &str) -> Result<String, String> {
    tracing_subscriber::EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn default_admin(listen: SocketAddr) -> Result<SocketAddr, ConfigError> {
    // Port 0 asks the system for a free one, and so does its neighbour.
    let port = match listen.port() {
        0 => Some(0),
        port => port.checked_add(ADMIN_PORT_OFFSET),
    };
    let port = port.ok_or(ConfigError {
        variable: "ECHOES_ADMIN_LISTEN",
        problem: "is required where ECHOES_LISTEN's port + 100 is none".into(),
    })?;
    Ok(SocketAddr::new(listen.ip(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[(&str, &str)] = &[
        ("ECHOES_REGION", "eu-west-1"),
        ("ECHOES_LISTEN", "127.0.0.1:7003"),
        ("ECHOES_EDGE_KEYS", "EDGE1:a-secret"),
        ("ECHOES_CURSOR_KEYS", "k1:a-secret-of-sixteen-or-more"),
        ("ECHOES_AUDIO_BUCKET", "echoes-audio"),
    ];

    fn read_with(name: &str, value: Option<&str>) -> Result<ServeConfig, ConfigError> {
        let look_up = |asked: &str| {
            if asked == name {
                return value.map(str::to_owned);
            }
            GOOD.iter().find(|(known, _)| *known == asked).map(|(_, text)| (*text).to_owned())
        };
        ServeConfig::read(&Environment::new(look_up))
    }

    #[test]
    fn defaults_are_the_contracts() {
        let config = read_with("", None).unwrap();
        assert_eq!(config.admin_listen.port(), 7103);
        assert_eq!(config.store.echoes.as_str(), "EchoesTable");
        assert_eq!(config.store.regions, Region::ALL);
        let two = read_with("ECHOES_REGIONS", Some("eu-west-1,us-east-1,eu-west-1")).unwrap().store.regions;
        assert_eq!(two, [Region::UsEast1, Region::EuWest1]);
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn every_fault_names_its_variable() {
        for (name, _) in GOOD {
            assert_eq!(read_with(name, None).unwrap_err().variable, *name);
        }
        for (name, value) in [
            ("ECHOES_REGION", "mars-north-1"),
            ("ECHOES_LISTEN", "7003"),
            ("ECHOES_LISTEN", ""),
            ("ECHOES_ADMIN_LISTEN", "localhost"),
            ("ECHOES_EDGE_KEYS", "EDGE1"),
            ("ECHOES_CURSOR_KEYS", "k1:abc"),
            ("ECHOES_AUDIO_BUCKET", "a/b"),
            ("ECHOES_TABLE", "x"),
            ("ECHOES_REGIONS", ""),
            ("ECHOES_REGIONS", "us-east-1"),
            ("ECHOES_REGIONS", "eu-west-1,mars-north-1"),
            ("ECHOES_MAX_IN_FLIGHT", "0"),
            ("ECHOES_MAX_IN_FLIGHT", "many"),
            ("ECHOES_MAX_LIVE", "-1"),
            ("ECHOES_MAX_LIVE", "65537"),
            ("ECHOES_CACHE_MEMORY_BYTES", "much"),
            ("ECHOES_REDIS_URL", "http://cache.example"),
            ("ECHOES_MEMCACHED_SERVERS", "cache.example:11211"),
            ("ECHOES_OPENSEARCH_URL", "search.example:9200"),
            ("ECHOES_SEARCH_PATH", ""),
            ("RUST_LOG", "echoes=debgu"),
        ] {
            assert_eq!(read_with(name, Some(value)).unwrap_err().variable, name, "{value}");
        }
        assert_eq!(read_with("ECHOES_LISTEN", Some("0.0.0.0:65500")).unwrap_err().variable, "ECHOES_ADMIN_LISTEN");
    }
}
