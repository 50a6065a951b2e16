//! A way to the server on which things go wrong.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What happens on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Nothing passes until the mode is another.
    Hang,
    /// Each answer comes so much later.
    Delay(Duration),
    /// What answers is no OpenSearch.
    Garbage,
    /// Of a bulk the first half is taken, and the server has no room for the rest; so often, then everything passes.
    Half(u32),
    /// The server has no room for anything.
    Full,
}

/// The proxy; it ends with the test's runtime.
pub struct Proxy {
    pub url: String,
    mode: watch::Sender<Mode>,
    bulks: Arc<watch::Sender<Vec<usize>>>,
}

struct Way {
    backend: String,
    client: reqwest::Client,
    mode: watch::Sender<Mode>,
    bulks: Arc<watch::Sender<Vec<usize>>>,
}

impl Proxy {
    pub async fn before(backend: &str) -> Self {
        let mode = watch::Sender::new(Mode::Pass);
        let bulks = Arc::new(watch::Sender::new(Vec::new()));
        let (backend, client) = (backend.to_owned(), crate::server::client());
        let way = Arc::new(Way { backend, client, mode: mode.clone(), bulks: Arc::clone(&bulks) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(pass).with_state(way)).await });
        Self { url, mode, bulks }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How many documents each bulk had so far.
    pub fn bulks(&self) -> Vec<usize> {
        self.bulks.send_replace(Vec::new())
    }
}

async fn pass(State(way): State<Arc<Way>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mode = *way.mode.subscribe().wait_for(|mode| *mode != Mode::Hang).await.unwrap();
    let path = head.uri.path_and_query().unwrap().as_str();
    let forward = async |body: Bytes| {
        let mut request = way.client.request(head.method.clone(), format!("{}{path}", way.backend));
        if let Some(media) = head.headers.get("content-type") {
            request = request.header("content-type", media);
        }
        let answer = request.body(body).send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap())
    };
    if path.contains("/_bulk") {
        way.bulks.send_modify(|bulks| bulks.push(documents(&body).len()));
    }
    match mode {
        Mode::Garbage => return (http::StatusCode::OK, "<html>").into_response(),
        Mode::Full => {
            return (http::StatusCode::TOO_MANY_REQUESTS, json!({ "error": "full" }).to_string()).into_response();
        }
        Mode::Delay(time) => tokio::time::sleep(time).await,
        Mode::Half(times) if path.contains("/_bulk") => {
            way.mode.send_replace(if times > 1 { Mode::Half(times - 1) } else { Mode::Pass });
            let all = documents(&body);
            let (first, rest) = all.split_at(all.len() / 2);
            let mut items = Vec::new();
            if !first.is_empty() {
                let (_, answer) = forward(first.concat().into()).await;
                let answer: Value = serde_json::from_slice(&answer).unwrap();
                items.extend(answer["items"].as_array().unwrap().clone());
            }
            let error = json!({ "type": "rejected_execution_exception", "reason": "no room" });
            items.extend(rest.iter().map(|_| json!({ "index": { "status": 429, "error": error } })));
            return json!({ "errors": true, "items": items }).to_string().into_response();
        }
        Mode::Pass | Mode::Hang | Mode::Half(_) => {}
    }
    let (status, answer) = forward(body).await;
    Response::builder().status(status).body(Body::from(answer)).unwrap()
}

/// The documents of a bulk, each of an action and a line.
fn documents(body: &Bytes) -> Vec<String> {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    lines.chunks(2).map(|pair| format!("{}\n", pair.join("\n"))).collect()
}
