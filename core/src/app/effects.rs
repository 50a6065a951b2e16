//! What becomes of the stream's records in one process.

use std::sync::Arc;

use crate::cache::Cache;
use crate::http::StoreProbe;
use crate::live::Hub;
use crate::metrics::Metrics;
use crate::service::Service;
use crate::sinks::Sink;
use crate::sinks::invalidation::{Invalidation, Listener};
use crate::sinks::live::LiveSink;
use crate::sinks::repair::Repair;
use crate::store::{Store, TableStream};
use crate::stream::{Progress, Pump};

/// Reads the store's stream for every sink. `hub` is that of the listeners of a process that serves, and `draws` the service that
/// draws there at random.
pub(super) async fn pump(
    store: &Store,
    cache: &Cache,
    hub: Option<Hub>,
    draws: Option<&Arc<Service>>,
    metrics: &Metrics,
) -> Pump {
    let source = Arc::new(TableStream::connect(store).await);
    Pump::new(source, Arc::new(store.clone()), sinks(store, cache, hub, draws), Progress::new(metrics.clone()))
}

/// The sinks: every worker of a region has the same.
fn sinks(store: &Store, cache: &Cache, hub: Option<Hub>, draws: Option<&Arc<Service>>) -> Vec<Arc<dyn Sink>> {
    let listener = draws.map(|service| {
        let service = Arc::clone(service);
        let listener: Listener = Arc::new(move |echo, now| service.note(echo, now));
        listener
    });
    vec![
        Arc::new(Invalidation::new(cache.clone(), listener)),
        Arc::new(Repair::new(store.clone(), cache.clone())),
        Arc::new(LiveSink::new(hub, cache)),
    ]
}

/// Whether the store of a process that serves answers.
pub(super) fn service_answers(service: &Arc<Service>) -> StoreProbe {
    let service = Arc::clone(service);
    Box::new(move |now| {
        let service = Arc::clone(&service);
        Box::pin(async move { service.store_answers(now).await.map_err(|error| error.to_string()) })
    })
}

/// Whether the store of a process that only works answers.
pub(super) fn store_answers(store: &Store) -> StoreProbe {
    let store = store.clone();
    Box::new(move |_| {
        let store = store.clone();
        Box::pin(async move { store.probe().await.map_err(|error| error.to_string()) })
    })
}
