//! Real cache servers under the control API: stopped, hung, ended by themselves, and started again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use echoes_local::console::Console;
use echoes_local::cores::Cores;
use echoes_local::layout::loopback;
use echoes_local::process::RunState;
use echoes_local::servers::{Kind, Plan, Servers, memcached, redis};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::control::{ask, serve_full};
use crate::support::{EuWest1, Stack, UsEast1};

/// Longer than a server that runs takes to answer.
const SILENCE: Duration = Duration::from_millis(300);
/// How long what a server did by itself may take to be seen.
const SOON: Duration = Duration::from_secs(5);

/// A Redis and two Memcacheds for us-east-1, on ports of their own.
struct Trio {
    servers: Arc<Servers>,
    ports: [u16; 3],
}

impl Trio {
    async fn start(folder: &Path) -> Self {
        let mut ports = [0; 3];
        // Held together until all are known, so that no two are the same.
        let mut held = Vec::new();
        for port in &mut ports {
            let listener = TcpListener::bind(loopback(0)).await.unwrap();
            *port = listener.local_addr().unwrap().port();
            held.push(listener);
        }
        drop(held);
        let kinds = [Kind::Redis, Kind::Memcached, Kind::Memcached];
        let plan = |(kind, port): (Kind, u16)| {
            let spec = if kind == Kind::Redis { redis(port, folder, None) } else { memcached(port, None) };
            Plan { region: Some(UsEast1), kind, name: format!("{kind} {port}"), port, spec }
        };
        let plans = kinds.into_iter().zip(ports).map(plan).collect();
        let servers = Arc::new(Servers::new(plans, Console::new()));
        servers.start(&Kind::ALL).await.unwrap();
        Self { servers, ports }
    }
}

/// What a server says, or how it keeps silent.
async fn say(port: u16, words: &str) -> Result<String, &'static str> {
    let mut stream = TcpStream::connect(loopback(port)).await.map_err(|_| "refused")?;
    stream.write_all(words.as_bytes()).await.map_err(|_| "closed")?;
    let mut answer = vec![0; 4_096];
    match timeout(SILENCE, stream.read(&mut answer)).await {
        Err(_) => Err("silent"),
        Ok(Ok(bytes)) if bytes > 0 => Ok(String::from_utf8_lossy(&answer[..bytes]).into_owned()),
        Ok(_) => Err("closed"),
    }
}

async fn version(port: u16) -> Result<String, &'static str> {
    say(port, "version\r\n").await
}

async fn ping(port: u16) -> Result<String, &'static str> {
    say(port, "PING\r\n").await
}

async fn shown(url: &str) -> Value {
    let (status, regions) = ask(Method::GET, format!("{url}/regions"), "").await;
    assert_eq!(status, StatusCode::OK, "{regions}");
    regions[0].clone()
}

async fn await_stopped(url: &str, part: &str) {
    let seen = async {
        while shown(url).await[part] != "stopped" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, seen).await.unwrap();
}

async fn change(url: &str, body: Value) -> Value {
    let (status, region) = ask(Method::PATCH, format!("{url}/regions/us-east-1"), &body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{region}");
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(region[name], *value, "{region}");
    }
    region
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_stopped_hung_and_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::open(&folder.path().join("data")).await;
    let trio = Trio::start(folder.path()).await;
    let url = serve_full(&stack, Arc::default(), trio.servers.clone()).await;
    let [redis, first, second] = trio.ports;
    let region = shown(&url).await;
    assert_eq!((&region["redis"], &region["memcached"]), (&json!("running"), &json!("running")));
    assert_eq!(trio.servers.state(EuWest1, Kind::Redis), None);

    for (state, expected) in [("stopped", Err("refused")), ("hung", Err("silent")), ("running", Ok("+PONG\r\n"))] {
        let region = change(&url, json!({ "redis": state })).await;
        assert_eq!(region["memcached"], "running", "what is not named stays");
        assert_eq!(ping(redis).await.as_deref(), expected.as_ref().map(|text| *text));
        assert!(version(first).await.is_ok());
    }
    for (state, silence) in [("hung", "silent"), ("stopped", "refused")] {
        change(&url, json!({ "redis": state, "memcached": state })).await;
        for port in trio.ports {
            assert_eq!(version(port).await, Err(silence), "{port} {state}");
        }
    }
    change(&url, json!({ "redis": "running", "memcached": "running" })).await;
    assert!(ping(redis).await.is_ok() && version(first).await.is_ok() && version(second).await.is_ok());
    trio.servers.close().await;
    assert!(trio.servers.set(UsEast1, Kind::Redis, RunState::Running).await.is_err(), "closed is closed");
    for port in trio.ports {
        assert_eq!(ping(port).await, Err("refused"));
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ends_by_itself_is_shown_and_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::open(&folder.path().join("data")).await;
    let trio = Trio::start(folder.path()).await;
    let url = serve_full(&stack, Arc::default(), trio.servers.clone()).await;
    let [redis, first, second] = trio.ports;
    say(redis, "SHUTDOWN NOSAVE\r\n").await.unwrap_err();
    await_stopped(&url, "redis").await;
    let stats = say(second, "stats\r\n").await.unwrap();
    let pid = stats.lines().find_map(|line| line.strip_prefix("STAT pid ")).unwrap().trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    await_stopped(&url, "memcached").await;
    assert!(version(first).await.is_ok(), "the other one goes on");

    change(&url, json!({ "memcached": "running", "redis": "running" })).await;
    assert!(ping(redis).await.is_ok() && version(second).await.is_ok());
    trio.servers.close().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_without_them_says_so_and_one_that_cannot_start_them_too() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::open(&folder.path().join("data")).await;
    let bare = serve_full(&stack, Arc::new(Cores::default()), Arc::default()).await;
    assert!(shown(&bare).await.get("redis").is_none());
    for part in ["redis", "memcached", "opensearch"] {
        let body = json!({ part: "stopped" }).to_string();
        let (status, problem) = ask(Method::PATCH, format!("{bare}/regions/us-east-1"), &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(problem["errors"][0]["field"], part);
        assert!(problem["detail"].as_str().unwrap().contains("--full"), "{problem}");
    }

    // What a change did before the part that failed is taken back: there is no core to start here.
    let trio = Trio::start(folder.path()).await;
    let url = serve_full(&stack, Arc::default(), trio.servers.clone()).await;
    let body = r#"{"redis":"stopped","memcached":"hung","partitioned":true,"core":"running"}"#;
    let (status, problem) = ask(Method::PATCH, format!("{url}/regions/us-east-1"), body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    let region = shown(&url).await;
    assert_eq!(region["partitioned"], false);
    assert_eq!((&region["redis"], &region["memcached"]), (&json!("running"), &json!("running")));

    // Somebody else took the port while it was stopped.
    change(&url, json!({ "redis": "stopped" })).await;
    let taken = TcpListener::bind(loopback(trio.ports[0])).await.unwrap();
    let (status, problem) = ask(Method::PATCH, format!("{url}/regions/us-east-1"), r#"{"redis":"running"}"#).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("exit status: 1"), "{problem}");
    assert_eq!(shown(&url).await["redis"], "stopped");
    drop(taken);
    change(&url, json!({ "redis": "running" })).await;
    trio.servers.close().await;
    stack.stop().await;
}
