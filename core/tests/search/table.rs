//! A table of eu-west-1 in memory, and the program with the variables for it.

use std::process::Stdio;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use dynoxide::Database;
use echoes_core::config::{Environment, StoreConfig};
use echoes_core::metrics::Metrics;
use echoes_core::store::table::Billing;
use echoes_core::store::{NewItem, Store};
use echoes_shared::{Echo, Timestamp};
use tokio::net::TcpListener;
use tokio::process::Command;

/// It answers while the test's runtime lives.
pub struct Table {
    endpoint: String,
    pub store: Store,
}

impl Table {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, Database::memory().unwrap()));
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&endpoint)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let look_up = |asked: &str| (asked == "ECHOES_REGION").then(|| "eu-west-1".to_owned());
        let names = StoreConfig::read(&Environment::new(look_up)).unwrap();
        let store = Store::over(Client::from_conf(config), names, Metrics::new().unwrap());
        store.create_tables(Billing::OnDemand, |_| {}).await.unwrap();
        Self { endpoint, store }
    }

    /// Puts echoes where nothing lies.
    pub async fn put(&self, echoes: &[Echo], now: Timestamp) {
        for echo in echoes {
            self.store.restore(&NewItem::restored(echo.clone()), now).await.unwrap();
        }
    }

    /// Leaves a tombstone in the place of an echo.
    pub async fn delete(&self, echo: &Echo, now: Timestamp) {
        self.store.delete(&echo.user_id, echo.echo_id, false, now).await.unwrap();
    }

    /// The program with these arguments.
    pub fn program(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echoes"));
        let variables = [
            ("ECHOES_REGION", "eu-west-1"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.endpoint),
        ];
        command.args(args).env_clear().envs(variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}
