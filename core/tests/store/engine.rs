//! Starts a DynamoDB engine for one test and stops it with it.

#[path = "../shared/database.rs"]
mod database;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use echoes_core::cache::{Cache, CacheConfig, Lifetimes};
use echoes_core::config::{Environment, StoreConfig};
use echoes_core::metrics::Metrics;
use echoes_core::service::Service;
use echoes_core::store::Store;
use echoes_core::store::table::Billing;
use echoes_shared::cursor::CursorKeys;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// A running engine.
pub struct Engine {
    endpoint: String,
    _process: Option<Child>,
}

impl Engine {
    /// dynoxide, inside this process and in memory.
    pub async fn dynoxide() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, database::in_memory()));
        Self { endpoint, _process: None }
    }

    /// AWS's DynamoDB Local, a Java process in memory.
    #[expect(clippy::disallowed_methods, reason = "the test's own environment, set by `make test`")]
    pub async fn dynamodb_local() -> Self {
        let folder = std::env::var("ECHOES_DYNAMODB_LOCAL")
            .expect("ECHOES_DYNAMODB_LOCAL names the folder of DynamoDB Local's jars; `make test` sets it");
        let library: PathBuf = folder.into();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let process = Command::new("java")
            .arg(format!("-Djava.library.path={}", library.display()))
            .arg("-cp")
            .arg(library.join("*"))
            .arg("com.amazonaws.services.dynamodbv2.local.main.ServerRunner")
            .args(["-inMemory", "-sharedDb", "-disableTelemetry", "-port", &port.to_string()])
            // It leaves a file of its own where it runs.
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("java 17 runs DynamoDB Local");
        let engine = Self { endpoint: format!("http://127.0.0.1:{port}"), _process: Some(process) };
        engine.await_answer().await;
        engine
    }

    async fn await_answer(&self) {
        let mut poll = tokio::time::interval(Duration::from_millis(200));
        for _ in 0..150 {
            poll.tick().await;
            if self.client().list_tables().send().await.is_ok() {
                return;
            }
        }
        panic!("{} did not answer within 30 s", self.endpoint);
    }

    /// A client of the engine itself, for what the store would never write.
    pub fn client(&self) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&self.endpoint)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Client::from_conf(config)
    }

    /// A client of its streams.
    pub fn stream_client(&self) -> aws_sdk_dynamodbstreams::Client {
        let config = aws_sdk_dynamodbstreams::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&self.endpoint)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        aws_sdk_dynamodbstreams::Client::from_conf(config)
    }

    /// A store of `region` over tables whose names begin with `prefix`, not yet created.
    pub fn tables(&self, prefix: &str, region: &str) -> Store {
        self.tables_apart(prefix, prefix, region)
    }

    /// The same with the settings, markers and counts of other tables: as if those had not been replicated yet.
    pub fn tables_apart(&self, prefix: &str, ops: &str, region: &str) -> Store {
        Self::tables_through(self.client(), prefix, ops, region)
    }

    /// The same through a client of the caller's making, such as one with an interceptor.
    pub fn tables_through(client: Client, prefix: &str, ops: &str, region: &str) -> Store {
        let look_up = |name: &str| match name {
            "ECHOES_REGION" => Some(region.to_owned()),
            "ECHOES_TABLE" => Some(format!("{prefix}-echoes")),
            "ECHOES_OPS_TABLE" => Some(format!("{ops}-ops")),
            "ECHOES_LOCAL_TABLE" => Some(format!("{prefix}-local")),
            _ => None,
        };
        let config = StoreConfig::read(&Environment::new(look_up)).unwrap();
        Store::over(client, config, Metrics::new().unwrap())
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The same engine behind something that listens elsewhere.
    pub fn behind(&self, endpoint: String) -> Self {
        Self { endpoint, _process: None }
    }

    /// A service of `region` over the tables of `prefix`, which keeps nothing, so that a test may write behind its back.
    pub fn service_of(&self, prefix: &str, region: echoes_shared::Region) -> Service {
        let none = CacheConfig { memory_bytes: 0, redis: None, memcached: None };
        let cache = Cache::new(&none, region, Lifetimes::default(), Metrics::new().unwrap());
        self.service_behind(cache, prefix, region)
    }

    /// The same behind caches of the test's making.
    pub fn service_behind(&self, cache: Cache, prefix: &str, region: echoes_shared::Region) -> Service {
        let store = self.tables(prefix, region.as_str());
        let cursor_keys = CursorKeys::parse("test:secret-of-cursors").unwrap();
        Service::new(store, region, cursor_keys, "echoes-audio".parse().unwrap(), cache)
    }

    /// A service of eu-west-1 over new, empty tables.
    pub async fn service(&self, prefix: &str) -> Service {
        self.store(prefix).await;
        self.service_of(prefix, echoes_shared::Region::EuWest1)
    }

    /// A store of eu-west-1 over new, empty tables.
    pub async fn store(&self, prefix: &str) -> Store {
        let store = self.tables(prefix, "eu-west-1");
        store.create_tables(Billing::OnDemand, |_| {}).await.unwrap();
        store
    }
}
