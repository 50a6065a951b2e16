//! Wires a serving core together and ends it gently.

use std::fmt;
use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use echoes_shared::sigv4::verify::Verifier;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tracing_subscriber::EnvFilter;

use crate::config::ServeConfig;
use crate::http::{self, Context, Readiness};
use crate::metrics::Metrics;
use crate::service::Service;
use crate::store::Store;

/// How long requests that have begun may go on after SIGTERM. An attempt of the edge ends before that.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a core could not start or go on.
#[derive(Debug)]
pub struct ServeError(String);

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServeError {}

impl ServeError {
    fn at(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

/// Logs as JSON lines on stdout; `RUST_LOG` chooses what (`info` unless set).
pub fn log_as_json() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter);
    // A second call in one process, as in tests, changes nothing.
    let _ = subscriber.try_init();
}

/// Serves until SIGTERM or Ctrl-C, then drains.
pub async fn serve(config: ServeConfig) -> Result<(), ServeError> {
    let metrics = Metrics::new().map_err(|error| ServeError(error.to_string()))?;
    let region = config.store.region;
    let store = Store::connect(config.store, metrics.clone()).await;
    let api = bind("ECHOES_LISTEN", config.listen).await?;
    let admin = bind("ECHOES_ADMIN_LISTEN", config.admin_listen).await?;

    let service = Arc::new(Service::new(store.clone(), region, config.cursor_keys, config.audio_bucket));
    let readiness = Arc::new(Readiness::new(Arc::clone(&service), metrics.clone()));
    let context = Arc::new(Context {
        service,
        verifier: Verifier::new(config.edge_keys, region),
        permits: Arc::new(Semaphore::new(config.max_in_flight)),
        metrics,
        region,
    });

    // A core whose store is away starts all the same: `/readyz` says so, and it serves as soon as the store is back.
    if let Err(error) = store.warm().await {
        tracing::warn!(%error, "the store does not answer yet");
    }
    tracing::info!(%region, listen = %config.listen, admin = %config.admin_listen, "serving");

    let (stop, stopped) = watch::channel(());
    let admin_server = tokio::spawn(axum::serve(admin, http::admin(Arc::clone(&readiness))).into_future());
    let api_server = axum::serve(api, http::api(context))
        .with_graceful_shutdown(async move {
            let mut stopped = stopped;
            // An error means that the sender is gone, which is a stop as well.
            let _ = stopped.changed().await;
        })
        .into_future();
    let mut api_server = tokio::spawn(api_server);

    tokio::select! {
        ended = &mut api_server => return Err(ServeError(format!("the API ended by itself: {ended:?}"))),
        signalled = termination() => signalled?,
    }
    tracing::info!("draining");
    readiness.drain();
    let _ = stop.send(());
    if tokio::time::timeout(DRAIN_TIMEOUT, api_server).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
    admin_server.abort();
    Ok(())
}

async fn bind(variable: &str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(ServeError::at(format!("{variable} {address}")))
}

async fn termination() -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::at("SIGTERM"))?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(ServeError::at("Ctrl-C")),
    }
}
