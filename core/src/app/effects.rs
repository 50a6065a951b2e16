//! What becomes of the stream's records in one process.

use std::sync::Arc;

use crate::cache::Cache;
use crate::live::Hub;
use crate::metrics::Metrics;
use crate::sinks::Sink;
use crate::sinks::live::LiveSink;
use crate::store::{Store, TableStream};
use crate::stream::{Progress, Pump};

/// Reads the store's stream for every sink. `hub` is that of the listeners of a process that serves.
pub(super) async fn pump(store: &Store, cache: &Cache, hub: Option<Hub>, metrics: &Metrics) -> Pump {
    let source = Arc::new(TableStream::connect(store).await);
    Pump::new(source, Arc::new(store.clone()), sinks(cache, hub), Progress::new(metrics.clone()))
}

/// The sinks: every worker of a region has the same.
fn sinks(cache: &Cache, hub: Option<Hub>) -> Vec<Arc<dyn Sink>> {
    vec![Arc::new(LiveSink::new(hub, cache))]
}
