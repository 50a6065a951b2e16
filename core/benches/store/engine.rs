//! The engine in a process of its own, so that its work is not counted as ours.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use echoes_core::config::{Environment, StoreConfig};
use echoes_core::metrics::Metrics;
use echoes_core::store::Store;
use echoes_core::store::table::Billing;
use tokio::net::TcpListener;

/// The argument that makes this program the engine.
pub const ROLE: &str = "engine";
const STREAM_INDEXES: &str = include_str!("../../../infra/local/src/ledger/stream_indexes.sql");

/// A running engine and the folder of its file; both end with it.
pub struct Engine {
    pub endpoint: String,
    process: Child,
    _folder: tempfile::TempDir,
}

/// Serves the engine over a file in `folder` until the process is killed, and says where on stdout.
pub async fn serve(folder: &Path) {
    let path = folder.join("engine.db");
    let database = dynoxide::Database::new(path.to_str().unwrap()).unwrap();
    // A commit waits for no disk, for the peers as for us: what is measured is the way to the engine.
    database.enable_bulk_loading().unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch(STREAM_INDEXES).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    let _ = dynoxide::server::serve_on(listener, database).await;
}

impl Engine {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([ROLE.as_ref(), folder.path().as_os_str()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { endpoint: format!("http://{}", address.trim()), process, _folder: folder }
    }

    /// A client as anybody would make one.
    pub fn client(&self) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&self.endpoint)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Client::from_conf(config)
    }

    /// A store of eu-west-1 over new, empty tables.
    pub async fn store(&self) -> Store {
        self.metered(Metrics::new().unwrap()).await
    }

    /// The same, counting into `metrics`.
    pub async fn metered(&self, metrics: Metrics) -> Store {
        let look_up = |name: &str| (name == "ECHOES_REGION").then(|| "eu-west-1".to_owned());
        let config = StoreConfig::read(&Environment::new(look_up)).unwrap();
        let store = Store::over(self.client(), config, metrics);
        store.create_tables(Billing::OnDemand, |_| {}).await.unwrap();
        store
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
