//! A real OpenSearch under the control API: one for all regions, which keeps what it was given.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use echoes_local::console::Console;
use echoes_local::layout::loopback;
use echoes_local::servers::{Kind, Plan, Servers, opensearch};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::control::{ask, serve_full};
use crate::support::{Stack, send};

/// Longer than a server that runs takes to answer.
const SILENCE: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "the test's own environment, set by `make test`")]
fn jars() -> PathBuf {
    let folder = std::env::var("ECHOES_OPENSEARCH");
    folder.expect("ECHOES_OPENSEARCH names the folder of OpenSearch's jars; `make test` sets it").into()
}

/// A free port among those that its runner takes, other than the stack's own.
fn free_port() -> u16 {
    let mut ports = 9210..9299;
    ports.find(|port| TcpListener::bind(loopback(*port)).is_ok()).unwrap()
}

async fn found(port: u16) -> Result<StatusCode, &'static str> {
    let url = format!("http://{}/kept", loopback(port));
    let request = Request::builder().method(Method::HEAD).uri(url).body(String::new()).unwrap();
    match timeout(SILENCE, send(request)).await {
        Err(_) => Err("silent"),
        Ok(answer) => answer.map(|(status, _)| status).map_err(|_| "refused"),
    }
}

async fn change(url: &str, region: &str, state: &str) {
    let body = json!({ "opensearch": state }).to_string();
    let (status, answer) = ask(Method::PATCH, format!("{url}/regions/{region}"), &body).await;
    assert_eq!((status, &answer["opensearch"]), (StatusCode::OK, &json!(state)), "{answer}");
    let (_, regions) = ask(Method::GET, format!("{url}/regions"), "").await;
    for region in regions.as_array().unwrap() {
        assert_eq!(region["opensearch"], *state, "what befalls it befalls every region");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_regions_share_one_that_is_stopped_hung_and_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::open(&folder.path().join("data")).await;
    let port = free_port();
    let spec = opensearch(port, &folder.path().join("data/opensearch"), &jars(), None).unwrap();
    let plan = Plan { region: None, kind: Kind::OpenSearch, name: "opensearch".to_owned(), port, spec };
    let servers = Arc::new(Servers::new(vec![plan], Console::new()));
    servers.start(&[Kind::Redis]).await.unwrap();
    let url = serve_full(&stack, Arc::default(), servers.clone()).await;
    let (_, regions) = ask(Method::GET, format!("{url}/regions"), "").await;
    assert_eq!((&regions[0]["opensearch"], &regions[0]["redis"]), (&json!("stopped"), &Value::Null));

    change(&url, "eu-west-1", "running").await;
    assert_eq!(found(port).await, Ok(StatusCode::NOT_FOUND));
    let (status, _) = ask(Method::PUT, format!("http://{}/kept", loopback(port)), "").await;
    assert_eq!(status, StatusCode::OK);
    // No index by itself: what writes to one that is not there is told so.
    let write =
        Request::post(format!("http://{}/other/_doc/1", loopback(port))).header("content-type", "application/json");
    let (status, _) = send(write.body("{}".to_owned()).unwrap()).await.unwrap();
    assert_eq!(status, StatusCode::NOT_FOUND);

    change(&url, "us-east-1", "hung").await;
    assert_eq!(found(port).await, Err("silent"));
    change(&url, "us-west-2", "stopped").await;
    assert_eq!(found(port).await, Err("refused"));
    change(&url, "eu-west-1", "running").await;
    assert_eq!(found(port).await, Ok(StatusCode::OK), "it kept its index");
    servers.close().await;
    assert_eq!(found(port).await, Err("refused"));
    stack.stop().await;
}
