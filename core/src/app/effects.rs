//! What becomes of the stream's records in one process.

use std::sync::Arc;

use crate::metrics::Metrics;
use crate::sinks::Sink;
use crate::store::{Store, TableStream};
use crate::stream::{Progress, Pump};

/// Reads the store's stream for every sink.
pub(super) async fn pump(store: &Store, metrics: &Metrics) -> Pump {
    let source = Arc::new(TableStream::connect(store).await);
    Pump::new(source, Arc::new(store.clone()), sinks(), Progress::new(metrics.clone()))
}

/// The sinks: every worker of a region has the same.
fn sinks() -> Vec<Arc<dyn Sink>> {
    Vec::new()
}
