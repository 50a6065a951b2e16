//! `echoes serve --work` as a process, and what its callers and its operator see of it.

use std::process::Command;
use std::time::{Duration, Instant};

use echoes_shared::Region;
use echoes_shared::sigv4::keys::EdgeKey;
use echoes_shared::sigv4::sign::{Call, signature_headers};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::programs::{Program, SERVERS, free_port, pinned};
use crate::servers::Servers;

const KEY_ID: &str = "EDGE1";
const SECRET: &str = "a-secret-of-the-benchmark";
const REQUEST_ID: (&str, &str) = ("x-echoes-request-id", "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20");
/// Between two looks at what is visible.
pub const LOOK: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(180);

/// A running core.
pub struct Core {
    pub program: Program,
    client: Client<HttpConnector, Full<Bytes>>,
    api: String,
    admin: String,
}

impl Core {
    /// Starts one over the tables of an engine.
    pub fn start(dynamodb: &str, servers: &Servers) -> Self {
        let (port, admin) = (free_port(), free_port());
        let mut command: Command = pinned(SERVERS, env!("CARGO_BIN_EXE_echoes"));
        command.args(["serve", "--work"]).envs([
            ("ECHOES_REGION", "eu-west-1"),
            ("ECHOES_REGIONS", "eu-west-1"),
            ("ECHOES_LISTEN", &format!("127.0.0.1:{port}")),
            ("ECHOES_ADMIN_LISTEN", &format!("127.0.0.1:{admin}")),
            ("ECHOES_EDGE_KEYS", &format!("{KEY_ID}:{SECRET}")),
            ("ECHOES_CURSOR_KEYS", "k1:a-secret-of-sixteen-or-more"),
            ("ECHOES_AUDIO_BUCKET", "echoes-audio"),
            ("ECHOES_REDIS_URL", &format!("redis://127.0.0.1:{}", servers.redis_port)),
            ("ECHOES_OPENSEARCH_URL", &servers.opensearch),
            ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]);
        Self {
            program: Program::start(command, port),
            client: Client::builder(TokioExecutor::new()).build_http(),
            api: format!("http://127.0.0.1:{port}"),
            admin: format!("http://127.0.0.1:{admin}"),
        }
    }

    /// A signed call; its answer as soon as the head is there.
    pub async fn call(&self, method: &str, path: &str, own: &[(&str, &str)], body: Vec<u8>) -> Response<Incoming> {
        let key = EdgeKey::new(KEY_ID, SECRET).unwrap();
        let url = format!("{}{path}", self.api);
        let own: Vec<(&str, &str)> = own.iter().copied().chain([REQUEST_ID]).collect();
        let signed: Vec<(&str, &str)> =
            own.iter().copied().filter(|(name, _)| name.starts_with("x-echoes-")).collect();
        let call = Call { method, url: &url, headers: &signed, body: &body };
        let signature = signature_headers(call, &key, Region::EuWest1, echoes_core::clock::now()).unwrap();
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in &signature {
            request = request.header(name, value);
        }
        for (name, value) in own {
            request = request.header(name, value);
        }
        self.client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap()
    }

    /// A signed read's body.
    pub async fn read(&self, path: &str) -> serde_json::Value {
        let answer = self.call("GET", path, &[], Vec::new()).await;
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Waits until every sink has been through so many records.
    pub async fn await_records(&self, count: u64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let done = self.records_of_each_sink().await;
            if done.len() == SINKS && done.iter().all(|(_, done)| *done >= count) {
                return;
            }
            assert!(Instant::now() < until, "the stream is not read: {done:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until it is ready.
    pub async fn await_ready(&self) {
        let until = Instant::now() + PATIENCE;
        while !self.admin("/readyz").await.0 {
            assert!(Instant::now() < until, "not ready");
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn records_of_each_sink(&self) -> Vec<(String, u64)> {
        let (_, text) = self.admin("/metrics").await;
        let mut sinks: Vec<(String, u64)> = Vec::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("echoes_stream_records_total{")) {
            let sink = line.split("sink=\"").nth(1).unwrap().split('"').next().unwrap();
            let records = line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64;
            match sinks.iter_mut().find(|(name, _)| name == sink) {
                Some((_, sum)) => *sum += records,
                None => sinks.push((sink.to_owned(), records)),
            }
        }
        sinks
    }

    async fn admin(&self, path: &str) -> (bool, String) {
        let request = Request::get(format!("{}{path}", self.admin));
        let answer = self.client.request(request.body(Full::default()).unwrap()).await.unwrap();
        let is_well = answer.status().is_success();
        (is_well, String::from_utf8_lossy(&answer.into_body().collect().await.unwrap().to_bytes()).into_owned())
    }
}

/// All of `echoes_core::sinks::SinkName`.
const SINKS: usize = echoes_core::sinks::SinkName::ALL.len();
