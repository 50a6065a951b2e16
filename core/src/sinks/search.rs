//! Keeps the index as the table is: what lives is found, what is gone is not.

use std::collections::HashMap;

use echoes_shared::{EchoId, Timestamp};
use futures_util::future::BoxFuture;

use super::{Batch, Refused, Sink, SinkName, Unavailable};
use crate::search::{Document, Search};
use crate::stream::{Image, Record, Sequence};

/// Documents that an index takes at a time.
const MAX_DOCUMENTS: usize = 1_000;

/// The sink of one region's index.
#[derive(Debug)]
pub struct SearchSink {
    index: Search,
}

impl SearchSink {
    /// The sink of this index.
    pub fn new(index: Search) -> Self {
        Self { index }
    }

    async fn index(&self, batch: &Batch) -> Result<Vec<Refused>, Unavailable> {
        let mut refused = Vec::new();
        for records in batch.records.chunks(MAX_DOCUMENTS) {
            let mut documents = Vec::with_capacity(records.len());
            let mut sequences: HashMap<EchoId, Vec<&Sequence>> = HashMap::new();
            for record in records {
                if let Some(document) = document(record, batch.now) {
                    sequences.entry(document.id).or_default().push(&record.sequence);
                    documents.push(document);
                }
            }
            if documents.is_empty() {
                continue;
            }
            let answer = self.index.apply(&documents).await.map_err(|error| Unavailable(error.0))?;
            for document in answer {
                let named = sequences.get(&document.id).into_iter().flatten();
                refused.extend(
                    named.map(|sequence| Refused { sequence: (*sequence).clone(), reason: document.reason.clone() }),
                );
            }
        }
        Ok(refused)
    }
}

impl Sink for SearchSink {
    fn name(&self) -> SinkName {
        SinkName::Search
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
