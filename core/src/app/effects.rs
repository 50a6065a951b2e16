//! What becomes of the stream's records in one process.

use std::sync::Arc;

use crate::cache::Cache;
use crate::http::StoreProbe;
use crate::live::Hub;
use crate::metrics::Metrics;
use crate::search::Search;
use crate::service::Service;
use crate::sinks::analytics::Analytics;
use crate::sinks::invalidation::{Invalidation, Listener};
use crate::sinks::live::LiveSink;
use crate::sinks::repair::Repair;
use crate::sinks::{SearchSink, Sink};
use crate::store::{Store, TableStream};
use crate::stream::{Progress, Pump};

/// What the effects reach besides the store and the caches.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// The listeners of a process that serves.
    pub hub: Option<Hub>,
    /// The service that draws there at random.
    pub draws: Option<Arc<Service>>,
    /// The index, where there is one.
    pub index: Option<Search>,
}

/// Reads the store's stream for every sink.
pub(super) async fn pump(store: &Store, cache: &Cache, reach: Reach, metrics: &Metrics) -> Pump {
    let source = Arc::new(TableStream::connect(store).await);
    Pump::new(source, Arc::new(store.clone()), sinks(store, cache, reach), Progress::new(metrics.clone()))
}

/// The sinks: every worker of a region has the same.
fn sinks(store: &Store, cache: &Cache, Reach { hub, draws, index }: Reach) -> Vec<Arc<dyn Sink>> {
    let listener = draws.map(|service| {
        let listener: Listener = Arc::new(move |echo, now| service.note(echo, now));
        listener
    });
    let mut sinks: Vec<Arc<dyn Sink>> = vec![
        Arc::new(Analytics::new(store.clone(), store.region())),
        Arc::new(Invalidation::new(cache.clone(), listener)),
        Arc::new(Repair::new(store.clone(), cache.clone())),
        Arc::new(LiveSink::new(hub, cache)),
    ];
    if let Some(index) = index {
        sinks.push(Arc::new(SearchSink::new(index)));
    }
    sinks
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
