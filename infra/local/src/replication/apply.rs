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
        let announced = Announced::new(&region, &writes)?;
        write_all(&region, &writes)?;
        announced.settle(&writes, &source_file_id, last)?;
        region.note_applied();
        Ok(())
    })
    .await?
}

/// The announcement of a batch: taken back when it is dropped, whatever the reason, unless the batch was settled. Since
/// the gate outlives it, no client's write can be taken for one that was announced.
struct Announced<'a> {
    region: &'a Replica,
    settled: bool,
}

impl<'a> Announced<'a> {
    fn new(region: &'a Replica, writes: &[Outgoing]) -> Result<Self, ApplyError> {
        region.ledger.announce(writes)?;
        Ok(Self { region, settled: false })
    }

    fn settle(mut self, writes: &[Outgoing], source_file_id: &str, record_id: i64) -> Result<(), ApplyError> {
        self.region.ledger.settle(writes, source_file_id, record_id)?;
        self.settled = true;
        Ok(())
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        if !self.settled
            && let Err(error) = self.region.ledger.retract()
        {
            tracing::error!(region = %self.region.name, %error, "announced writes could not be taken back");
        }
    }
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

#[cfg(test)]
mod tests {
    use echoes_shared::Region;
    use serde_json::json;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::layout::ECHOES_TABLE;

    async fn region(name: Region, folder: &std::path::Path, stop: &CancellationToken) -> Arc<Replica> {
        region_with_images(name, folder, stop, "NEW_AND_OLD_IMAGES").await
    }

    async fn region_with_images(
        name: Region,
        folder: &std::path::Path,
        stop: &CancellationToken,
        images: &str,
    ) -> Arc<Replica> {
        let region = Replica::open(name, folder, &TaskTracker::new(), stop).await.unwrap();
        let table = json!({
            "TableName": ECHOES_TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "userId", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "userId", "AttributeType": "S" }],
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": images },
        });
        region.database().create_table(serde_json::from_value(table).unwrap()).unwrap();
        region
    }

    fn put(region: &Replica) {
        let item = json!({ "TableName": ECHOES_TABLE, "Item": { "userId": { "S": "ana" } } });
        region.database().put_item(serde_json::from_value(item).unwrap()).unwrap();
    }

    #[tokio::test]
    async fn what_could_not_be_settled_does_not_colour_the_next_local_write() {
        let (folder, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let source = region(Region::UsEast1, folder.path(), &stop).await;
        let destination = region(Region::EuWest1, folder.path(), &stop).await;
        put(&source);
        let delete = json!({ "TableName": ECHOES_TABLE, "Key": { "userId": { "S": "ana" } } });
        source.database().delete_item(serde_json::from_value(delete).unwrap()).unwrap();
        // The delete alone: of an item that is absent there it leaves no stream record, which would use it up.
        let batch = source.ledger.outgoing(0, 10).unwrap().split_off(1);

        let file = rusqlite::Connection::open(folder.path().join("eu-west-1.db")).unwrap();
        file.execute_batch(
            "CREATE TRIGGER fails BEFORE INSERT ON echoes_checkpoints BEGIN SELECT RAISE(ABORT, 'full'); END",
        )
        .unwrap();
        let outcome = apply(&source, &destination, batch.clone()).await;
        assert!(matches!(outcome, Err(ApplyError::Ledger(_))), "{outcome:?}");
        put(&destination);
        assert_eq!(destination.ledger.outgoing(0, 10).unwrap().len(), 1, "a local write, for the others to hear of");

        file.execute_batch("DROP TRIGGER fails").unwrap();
        apply(&source, &destination, batch).await.unwrap();
        assert_eq!(destination.ledger.checkpoint(source.ledger.file_id()).unwrap(), 2);
        stop.cancel();
    }

    #[tokio::test]
    async fn a_stream_without_images_is_an_error_and_deletes_nothing() {
        let (folder, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let source = region_with_images(Region::UsEast1, folder.path(), &stop, "KEYS_ONLY").await;
        put(&source);
        let error = source.ledger.outgoing(0, 10).unwrap_err();
        assert!(error.to_string().contains("new_image"), "{error}");
        stop.cancel();
    }
}
