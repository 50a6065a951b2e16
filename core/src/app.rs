//! Wires a core together, serving or working, and ends it gently.

mod effects;
mod schema;
mod search;
mod sole;
mod warm;
mod worker;

use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use echoes_shared::sigv4::verify::Verifier;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinError;
use tracing_subscriber::EnvFilter;

use crate::cache::{Cache, Lifetimes};
use crate::clock;
use crate::config::{ServeConfig, WorkConfig};
use crate::http::{self, Context, Readiness};
use crate::live::{self, Hub};
use crate::metrics::Metrics;
use crate::service::Service;
use crate::store::Store;
use crate::stream::Pump;
use crate::work;
use effects::Reach;
use schema::Schema;
use search::KeptIndex;
use sole::Sole;
use warm::Warmer;

/// How long requests that have begun may go on after SIGTERM. Each is bounded to less, but for its body.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
const _: () = assert!(DRAIN_TIMEOUT.as_millis() > echoes_shared::policy::REQUEST_DEADLINE_MILLIS as u128);
/// Connections for each request that may be worked on: most of an edge's are idle at any time.
const CONNECTIONS_PER_REQUEST: usize = 8;
/// Connections to the admin port.
const ADMIN_CONNECTIONS: usize = 32;

pub use worker::{retry_dead_letters, work, work_once};

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

/// Logs as JSON lines on stdout.
pub fn log_as_json(filter: EnvFilter) {
    let subscriber =
        tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false).with_env_filter(filter);
    // A second call in one process, as in tests, changes nothing.
    let _ = subscriber.try_init();
}

/// Serves until SIGTERM or Ctrl-C, then drains; with `work`, does that too.
pub async fn serve(config: ServeConfig, work: Option<WorkConfig>) -> Result<(), ServeError> {
    let metrics = Metrics::new().map_err(|error| ServeError(error.to_string()))?;
    let region = config.store.region;
    let table = format!("{region}/{}", config.store.echoes.as_str());
    let store = Store::connect(config.store, metrics.clone()).await;
    let cache = Cache::new(&config.cache, region, Lifetimes::default(), metrics.clone());
    cache.start(&store);
    let api = bind("ECHOES_LISTEN", config.listen).await?;
    let admin = bind("ECHOES_ADMIN_LISTEN", config.admin_listen).await?;

    let hub = Hub::new(config.max_live, metrics.live().clone());
    live::follow(&hub, &cache);
    // Only who hears of every change can keep an index.
    let kept = match (config.opensearch, &work) {
        (Some(url), _) => Some(KeptIndex::server(url, region)?),
        (None, Some(_)) => Some(KeptIndex::open(config.search_folder.as_deref(), &table).await?),
        (None, None) => None,
    };
    let index = kept.as_ref().map(KeptIndex::shared);
    let service = Service::new(store.clone(), region, config.cursor_keys, config.audio_bucket, cache.clone());
    let service = Arc::new(service.with_live(hub.clone()).with_search(index.clone()));
    let work = match work {
        Some(work) => {
            let reach = Reach { hub: Some(hub.clone()), draws: Some(Arc::clone(&service)), index };
            Some((work, effects::pump(&store, &cache, reach, &metrics).await))
        }
        None => None,
    };
    let streams = work.as_ref().map(|(_, pump)| pump.progress().clone());
    let readiness = Arc::new(Readiness::new(effects::service_answers(&service), metrics.clone(), streams));
    let context = Arc::new(Context {
        service: Arc::clone(&service),
        verifier: Verifier::new(config.edge_keys, region),
        permits: Arc::new(Semaphore::new(config.max_in_flight)),
        metrics,
        region,
    });

    // A core whose store is away starts all the same: `/readyz` says so, and it serves as soon as the store is back. One whose
    // tables are not those that it expects would fail request by request, so it does not start.
    let (warm, tables) = tokio::join!(store.warm(), schema::ask(&store));
    let tables = tables?;
    if let Err(error) = warm {
        tracing::warn!(%error, "the store does not answer yet");
    }
    // One wait for the whole of it: a signal that comes between two would be lost.
    let mut termination = pin!(termination());
    let sole = Sole::of(&config.cache, &store, region);
    let held = match &tables {
        Schema::Fits => tokio::select! {
            held = sole.claim_at_start() => held?,
            signalled = &mut termination => return signalled,
        },
        Schema::Unknown(_) => false,
    };
    tracing::info!(%region, listen = %config.listen, admin = %config.admin_listen, "serving");

    let (stop, stopped) = watch::channel(false);
    let mut lease = tokio::spawn(sole::hold(sole.clone(), held));
    let settings = tokio::spawn(store.clone().keep_settings_fresh(clock::now, stopped.clone()));
    let max_connections =
        config.max_in_flight.saturating_mul(CONNECTIONS_PER_REQUEST).saturating_add(config.max_live);
    let answers = http::admin(Arc::clone(&readiness));
    let admin = http::serve(admin, answers.into(), ADMIN_CONNECTIONS, stopped.clone());
    let admin = tokio::spawn(admin);
    let mut api = tokio::spawn(http::serve(api, http::api(context), max_connections, stopped.clone()));
    let warmer = Warmer { service, cache: cache.clone() };
    let kept = kept.filter(|_| work.is_some());
    let beside_it = beside(store, warmer, tables, Arc::clone(&readiness), work, kept, stopped);
    let mut beside = tokio::spawn(beside_it);

    tokio::select! {
        ended = &mut api => return Err(ServeError(format!("the API ended by itself: {ended:?}"))),
        ended = &mut beside => return Err(ended_early("the work", ended)),
        ended = &mut lease => return Err(ended_early("the lease", ended)),
        signalled = &mut termination => signalled?,
    }
    tracing::info!("draining");
    readiness.drain();
    hub.close();
    let _ = stop.send(true);
    if tokio::time::timeout(DRAIN_TIMEOUT, async { tokio::join!(api, beside) }).await.is_err() {
        tracing::warn!("some requests or some work did not end in time");
    }
    settings.abort();
    admin.abort();
    // Held to the end of the last request, and not renewed after it was given back.
    lease.abort();
    let _ = lease.await;
    sole.release().await;
    Ok(())
}

