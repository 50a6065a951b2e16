//! Storing echoes that were created before: one by one on a condition, or twenty-five at a time without one.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use echoes_shared::policy::MAX_STORED_ECHO_BYTES;
use echoes_shared::{Echo, Timestamp};
use futures_util::future::{join_all, try_join_all};

use super::create::NewItem;
use super::item::{self, Stored};
use super::meter::INDEXES;
use super::{Store, StoreError};

/// Items of one BatchWriteItem at most.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
pub const CHUNK_ITEMS: usize = 25;
/// Bytes of one BatchWriteItem at most (the same page).
const MAX_CHUNK_BYTES: usize = 16 * 1024 * 1024;
// A line is escaped as a request is, so a chunk is never too large, and need not be measured.
const _: () = assert!(CHUNK_ITEMS * MAX_STORED_ECHO_BYTES < MAX_CHUNK_BYTES);

/// What an echo that was created before met in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// Nothing: it is stored now.
    Stored,
    /// Itself, or what edits have made of it since.
    Present,
    /// Another content or an earlier version under the same id, which was left as it is.
    Differs,
    /// A tombstone, which was left, or the erasure of its person: the echo has been deleted.
    Deleted,
}

impl Store {
    /// Stores an echo that was created before, unless something lies in its place or its person has been erased since:
    /// nothing is undone.
    pub async fn restore(&self, new: &NewItem, now: Timestamp) -> Result<RestoreOutcome, StoreError> {
        if self.is_erased(&new.echo.user_id, new.echo.echo_id, now).await? {
            return Ok(RestoreOutcome::Deleted);
        }
        Ok(match self.put_if_absent(new, now).await?.map(|old| item::read(&old)) {
            None => RestoreOutcome::Stored,
            Some(Ok(Stored::Tombstone { .. })) => RestoreOutcome::Deleted,
            Some(Ok(Stored::Echo(old, hash))) => new.compare_restored(&old, hash.as_deref()),
            Some(Err(_damaged)) => RestoreOutcome::Differs,
        })
    }

    /// Puts up to [`CHUNK_ITEMS`] echoes of different ids over whatever is there, of whomever, and answers which were not taken: their
    /// places in `items`, in order.
    pub async fn put_chunk(&self, items: &[&NewItem], now: Timestamp) -> Result<Vec<usize>, StoreError> {
        let requests = self.put_requests(items, now).await?;
        let request =
            self.client.batch_write_item().request_items(self.echoes(), requests).return_consumed_capacity(INDEXES);
        let output = self.call("BatchWriteItem", request.send()).await?;
        let left = output.unprocessed_items.and_then(|mut tables| tables.remove(self.echoes())).unwrap_or_default();
        let left = places_of(&left, items);
        let stored = items.iter().enumerate().filter(|(place, _)| !left.contains(place));
        // Waited for, unlike a single create's count: the chunk's units then include it, and none is left out.
        let counts = stored.map(|(_, new)| self.count_created(&new.echo.user_id, new.echo.echo_id, now));
        for error in join_all(counts).await.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "an echo is left out of its person's count");
        }
        Ok(left)
    }

    async fn put_requests(&self, items: &[&NewItem], now: Timestamp) -> Result<Vec<WriteRequest>, StoreError> {
        // Each person is asked for once; the placements that follow find all of them in memory.
        let mut people = HashSet::new();
        let first = items.iter().filter(|new| people.insert(&new.echo.user_id));
        try_join_all(first.map(|new| self.person(&new.echo.user_id, now))).await?;
        let mut requests = Vec::with_capacity(items.len());
        for new in items {
            let place = self.placement(&new.echo, now).await?;
            let put = PutRequest::builder()
                .set_item(Some(item::of_echo(&new.echo, new.content_hash.as_deref(), &place)))
                .build()
                .map_err(|error| refused(&error))?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        Ok(requests)
    }
}

fn refused(error: &dyn std::error::Error) -> StoreError {
    StoreError::Refused { operation: "BatchWriteItem", cause: error.to_string() }
}

/// Where the items of these requests stand among `items`, whose ids differ.
fn places_of(requests: &[WriteRequest], items: &[&NewItem]) -> Vec<usize> {
    if requests.is_empty() {
        return Vec::new();
    }
    let places: HashMap<_, _> = items.iter().enumerate().map(|(place, new)| (new.echo.echo_id, place)).collect();
    let id = |request: &WriteRequest| request.put_request().and_then(|put| item::id(put.item()).ok());
    let mut left: Vec<_> = requests.iter().filter_map(|request| places.get(&id(request)?).copied()).collect();
    if left.len() < requests.len() {
        // A request that cannot be told from the others: none of them counts as taken.
        return (0..items.len()).collect();
    }
    left.sort_unstable();
    left
}

impl NewItem {
    fn compare_restored(&self, old: &Echo, old_hash: Option<&str>) -> RestoreOutcome {
        let same = match (self.content_hash.as_deref(), old_hash) {
            // An echo keeps the hash of what was posted through all of its edits.
            (Some(own), Some(old)) => own == old,
            _ => *old == self.echo || old.version > self.echo.version,
        };
        if same { RestoreOutcome::Present } else { RestoreOutcome::Differs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::types::AttributeValue;
    use echoes_shared::{Emotion, IdempotencyKey, Region};

    use crate::samples::{EPOCH_MILLIS, content};

    fn new(seed: u8) -> NewItem {
        let key = IdempotencyKey::mint(Timestamp::from_millis(EPOCH_MILLIS), &[seed; 10]);
        NewItem::new("ana".parse().unwrap(), key, content(Emotion::Happy), Region::EuWest1)
    }

    #[test]
    fn what_was_not_taken_is_found_by_its_id() {
        let items = [new(1), new(2), new(3)];
        let items: Vec<_> = items.iter().collect();
        let request = |new: &NewItem| {
            let key = item::base_key("ana#202611", new.echo.echo_id);
            let put =
                PutRequest::builder().set_item(Some(key)).item("x", AttributeValue::Bool(true)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        assert_eq!(places_of(&[request(items[2]), request(items[0])], &items), [0, 2]);
        assert_eq!(places_of(&[request(&new(4))], &items), [0, 1, 2]);
        assert!(places_of(&[], &items).is_empty());
    }

    #[test]
    fn an_edited_echo_is_present_and_an_unknown_one_differs() {
        let original = new(1);
        let edited = Echo { version: 3, transcript: Some("edited".into()), ..original.echo.clone() };
        let hash = original.content_hash.as_deref();
        assert_eq!(original.compare_restored(&edited, hash), RestoreOutcome::Present);
        assert_eq!(original.compare_restored(&edited, None), RestoreOutcome::Present);
        assert_eq!(original.compare_restored(&original.echo, Some("other")), RestoreOutcome::Differs);
        let from_edited = NewItem::restored(edited.clone());
        assert_eq!(from_edited.content_hash, None);
        assert_eq!(from_edited.compare_restored(&edited, None), RestoreOutcome::Present);
        assert_eq!(from_edited.compare_restored(&original.echo, hash), RestoreOutcome::Differs);
        assert_eq!(NewItem::restored(original.echo.clone()), original);
    }
}
