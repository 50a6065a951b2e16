//! Keeps the index as the table is: what lives is found, what is gone is not.

use std::sync::atomic::{AtomicU64, Ordering};

use echoes_shared::Timestamp;
use futures_util::future::BoxFuture;

use super::{Batch, Refused, Sink, SinkName, Unavailable};
use crate::search::{Document, RefusedDocument, Search};
use crate::stream::{Image, Record, ShardId};

/// The sink of one region's index.
#[derive(Debug)]
pub struct SearchSink {
    index: Search,
    /// Losses that it was told of, and how many of them the index knows of.
    losses: AtomicU64,
    told: AtomicU64,
}

impl SearchSink {
    /// The sink of this index.
    pub fn new(index: Search) -> Self {
        Self { index, losses: AtomicU64::new(0), told: AtomicU64::new(0) }
    }

    /// Has the index know of what was lost, if it does not.
    async fn tell_of_losses(&self, now: Timestamp) -> Result<(), Unavailable> {
        let losses = self.losses.load(Ordering::Acquire);
        if losses > self.told.load(Ordering::Acquire) {
            self.index.doubt(now).await.map_err(|error| Unavailable(error.0))?;
            self.told.fetch_max(losses, Ordering::AcqRel);
        }
        Ok(())
    }

    async fn index(&self, batch: &Batch) -> Result<Vec<Refused>, Unavailable> {
        self.tell_of_losses(batch.now).await?;
        let documents: Vec<Document> =
            batch.records.iter().filter_map(|record| document(record, batch.now)).collect();
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.index.apply(&documents).await.map_err(|error| Unavailable(error.0))?;
        let refused = |document: &RefusedDocument| {
            let (id, reason) = (document.id, document.reason.clone());
            let named = batch.records.iter().filter(move |record| record.echo == id);
            let named = named.filter(|record| self::document(record, batch.now).is_some());
            named.map(move |record| Refused { sequence: record.sequence.clone(), reason: reason.clone() })
        };
        Ok(answer.iter().flat_map(refused).collect())
    }
}

impl Sink for SearchSink {
    fn name(&self) -> SinkName {
        SinkName::Search
    }

    /// All that was lost is in the table, or was long ago: the index is to be filled anew.
    fn lost<'a>(&'a self, _: &'a ShardId, now: Timestamp) -> BoxFuture<'a, Result<(), Unavailable>> {
        self.losses.fetch_add(1, Ordering::AcqRel);
        Box::pin(self.tell_of_losses(now))
    }

    fn apply<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Refused>, Unavailable>> {
        Box::pin(self.index(batch))
    }
}

/// What the index must know of a record; nothing of one that changed only what nobody sees, such as an entry of the recent list
/// that was swept, nor of a tombstone's end: the index remembers as long as it must.
fn document(record: &Record, now: Timestamp) -> Option<Document> {
    match (&record.old, &record.new) {
        (Some(Image::Echo(old)), Some(Image::Echo(new))) if old == new => None,
        (_, Some(Image::Echo(echo))) => Some(Document::lives((**echo).clone())),
        (Some(Image::Tombstone(_)) | None, None) => None,
        (Some(Image::Echo(_)), None) | (_, Some(Image::Tombstone(_))) => Some(Document::gone(record.echo, now)),
    }
}

#[cfg(test)]
mod tests;
