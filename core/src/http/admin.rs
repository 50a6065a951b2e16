//! The admin port: health, readiness and metrics, unsigned and for the operator alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::metrics::Metrics;
use crate::service::Service;

/// What readiness depends on.
#[derive(Debug)]
pub struct Readiness {
    service: Arc<Service>,
    metrics: Metrics,
    draining: AtomicBool,
}

impl Readiness {
    /// Ready as long as the store of `service` answers.
    pub fn new(service: Arc<Service>, metrics: Metrics) -> Self {
        Self { service, metrics, draining: AtomicBool::new(false) }
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
    let dynamodb = match readiness.service.store_answers().await {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    };
    let draining = readiness.draining.load(Ordering::Relaxed);
    let ready = dynamodb == "ok" && !draining;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({
        "ready": ready,
        "draining": draining,
        "dependencies": { "dynamodb": dynamodb },
    });
    (status, Json(body)).into_response()
}

async fn metrics(State(readiness): State<Arc<Readiness>>) -> Response {
    match readiness.metrics.text() {
        Ok((media_type, text)) => ([(CONTENT_TYPE, media_type)], text).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}
