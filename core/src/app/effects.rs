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
use crate::sinks::{SearchSink, Sink, SinkName};
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
    // Every worker of a region has the same.
    let sinks = SinkName::ALL.into_iter().filter_map(|name| sink(name, store, cache, &reach)).collect();
    Pump::new(source, Arc::new(store.clone()), sinks, Progress::new(metrics.clone()))
}

/// The sink of that name, if this process can have it.
pub(super) fn sink(name: SinkName, store: &Store, cache: &Cache, reach: &Reach) -> Option<Arc<dyn Sink>> {
    let listener = |service: &Arc<Service>| -> Listener {
        let service = Arc::clone(service);
        Arc::new(move |echo, now| service.note(echo, now))
    };
    Some(match name {
        SinkName::Analytics => Arc::new(Analytics::new(store.clone(), store.region())),
        SinkName::Invalidation => Arc::new(Invalidation::new(cache.clone(), reach.draws.as_ref().map(listener))),
        SinkName::Repair => Arc::new(Repair::new(store.clone(), cache.clone())),
        SinkName::Live => Arc::new(LiveSink::new(reach.hub.clone(), cache)),
        SinkName::Search => Arc::new(SearchSink::new(reach.index.clone()?)),
    })
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
