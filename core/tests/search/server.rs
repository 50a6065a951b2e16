//! A real OpenSearch of one node, and calls to it behind the index's back.

#[path = "../shared/opensearch.rs"]
mod launch;

use std::process::Stdio;
use std::time::Duration;

use echoes_core::search::opensearch::OpenSearch;
use echoes_shared::Region;
use reqwest::{Client, Method};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// It takes ten seconds of a processor that nobody else wants.
const READY: Duration = Duration::from_secs(180);

/// A server that ends with the test.
pub struct Server {
    pub url: String,
    client: Client,
    _process: Child,
    _folder: TempDir,
}

/// A client of the test's own.
pub fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

impl Server {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let java = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
        let mut process = Command::from(launch::command(folder.path(), &java).0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("java 17 runs OpenSearch");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = async {
            let mut url = String::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(port) = line.strip_prefix("HTTP Port:") {
                    url = format!("http://127.0.0.1:{}", port.trim());
                    break;
                }
            }
            assert!(!url.is_empty(), "it ended before it listened");
            let client = client();
            let mut poll = tokio::time::interval(Duration::from_millis(200));
            loop {
                poll.tick().await;
                let health = client.get(format!("{url}/_cluster/health?wait_for_status=yellow")).send().await;
                if health.is_ok_and(|health| health.status() == 200) {
                    return (url, client);
                }
            }
        };
        let (url, client) = tokio::time::timeout(READY, ready).await.expect("it starts");
        // Its log goes on.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { url, client, _process: process, _folder: folder }
    }

    /// The index of a region that has none yet.
    pub async fn fresh(&self, region: Region) -> OpenSearch {
        let (status, all) = self.call(Method::GET, &format!("/echoes-{region}-*/_alias"), Value::Null).await;
        assert_eq!(status, 200, "{all}");
        for name in all.as_object().unwrap().keys() {
            let (status, answer) = self.call(Method::DELETE, &format!("/{name}"), Value::Null).await;
            assert_eq!(status, 200, "{answer}");
        }
        self.index(region)
    }

    /// The index of a region as another process has it.
    pub fn index(&self, region: Region) -> OpenSearch {
        OpenSearch::new(self.url.parse().unwrap(), region).unwrap()
    }

    /// Calls the server itself.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }
}
