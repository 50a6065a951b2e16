//! The control API over real regions, with a shell in the place of a core where a process is needed.

use std::sync::Arc;

use echoes_local::console::Console;
use echoes_local::control::{Control, router};
use echoes_local::cores::Cores;
use echoes_local::layout::{ECHOES_TABLE, loopback};
use echoes_local::process::{Process, RunState, Spec};
use echoes_local::secrets::Secrets;
use echoes_local::servers::Servers;
use echoes_local::tokens::TokenMint;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

use crate::support::{EuWest1, Stack, UsEast1, send};

/// The control API of `stack` on a port of its own; answers its URL.
async fn serve(stack: &Stack, cores: Cores) -> String {
    serve_shared(stack, Arc::new(cores)).await
}

async fn serve_shared(stack: &Stack, cores: Arc<Cores>) -> String {
    serve_full(stack, cores, Arc::default()).await
}

/// With cache servers.
pub(crate) async fn serve_full(stack: &Stack, cores: Arc<Cores>, servers: Arc<Servers>) -> String {
    let control = Arc::new(Control {
        cloud: stack.cloud.clone(),
        cores,
        servers,
        mint: TokenMint::new(&Secrets::generate().unwrap()).unwrap(),
        changing: Mutex::new(()),
    });
    let listener = TcpListener::bind(loopback(0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router(control)).await });
    format!("http://{address}")
}

/// The core of `us-east-1`, with an admin port at which nothing ever listens.
fn one_core(process: Process) -> Cores {
    Cores::new(vec![(UsEast1, "http://127.0.0.1:1".to_owned(), process)])
}

pub(crate) async fn ask(method: Method, url: String, body: &str) -> (StatusCode, Value) {
    send(Request::builder().method(method).uri(url).body(body.to_owned()).unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_are_shown_and_changed() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    let url = serve(&stack, Cores::default()).await;
    let (status, regions) = ask(Method::GET, format!("{url}/regions"), "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(regions.as_array().unwrap().len(), 4);
    let expected = json!({
        "name": "us-east-1", "core": "stopped", "dynamodb": "running", "partitioned": false, "lagMs": 0, "backlog": 0,
    });
    assert_eq!(regions[0], expected);

    let eu = format!("{url}/regions/eu-west-1");
    let (status, region) = ask(Method::PATCH, eu.clone(), r#"{"partitioned":true,"lagMs":20}"#).await;
    assert_eq!((status, &region["partitioned"], &region["lagMs"]), (StatusCode::OK, &json!(true), &json!(20)));
    stack.put(UsEast1, ECHOES_TABLE, "ana", "x").await;
    let (_, regions) = ask(Method::GET, format!("{url}/regions"), "").await;
    assert_eq!(regions[0]["backlog"], 1);
    assert_eq!(stack.text(EuWest1, ECHOES_TABLE, "ana").await, None);
    let (_, region) = ask(Method::PATCH, eu, r#"{"partitioned":false}"#).await;
    assert_eq!(region["lagMs"], 20, "what is not named stays");
    stack.replicated().await;
    let (_, regions) = ask(Method::GET, format!("{url}/regions"), "").await;
    assert_eq!(regions[0]["backlog"], 0);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_get_a_problem_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::open(folder.path()).await;
    let url = serve(&stack, Cores::default()).await;
    let long = format!(r#"{{"x":"{}"}}"#, "a".repeat(70_000));
    for (method, path, body, expected) in [
        (Method::PATCH, "/regions/mars-north-1", "{}", 404),
        (Method::PATCH, "/regions/us-east-1", r#"{"dynamodb":"stopped","redis":"stopped"}"#, 400),
        (Method::PATCH, "/regions/us-east-1", r#"{"partitioned":true,"lagMs":-1}"#, 400),
        (Method::PATCH, "/regions/us-east-1", "nonsense", 400),
        (Method::PATCH, "/regions/us-east-1", &long, 413),
        // No core runs here.
        (Method::PATCH, "/regions/us-east-1", r#"{"core":"running"}"#, 503),
        (Method::PATCH, "/regions/us-east-1", r#"{"partitioned":true,"dynamodb":"throttled","core":"running"}"#, 503),
        (Method::POST, "/tokens", "{}", 400),
        (Method::DELETE, "/tokens", "", 405),
        (Method::GET, "/elsewhere", "", 404),
    ] {
        let (status, problem) = ask(method, format!("{url}{path}"), body).await;
        assert_eq!(status.as_u16(), expected, "{path} {problem}");
        assert_eq!(problem["status"], expected);
        assert!(problem["type"].as_str().unwrap().starts_with("https://echoes.dev/problems/"));
    }
    let (_, regions) = ask(Method::GET, format!("{url}/regions"), "").await;
    assert_eq!(regions[0]["dynamodb"], "running");
    assert_eq!(regions[0]["partitioned"], false);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_never_gets_ready_is_reported_and_not_a_death() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::open(folder.path()).await;
    let (sender, mut deaths) = mpsc::channel(1);
    let spec = Spec { program: "sh".into(), args: vec!["-c".into(), "exit 7".into()], env: None };
    let core = Process::new("core us-east-1".to_owned(), spec, Console::new(), sender);
    let url = serve(&stack, one_core(core)).await;
    let (status, problem) = ask(Method::PATCH, format!("{url}/regions/us-east-1"), r#"{"core":"running"}"#).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(problem["detail"].as_str().unwrap().contains("exit status: 7"), "{problem}");
    assert!(deaths.try_recv().is_err());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_any_more_once_the_cores_are_being_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::open(folder.path()).await;
    let (sender, _deaths) = mpsc::channel(1);
    let spec = Spec { program: "sh".into(), args: vec!["-c".into(), "sleep 600".into()], env: None };
    let core = Process::new("core us-east-1".to_owned(), spec, Console::new(), sender);
    let cores = Arc::new(one_core(core));
    let url = serve_shared(&stack, cores.clone()).await;
    cores.close().await;
    for body in [r#"{"core":"running"}"#, r#"{"dynamodb":"stopped"}"#] {
        let (status, problem) = ask(Method::PATCH, format!("{url}/regions/us-east-1"), body).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    }
    assert!(cores.set(UsEast1, RunState::Running, false).await.is_err());
    stack.stop().await;
}
