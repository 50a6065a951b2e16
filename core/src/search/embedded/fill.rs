//! Fills a new index from the table, while the stream goes on.
//!
//! Stream and table may be applied in any order, since every document has an edition: an echo that is deleted after its page
//! was read is remembered as gone when the page comes. What ends before its end begins again.

use std::time::Duration;

use echoes_shared::Timestamp;
use futures_util::{StreamExt as _, stream};
use rand::RngExt as _;

use super::Embedded;
use crate::clock::Stopwatch;
use crate::pace::{Budget, Kind};
use crate::search::{Document, Index as _};
use crate::store::{Segment, Store};

/// Parts of the table that are read side by side, so that each commit holds several pages.
const SEGMENTS: u16 = 4;
/// The first pause after a failure is a random part of this; it doubles with each one after that…
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// … up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl Embedded {
    /// Puts every echo of the table into the index, unless that was done; returns when it is done, however often the table or
    /// the index fails meanwhile.
    pub async fn fill(&self, store: &Store, read_units_per_second: u32, now: fn() -> Timestamp) {
        if self.is_filled() {
            return;
        }
        tracing::info!("the search index is being filled; until then searches may find less than there is");
        let budget = Budget::per_second(Kind::Read, read_units_per_second);
        let watch = Stopwatch::start();
        let echoes: u64 = stream::iter(Segment::all(SEGMENTS))
            .map(|segment| self.fill_from(store, &budget, segment, now))
            .buffer_unordered(SEGMENTS.into())
            .fold(0, async |sum, echoes| sum + echoes)
            .await;
        let mut failures = 0;
        while let Err(error) = self.writer.filled(now()).await {
            give_way(&error.to_string(), &mut failures).await;
        }
        tracing::info!(echoes, seconds = watch.elapsed().as_secs(), "the search index is filled");
    }

    async fn fill_from(&self, store: &Store, budget: &Budget, mut segment: Segment, now: fn() -> Timestamp) -> u64 {
        let mut echoes = 0;
        let mut failures = 0;
        while !segment.has_ended() {
            let before = segment.clone();
            let page = budget.spend(store.scan(&mut segment, false, now())).await;
            let applied = match page {
                Ok(page) => {
                    page.damaged.iter().for_each(|what| tracing::error!(what, "is not in the search index"));
                    let documents: Vec<Document> = page.echoes.into_iter().map(Document::lives).collect();
                    self.take(&documents).await
                }
                Err(error) => Err(error.to_string()),
            };
            match applied {
                Ok(count) => (echoes, failures) = (echoes + count, 0),
                Err(reason) => {
                    segment = before;
                    give_way(&reason, &mut failures).await;
                }
            }
        }
        echoes
    }

    async fn take(&self, documents: &[Document]) -> Result<u64, String> {
        if documents.is_empty() {
            return Ok(0);
        }
        let refused = self.apply(documents).await.map_err(|error| error.to_string())?;
        refused
            .iter()
            .for_each(|what| tracing::error!(id = %what.id, reason = what.reason, "is not in the search index"));
        Ok(documents.len() as u64)
    }
}

/// Waits after a failure, which is logged when it begins.
async fn give_way(reason: &str, failures: &mut u32) {
    if *failures == 0 {
        tracing::warn!(reason, "filling the search index fails, and is tried again");
    }
    let longest = FIRST_PAUSE.saturating_mul(1 << (*failures).min(10)).min(LONGEST_PAUSE);
    let pause = rand::rng().random_range(Duration::ZERO..=longest);
    *failures = failures.saturating_add(1);
    tokio::time::sleep(pause).await;
}
