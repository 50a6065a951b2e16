//! One region for one test: dynoxide in memory behind a port of its own, and the program with the variables for it.

#[path = "../shared/database.rs"]
mod database;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region as SdkRegion};
use aws_sdk_dynamodb::types::Select;
use dynoxide::Database;
use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::{GetRecordsRequest, Record};
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use echoes_core::config::{Environment, StoreConfig};
use echoes_core::metrics::Metrics;
use echoes_core::store::Store;
use echoes_core::store::table::Billing;
use echoes_shared::{Emotion, NewEcho};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;

/// The address of a Redis that is not there, for work that goes on without.
pub const NO_REDIS: &str = "redis://127.0.0.1:1";

/// The address of an OpenSearch that is not there either.
const NO_OPENSEARCH: &str = "http://127.0.0.1:1";

pub const ECHOES: &str = "EchoesTable";
pub const LOCAL: &str = "EchoesLocal";

/// Nothing but an emotion.
pub fn content(emotion: Emotion) -> NewEcho {
    NewEcho {
        emotion,
        s3_url: None,
        location: None,
        tags: None,
        transcript: None,
        detected_mood: None,
        metadata: None,
        days_to_live: None,
    }
}

/// A region that serves while the test's runtime lives.
pub struct Region {
    endpoint: String,
    address: SocketAddr,
    database: Database,
    server: Option<JoinHandle<()>>,
}

impl Region {
    /// An engine without tables.
    pub async fn empty() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let database = database::in_memory();
        let mut region = Self { endpoint: format!("http://{address}"), address, database, server: None };
        region.come_back().await;
        region
    }

    /// Nothing answers from now on.
    pub async fn go_away(&mut self) {
        let server = self.server.take().unwrap();
        server.abort();
        let _ = server.await;
    }

    /// It answers again, with the same tables.
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let serving = dynoxide::server::serve_on(listener, self.database.clone());
        self.server = Some(tokio::spawn(serving));
    }

    /// An engine with the tables.
    pub async fn new() -> Self {
        let region = Self::empty().await;
        region.store("eu-west-1").create_tables(Billing::OnDemand, |_| {}).await.unwrap();
        region
    }

    /// A store as a core of `name` has it, over the same tables.
    pub fn store(&self, name: &str) -> Store {
        let look_up = |asked: &str| (asked == "ECHOES_REGION").then(|| name.to_owned());
        let config = StoreConfig::read(&Environment::new(look_up)).unwrap();
        Store::over(self.client(), config, Metrics::new().unwrap())
    }

    /// A client of the engine itself.
    pub fn client(&self) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(SdkRegion::new("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&self.endpoint)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Client::from_conf(config)
    }

    /// The program with these arguments, as a core of eu-west-1.
    pub fn program(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echoes"));
        let variables = [
            ("ECHOES_REGION", "eu-west-1"),
            ("ECHOES_LISTEN", "127.0.0.1:0"),
            ("ECHOES_EDGE_KEYS", "EDGE1:a-secret"),
            ("ECHOES_CURSOR_KEYS", "k1:a-secret-of-sixteen-or-more"),
            ("ECHOES_AUDIO_BUCKET", "echoes-audio"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.endpoint),
        ];
        command.args(args).env_clear().envs(variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// The same where both servers that work beside serving needs are away.
    pub fn without_servers(&self, args: &[&str]) -> Command {
        let mut command = self.program(args);
        command.env("ECHOES_REDIS_URL", NO_REDIS).env("ECHOES_OPENSEARCH_URL", NO_OPENSEARCH);
        command
    }

    /// Echoes in an index.
    pub async fn count(&self, index: &str) -> usize {
        let scan = || self.client().scan().table_name(ECHOES).index_name(index).select(Select::Count);
        let (mut count, mut start) = (0, None);
        loop {
            let page = scan().set_exclusive_start_key(start).send().await.unwrap();
            count += usize::try_from(page.count).unwrap();
            start = page.last_evaluated_key;
            if start.is_none() {
                return count;
            }
        }
    }

    /// Every item of a table by its key, each as text: two texts are equal where the items are.
    pub async fn items(&self, table: &str) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut items = BTreeMap::new();
        let mut start = None;
        loop {
            let page = self.client().scan().table_name(table).set_exclusive_start_key(start).send().await.unwrap();
            for item in page.items.unwrap_or_default() {
                let item: BTreeMap<String, String> =
                    item.into_iter().map(|(name, value)| (name, format!("{value:?}"))).collect();
                let key = ["userId", "timestamp", "pk", "sk"].map(|name| item.get(name).cloned().unwrap_or_default());
                items.insert(key.concat(), item);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return items;
            }
        }
    }

    /// Every change of a table so far, in order.
    pub fn changes(&self, table: &str) -> Vec<Record> {
        let streams = ListStreamsRequest { table_name: Some(table.to_owned()), ..Default::default() };
        let stream_arn = self.database.list_streams(streams).unwrap().streams.remove(0).stream_arn;
        let description = DescribeStreamRequest { stream_arn: stream_arn.clone(), ..Default::default() };
        let shards = self.database.describe_stream(description).unwrap().stream_description.shards;
        let mut changes = Vec::new();
        for shard in shards {
            let request = GetShardIteratorRequest {
                stream_arn: stream_arn.clone(),
                shard_id: shard.shard_id,
                shard_iterator_type: "TRIM_HORIZON".to_owned(),
                sequence_number: None,
            };
            let mut next = self.database.get_shard_iterator(request).unwrap().shard_iterator;
            while let Some(shard_iterator) = next {
                let page = self.database.get_records(GetRecordsRequest { shard_iterator, limit: None }).unwrap();
                // An open shard never ends.
                next = page.next_shard_iterator.filter(|_| !page.records.is_empty());
                changes.extend(page.records);
            }
        }
        changes
    }
}