/// What goes on beside serving until `stop` is told: the tables are awaited and checked, where that could not be done before,
/// then the caches are warmed and kept so, and the work is done.
async fn beside(
    store: Store,
    warmer: Warmer,
    tables: Schema,
    readiness: Arc<Readiness>,
    work: Option<(WorkConfig, Pump)>,
    kept: Option<KeptIndex>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    if let Schema::Unknown(cause) = tables {
        tracing::warn!(cause, "the tables cannot be checked yet");
        tokio::select! {
            fit = schema::await_fit(&store) => fit?,
            () = work::stopped(&mut stop) => return Ok(()),
        }
    }
    readiness.tables_fit();
    tokio::select! {
        () = warmer.first() => readiness.warm(),
        () = work::stopped(&mut stop) => return Ok(()),
    }
    let index = async {
        if let Some(index) = kept {
            index.keep(&store, true, stop.clone()).await;
        }
    };
    let work = async {
        if let Some((work, pump)) = work {
            work::run(store.clone(), warmer.cache.clone(), work, pump, stop.clone()).await;
        }
    };
    tokio::join!(work, index, warmer.keep(stop.clone()));
    Ok(())
}

/// Why a part that goes on until the end of the process ended before.
fn ended_early(part: &str, ended: Result<Result<(), ServeError>, JoinError>) -> ServeError {
    match ended {
        Ok(Err(error)) => error,
        ended => ServeError(format!("{part} ended by itself: {ended:?}")),
    }
}

async fn bind(variable: &str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(ServeError::at(format!("{variable} {address}")))
}

/// Waits for SIGTERM or Ctrl-C. They count from the call on, not from the first time that the answer is polled: a signal that
/// came between the two would end the process at once.
pub(crate) fn termination() -> impl Future<Output = Result<(), ServeError>> {
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let mut terminate = terminate.map_err(ServeError::at("SIGTERM"))?;
        let mut interrupt = interrupt.map_err(ServeError::at("Ctrl-C"))?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    }
}
