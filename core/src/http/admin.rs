//! The admin port: health, readiness and metrics, unsigned and for the operator alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use echoes_shared::Timestamp;
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::clock;
use crate::metrics::Metrics;
use crate::stream::Progress;

/// Asks whether the store answers, and why not.
pub type StoreProbe = Box<dyn Fn(Timestamp) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What readiness depends on.
pub struct Readiness {
    store: StoreProbe,
    metrics: Metrics,
    /// `None` in a process that does not read the stream.
    streams: Option<Progress>,
    checked: AtomicBool,
    warm: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// Ready as long as the store answers and the stream gets on, once the tables are known to fit and the caches are warm.
    pub fn new(store: StoreProbe, metrics: Metrics, streams: Option<Progress>) -> Self {
        let no = || AtomicBool::new(false);
        Self { store, metrics, streams, checked: no(), warm: no(), draining: no() }
    }

    /// The tables are those that this program expects.
    pub fn tables_fit(&self) {
        self.checked.store(true, Ordering::Relaxed);
    }

    /// The caches hold what most will ask for, or that took too long.
    pub fn warm(&self) {
        self.warm.store(true, Ordering::Relaxed);
    }

    /// Not ready any more: the process finishes what has begun and ends.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// `/healthz`: the process runs. `/readyz`: it can serve, or which dependency is missing. `/metrics`: Prometheus.
pub fn admin(readiness: Arc<Readiness>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(readiness)
}

async fn ready(State(readiness): State<Arc<Readiness>>) -> Response {
    let dynamodb = match (readiness.store)(clock::now()).await {
        Ok(()) => "ok".to_owned(),
        Err(error) => error,
    };
    let (flows, streams) = match &readiness.streams {
        Some(progress) => progress.readiness(),
        None => (true, "not read by this process".to_owned()),
    };
    let draining = readiness.draining.load(Ordering::Relaxed);
    let checked = readiness.checked.load(Ordering::Relaxed);
    let warm = readiness.warm.load(Ordering::Relaxed);
    let ready = dynamodb == "ok" && checked && warm && flows && !draining;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({
        "ready": ready,
        "draining": draining,
        "dependencies": {
            "dynamodb": dynamodb,
            "tables": if checked { "ok" } else { "not checked yet" },
            "caches": if warm { "ok" } else { "not warm yet" },
            "streams": streams,
        },
    });
    (status, Json(body)).into_response()
}

async fn metrics(State(readiness): State<Arc<Readiness>>) -> Response {
    match readiness.metrics.text() {
        Ok((media_type, text)) => ([(CONTENT_TYPE, media_type)], text).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}
