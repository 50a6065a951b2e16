//! The index that a process searches and works on, and what keeps it whole and small.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use echoes_shared::Region;

use super::ServeError;
use crate::clock;
use crate::config::OpenSearchUrl;
use crate::search::opensearch::OpenSearch;
use crate::search::{Embedded, Index as _, Search};
use crate::store::Store;
use crate::work;

/// From one purge to the next: what expires is not found from its second on, purged or not.
const PURGE_EVERY: Duration = Duration::from_secs(10 * 60);
/// Read units a second of filling a new index: a tenth of what the smallest table on demand grants (facts, *DynamoDB*: 12,000), so
/// about 8,000 small echoes a second.
const FILL_READ_UNITS_PER_SECOND: u32 = 1_000;

/// The index on the search server that is named, which the region's processes share.
pub(super) fn server(url: Option<OpenSearchUrl>, region: Region) -> Result<Option<Search>, ServeError> {
    let Some(url) = url else { return Ok(None) };
    let server =
        OpenSearch::new(url, region).map_err(|error| ServeError(format!("ECHOES_OPENSEARCH_URL: {error}")))?;
    Ok(Some(Arc::new(server)))
}

/// An index of this process.
#[derive(Debug, Clone)]
pub(super) struct OwnIndex(Arc<Embedded>);

impl OwnIndex {
    /// The index in `folder`, or in memory, of the table that `table` names.
    pub async fn open(folder: Option<&Path>, table: &str) -> Result<Self, ServeError> {
        let opened = Embedded::open(folder, table, clock::now()).await;
        opened.map(|index| Self(Arc::new(index))).map_err(|error| ServeError(format!("ECHOES_SEARCH_PATH: {error}")))
    }

    /// The index as those see it who search or write it.
    pub fn shared(&self) -> Search {
        Arc::clone(&self.0) as Search
    }

    /// Fills it where it is new, and drops what is of no use any more, until `stop` is told.
    pub async fn keep(&self, store: &Store, mut stop: watch::Receiver<bool>) {
        let purge = async {
            loop {
                if let Err(error) = self.0.purge(clock::now()).await {
                    tracing::warn!(%error, "the search index cannot be purged");
                }
                tokio::time::sleep(PURGE_EVERY).await;
            }
        };
        let fill = self.0.fill(store, FILL_READ_UNITS_PER_SECOND, clock::now);
        tokio::select! {
            ((), ()) = async { tokio::join!(fill, purge) } => {}
            () = work::stopped(&mut stop) => {}
        }
    }
}
