//! Stands between the program and the engine: counts calls, and refuses them in DynamoDB's own words when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

const THROTTLED: &str =
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}"#;

/// What the front does with writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It passes them on.
    Granting,
    /// It refuses every write of every kind, for good.
    Refusing,
    /// It refuses so many writes, takes a part of each chunk for as many more, and grants from then on.
    RefusingAtFirst(u64),
    /// It answers until so many writes have come in all, and holds the rest: every other one after the engine has done it.
    HoldingAfter(u64),
}

/// A front and what it has seen.
#[derive(Clone)]
pub struct Front {
    pub endpoint: String,
    inner: Arc<Inner>,
}

struct Inner {
    engine: String,
    client: Client<HttpConnector, Full<Bytes>>,
    mood: watch::Sender<Mood>,
    writes: watch::Sender<u64>,
    refused: AtomicU64,
}

impl Front {
    /// Begins to stand before the engine at this address.
    pub async fn before(engine: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            engine,
            client: Client::builder(TokioExecutor::new()).build_http(),
            mood: watch::channel(Mood::Granting).0,
            writes: watch::channel(0).0,
            refused: AtomicU64::new(0),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, inner }
    }

    /// Changes what it does with writes.
    pub fn set(&self, mood: Mood) {
        self.inner.refused.store(0, Ordering::SeqCst);
        self.inner.mood.send_replace(mood);
    }

    /// Writes that have come so far, refused ones left out.
    pub fn writes(&self) -> u64 {
        *self.inner.writes.borrow()
    }

    /// Waits until so many writes have come.
    pub async fn reach(&self, writes: u64) {
        self.inner.writes.subscribe().wait_for(|count| *count >= writes).await.unwrap();
    }

    /// Calls refused, wholly or in part, since the mood was set.
    pub fn refused(&self) -> u64 {
        self.inner.refused.load(Ordering::SeqCst)
    }
}

async fn answer(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_chunk = target.ends_with(".BatchWriteItem");
    let mood = *inner.mood.borrow();
    let is_change = target.ends_with(".UpdateItem") || target.ends_with(".DeleteItem");
    let concerns = is_chunk || target.ends_with(".PutItem") || is_change && mood == Mood::Refusing;
    if !concerns {
        return inner.pass(&headers, body).await;
    }
    let refused = inner.refused.fetch_add(u64::from(mood != Mood::Granting), Ordering::SeqCst);
    let wholly = match mood {
        Mood::Granting | Mood::HoldingAfter(_) => false,
        Mood::Refusing => true,
        Mood::RefusingAtFirst(calls) => refused < calls,
    };
    if wholly {
        return (StatusCode::BAD_REQUEST, [("content-type", "application/x-amz-json-1.0")], THROTTLED)
            .into_response();
    }
    let mut number = 0;
    inner.writes.send_modify(|count| {
        *count += 1;
        number = *count;
    });
    match mood {
        Mood::RefusingAtFirst(calls) if is_chunk && refused < 2 * calls => inner.pass_a_part(&headers, &body).await,
        Mood::HoldingAfter(last) if number > last => {
            let answer = if number % 2 == 0 { Some(inner.pass(&headers, body.clone()).await) } else { None };
            inner.mood.subscribe().wait_for(|now| *now != mood).await.unwrap();
            match answer {
                Some(answer) => answer,
                None => inner.pass(&headers, body).await,
            }
        }
        _ => inner.pass(&headers, body).await,
    }
}

impl Inner {
    async fn pass(&self, headers: &HeaderMap, body: Bytes) -> Response {
        let (status, body) = self.ask(headers, body).await;
        (status, [("content-type", "application/x-amz-json-1.0")], body).into_response()
    }

    /// Passes the first third of a chunk on and gives the rest back unprocessed.
    async fn pass_a_part(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        let mut request: Value = serde_json::from_slice(body).unwrap();
        let tables = request["RequestItems"].as_object_mut().unwrap();
        let (table, items) = tables.iter_mut().next().unwrap();
        let (table, items) = (table.clone(), items.as_array_mut().unwrap());
        let left = items.split_off(items.len().div_ceil(3));
        let (status, body) = self.ask(headers, serde_json::to_vec(&request).unwrap().into()).await;
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        if !left.is_empty() {
            answer["UnprocessedItems"] = json!({ table: left });
        }
        let body = serde_json::to_vec(&answer).unwrap();
        (status, [("content-type", "application/x-amz-json-1.0")], body).into_response()
    }

    async fn ask(&self, headers: &HeaderMap, body: Bytes) -> (StatusCode, Bytes) {
        let mut request = Request::post(&self.engine).body(Full::new(body)).unwrap();
        for name in ["x-amz-target", "content-type", "authorization", "x-amz-date"] {
            if let Some(value) = headers.get(name) {
                request.headers_mut().insert(name, value.clone());
            }
        }
        let response = self.client.request(request).await.unwrap();
        (response.status(), response.into_body().collect().await.unwrap().to_bytes())
    }
}
