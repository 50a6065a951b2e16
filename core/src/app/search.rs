//! The index that a process searches and works on, and what keeps it whole and small.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use echoes_shared::Region;

use super::ServeError;
use crate::clock;
use crate::config::OpenSearchUrl;
use crate::pace::{Budget, Kind, Pace, Window};
use crate::search::fill::{End, Event, Plan, fill};
use crate::search::opensearch::OpenSearch;
use crate::search::{Embedded, Search, SearchUnavailable};
use crate::store::Store;
use crate::work;

/// From one purge to the next: what expires is not found from its second on, purged or not.
const PURGE_EVERY: Duration = Duration::from_secs(10 * 60);
/// Read units a second of filling a new index: a tenth of what the smallest table on demand grants (facts, *DynamoDB*: 12,000), so
/// about 8,000 small echoes a second.
const FILL_READ_UNITS_PER_SECOND: u32 = 1_000;

/// Parts of the table that are read side by side.
const FILL_SEGMENTS: u16 = 4;
/// How long the server may be away before a filling begins anew, and how often whether one is needed is looked at.
const FILL_PATIENCE: Duration = Duration::from_secs(60 * 60);
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The index of one process.
#[derive(Debug, Clone)]
pub(super) enum KeptIndex {
    /// Of its own.
    Own(Arc<Embedded>),
    /// On a search server, which the region's processes share.
    Server(Arc<OpenSearch>),
}

impl KeptIndex {
    /// The index of this process in `folder`, or in memory, of the table that `table` names.
    pub async fn open(folder: Option<&Path>, table: &str) -> Result<Self, ServeError> {
        let opened = Embedded::open(folder, table, clock::now()).await;
        let own = |index| Self::Own(Arc::new(index));
        opened.map(own).map_err(|error| ServeError(format!("ECHOES_SEARCH_PATH: {error}")))
    }

    /// The index of `region` on the server that is named.
    pub fn server(url: OpenSearchUrl, region: Region) -> Result<Self, ServeError> {
        let server = |index| Self::Server(Arc::new(index));
        OpenSearch::new(url, region)
            .map(server)
            .map_err(|error| ServeError(format!("ECHOES_OPENSEARCH_URL: {error}")))
    }

    /// The index as those see it who search or write it.
    pub fn shared(&self) -> Search {
        match self {
            Self::Own(index) => Arc::clone(index) as Search,
            Self::Server(index) => Arc::clone(index) as Search,
        }
    }

    /// Drops what is of no use any more and, where this process `fills` it, puts every echo into it while it is new, until `stop`
    /// is told.
    pub async fn keep(&self, store: &Store, fills: bool, mut stop: watch::Receiver<bool>) {
        let shared = self.shared();
        let purge = async {
            loop {
                if let Err(error) = shared.purge(clock::now()).await {
                    tracing::warn!(%error, "the search index cannot be purged");
                }
                tokio::time::sleep(PURGE_EVERY).await;
            }
        };
        tokio::select! {
            ((), ()) = async { tokio::join!(self.watch_over(store, fills), purge) } => {}
            () = work::stopped(&mut stop) => {}
        }
    }

    /// Fills the index whenever it is found to be new, or says that somebody must. Several processes that work beside each other
    /// would each read the whole table, so that is left to an operator.
    async fn watch_over(&self, store: &Store, fills: bool) {
        let mut told = false;
        loop {
            match self.unfilled().await {
                Ok(Some(name)) if fills => self.fill(&name, store).await,
                Ok(Some(name)) if !told => {
                    told = true;
                    tracing::warn!(
                        index = name,
                        "echoes may be missing in the search index: run `echoes search reindex`"
                    );
                }
                Ok(Some(_)) => {}
                Ok(None) => told = false,
                Err(error) => tracing::debug!(%error, "the search server does not answer"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Puts every echo of the table into the index of that name.
    async fn fill(&self, name: &str, store: &Store) {
        tracing::info!(
            index = name,
            "the search index is being filled; until then searches may find less than there is"
        );
        let budget = Budget::per_second(Kind::Read, FILL_READ_UNITS_PER_SECOND);
        let pace = Pace::new(budget, Window::new(FILL_SEGMENTS, FILL_SEGMENTS), FILL_PATIENCE);
        let plan = Plan { segments: FILL_SEGMENTS, patience: FILL_PATIENCE, clock: clock::now };
        let mut tell = |event: Event<'_>| match event {
            Event::Damaged(what) => tracing::error!(what, "is not in the search index"),
            Event::Refused(refused) => {
                tracing::error!(id = %refused.id, reason = refused.reason, "is not in the search index");
            }
            Event::Progress(_) => {}
        };
        match fill(store, pace, plan, self.shared(), std::future::pending(), &mut tell).await {
            (End::Complete, counts) => match self.mark_filled(name).await {
                Ok(()) => tracing::info!(index = name, echoes = counts.echoes, "the search index is filled"),
                Err(error) => tracing::warn!(%error, "the search index is filled, which cannot be written down"),
            },
            (End::Failed(reason), _) => tracing::warn!(reason, "filling the search index fails, and is tried again"),
            (End::Stopped, _) => {}
        }
    }

    /// The name of the index in which echoes of the table may be missing.
    async fn unfilled(&self) -> Result<Option<String>, SearchUnavailable> {
        match self {
            Self::Own(index) => Ok((!index.is_filled()).then(|| "own".to_owned())),
            Self::Server(index) => index.unfilled().await,
        }
    }

    async fn mark_filled(&self, name: &str) -> Result<(), SearchUnavailable> {
        match self {
            Self::Own(index) => index.mark_filled(clock::now()).await,
            Self::Server(index) => index.mark_filled(name).await,
        }
    }
}
