//! Applies a batch of replicated writes to their destination, as one step for the destination's clients.

use std::collections::HashMap;
use std::sync::Arc;

use dynoxide::DynoxideError;
use dynoxide::actions::batch_write_item::{BatchWriteItemRequest, DeleteRequest, PutRequest, WriteRequest};
use thiserror::Error;

use crate::ledger::Outgoing;
use crate::replica::Replica;

/// Why a batch was not applied, or not wholly.
#[derive(Debug, Error)]
pub(super) enum ApplyError {
    /// A region was stopped or cut off while the batch waited for the gate.
    #[error("the way was cut")]
    Cut,
    /// The destination lacks a table.
    #[error("the destination lacks a table")]
    NoTable,
    /// The ledger failed.
    #[error("the ledger: {0}")]
    Ledger(#[from] rusqlite::Error),
    /// The engine refused a write.
    #[error("the engine: {0}")]
    Engine(String),
    /// An image or a key in the log is not DynamoDB JSON.
    #[error("a stored image: {0}")]
    Image(#[from] serde_json::Error),
    /// The thread that applied it ended early.
    #[error("the applying thread: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// Applies `batch`, oldest first and each item once, and moves the checkpoint past it.
///
/// A write is applied when its stamp is above the destination's stamp of that item; the others are passed over.
///
/// # Errors
/// [`ApplyError`]; then the checkpoint has not moved, and applying the batch again is right.
pub(super) async fn apply(
    source: &Replica,
    destination: &Arc<Replica>,
    batch: Vec<Outgoing>,
) -> Result<(), ApplyError> {
    let Some(last) = batch.last().map(|write| write.record_id) else {
        return Ok(());
    };
    let source_file_id = source.ledger.file_id().to_owned();
    let gate = destination.gate.clone().write_owned().await;
    if !source.faults().connected() || !destination.faults().connected() {
        return Err(ApplyError::Cut);
    }
    let region = destination.clone();
    tokio::task::spawn_blocking(move || {
        let _gate = gate;
        let writes = winners(&region, batch)?;
        region.ledger.announce(&writes)?;
        let applied = write_all(&region, &writes);
        if applied.is_err() {
            // The gate is still held: no client's write can be taken for one that was announced.
            region.ledger.retract()?;
        }
        applied?;
        region.ledger.settle(&writes, &source_file_id, last)?;
        region.note_applied();
        Ok(())
    })
    .await?
}

/// The writes that come after what the destination has.
fn winners(region: &Replica, batch: Vec<Outgoing>) -> Result<Vec<Outgoing>, ApplyError> {
    let mut winners = Vec::with_capacity(batch.len());
    for write in batch {
        let current = region.ledger.stamp(&write.table_name, &write.item_key)?;
        if current.is_none_or(|current| write.stamp > current) {
            winners.push(write);
        }
    }
    Ok(winners)
}

/// Writes a batch, which is no more than one `BatchWriteItem` takes.
fn write_all(region: &Replica, writes: &[Outgoing]) -> Result<(), ApplyError> {
    let mut request_items: HashMap<String, Vec<WriteRequest>> = HashMap::new();
    for write in writes {
        request_items.entry(write.table_name.clone()).or_default().push(request(write)?);
    }
    if request_items.is_empty() {
        return Ok(());
    }
    let request = BatchWriteItemRequest { request_items, ..BatchWriteItemRequest::default() };
    match region.database().batch_write_item(request) {
        Ok(_written) => Ok(()),
        Err(DynoxideError::ResourceNotFoundException(_)) => Err(ApplyError::NoTable),
        Err(other) => Err(ApplyError::Engine(other.to_string())),
    }
}

fn request(write: &Outgoing) -> Result<WriteRequest, serde_json::Error> {
    Ok(match &write.image {
        Some(image) => WriteRequest {
            put_request: Some(PutRequest { item: serde_json::from_str(image)? }),
            delete_request: None,
        },
        None => WriteRequest {
            put_request: None,
            delete_request: Some(DeleteRequest { key: serde_json::from_str(&write.item_key)? }),
        },
    })
}
