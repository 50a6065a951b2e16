//! The stream of `EchoesTable`: its shards and its records, in our words.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodbstreams::types::{self, AttributeValue as StreamValue, OperationType, ShardIteratorType};
use echoes_shared::Timestamp;
use echoes_shared::keys::schema;
use futures_util::future::BoxFuture;

use super::item::{self, Corrupt, Item, Stored};
use super::{Store, StoreError, client, dead_letters};
use crate::stream::{
    Damaged, Entry, FULL_RECORDS, Image, Listed, Listing, Page, Record, Sequence, ShardId, Source, SourceError,
    Start, Tombstone, What,
};

/// The most that a page may have.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html>
const MAX_RECORDS: i32 = FULL_RECORDS as i32;
/// Pages of shards after which something is wrong: a hundred shards each, and a shard lasts four hours of a day.
const MAX_LISTING_PAGES: usize = 1_000;
/// What a record takes where its size is not said.
const USUAL_BYTES: usize = 2_048;
/// How DynamoDB says that an item's time was up.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html>
const EXPIRY: &str = "dynamodb.amazonaws.com";

/// The stream of a store's table of echoes.
#[derive(Debug, Clone)]
pub struct TableStream {
    store: Store,
    client: Client,
    /// The stream's name, once it is known; another one is asked for if it is gone.
    arn: Arc<tokio::sync::Mutex<Option<String>>>,
}

impl TableStream {
    /// The stream of that store's table.
    pub async fn connect(store: &Store) -> Self {
        Self::over(client::connect_to_stream(&store.config).await, store)
    }

    /// The same through a client of the caller's making.
    #[must_use]
    pub fn over(client: Client, store: &Store) -> Self {
        Self { store: store.clone(), client, arn: Arc::default() }
    }

    /// The latest stream of the table, and the label that tells it from another one.
    async fn latest(&self) -> Result<(String, String), StoreError> {
        const OPERATION: &str = "DescribeTable";
        let request = self.store.client.describe_table().table_name(self.store.echoes());
        let table = self.store.call(OPERATION, request.send()).await?.table;
        let arn = table.as_ref().and_then(|table| table.latest_stream_arn());
        let label = table.as_ref().and_then(|table| table.latest_stream_label());
        match (arn, label) {
            (Some(arn), Some(label)) => {
                *self.arn.lock().await = Some(arn.to_owned());
                Ok((arn.to_owned(), label.to_owned()))
            }
            _ => Err(refused(OPERATION, "the table has no stream")),
        }
    }

    async fn arn(&self) -> Result<String, StoreError> {
        let known = self.arn.lock().await.clone();
        match known {
            Some(arn) => Ok(arn),
            None => Ok(self.latest().await?.0),
        }
    }

    async fn list(&self) -> Result<Listing, StoreError> {
        const OPERATION: &str = "DescribeStream";
        let (arn, label) = self.latest().await?;
        let mut shards = Vec::new();
        let mut after = None;
        for _ in 0..MAX_LISTING_PAGES {
            let request = self.client.describe_stream().stream_arn(&arn).set_exclusive_start_shard_id(after.take());
            let described = self.store.call(OPERATION, request.send()).await?.stream_description;
            let page = described.ok_or_else(|| refused(OPERATION, "no description"))?;
            shards.extend(page.shards().iter().filter_map(listed));
            after = page.last_evaluated_shard_id;
            if after.is_none() {
                return Ok(Listing { label, shards });
            }
        }
        Err(refused(OPERATION, "it lists shards without end"))
    }

    async fn first(&self, shard: &ShardId, start: &Start) -> Result<String, SourceError> {
        const OPERATION: &str = "GetShardIterator";
        let arn = self.arn().await.map_err(SourceError::Unavailable)?;
        let request = self.client.get_shard_iterator().stream_arn(arn).shard_id(shard.as_str());
        let request = match start {
            Start::Oldest => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Start::After(sequence) => {
                request.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number(sequence.as_str())
            }
        };
        let answer = self.store.count(OPERATION, request.send().await);
        let answer = answer.map_err(|error| failure(OPERATION, &error))?;
        answer.shard_iterator.ok_or_else(|| SourceError::Unavailable(refused(OPERATION, "no iterator")))
    }

    async fn records(&self, iterator: &str) -> Result<Page, SourceError> {
        const OPERATION: &str = "GetRecords";
        let request = self.client.get_records().shard_iterator(iterator).limit(MAX_RECORDS);
        let answer = self.store.count(OPERATION, request.send().await);
        let answer = answer.map_err(|error| failure(OPERATION, &error))?;
        let entries = answer.records.unwrap_or_default().into_iter().map(entry);
        let entries: Option<Vec<_>> = entries.map(|entry| entry.map(Arc::new)).collect();
        let unplaced = || SourceError::Unavailable(refused(OPERATION, "a record without a sequence number"));
        Ok(Page { entries: entries.ok_or_else(unplaced)?, next: answer.next_shard_iterator })
    }
}

impl Source for TableStream {
    fn listing(&self) -> BoxFuture<'_, Result<Listing, StoreError>> {
        Box::pin(self.list())
    }

    fn iterator<'a>(&'a self, shard: &'a ShardId, start: &'a Start) -> BoxFuture<'a, Result<String, SourceError>> {
        Box::pin(self.first(shard, start))
    }

    fn page<'a>(&'a self, iterator: &'a str) -> BoxFuture<'a, Result<Page, SourceError>> {
        Box::pin(self.records(iterator))
    }
}

fn refused(operation: &'static str, cause: &str) -> StoreError {
    StoreError::Refused { operation, cause: cause.to_owned() }
}

fn failure<E, R>(operation: &'static str, error: &SdkError<E, R>) -> SourceError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    match error.code() {
        Some("ExpiredIteratorException") => SourceError::Expired,
        Some("TrimmedDataAccessException") => SourceError::Trimmed,
        Some("ResourceNotFoundException") => SourceError::Gone,
        _ => SourceError::Unavailable(StoreError::from_sdk(operation, error)),
    }
}

fn listed(shard: &types::Shard) -> Option<Listed> {
    let id = ShardId::new(shard.shard_id()?);
    Some(Listed { id, parent: shard.parent_shard_id().map(ShardId::new) })
}

/// A record in our words; `None` where it does not even say where it stands.
fn entry(raw: types::Record) -> Option<Entry> {
    let removed = raw.event_name == Some(OperationType::Remove);
    let by_service = raw.user_identity.as_ref().is_some_and(|by| by.principal_id() == Some(EXPIRY));
    let raw = raw.dynamodb?;
    let sequence = Sequence::parse(raw.sequence_number.as_deref()?)?;
    let seconds = raw.approximate_creation_date_time.map_or(0, |at| at.secs());
    let at = Timestamp::from_millis(u64::try_from(seconds).unwrap_or_default().saturating_mul(1_000));
    let bytes = raw.size_bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(USUAL_BYTES);
    let images = Images {
        keys: raw.keys.and_then(converted).unwrap_or_default(),
        old: raw.old_image.map(|image| converted(image).unwrap_or_default()),
        new: raw.new_image.map(|image| converted(image).unwrap_or_default()),
        expired: removed && by_service,
    };
    let what = match images.record(sequence.clone(), at) {
        Ok(record) => What::Record(Arc::new(record)),
        Err(Corrupt(attribute)) => What::Damaged(Damaged {
            reason: format!("an image is neither echo nor tombstone: {attribute}"),
            raw: dead_letters::raw(&images),
        }),
    };
    Some(Entry { sequence, at, bytes, what })
}

/// A record as it came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Images {
    pub keys: Item,
    pub old: Option<Item>,
    pub new: Option<Item>,
    pub expired: bool,
}

impl Images {
    /// What the record says, if all of it can be read.
    pub(super) fn record(&self, sequence: Sequence, at: Timestamp) -> Result<Record, Corrupt> {
        Ok(Record {
            sequence,
            at,
            hash: item::text(&self.keys, schema::USER_ID)?.to_owned(),
            echo: item::id(&self.keys)?,
            old: self.old.as_ref().map(image).transpose()?,
            new: self.new.as_ref().map(image).transpose()?,
            expired: self.expired,
        })
    }
}

fn image(item: &Item) -> Result<Image, Corrupt> {
    match item::read(item)? {
        Stored::Echo(echo, _) => Ok(Image::Echo(echo)),
        Stored::Tombstone { was, .. } => {
            let deleted_at = item::text(item, item::DELETED_AT)?;
            let deleted_at = deleted_at.parse().map_err(|_| Corrupt(item::DELETED_AT))?;
            Ok(Image::Tombstone(Tombstone { deleted_at, was }))
        }
    }
}

/// The attributes in the words of the table's client, which has types of its own.
fn converted(image: HashMap<String, StreamValue>) -> Option<Item> {
    image.into_iter().map(|(name, value)| Some((name, value_of(value)?))).collect()
}

fn value_of(value: StreamValue) -> Option<AttributeValue> {
    Some(match value {
        StreamValue::B(bytes) => AttributeValue::B(bytes),
        StreamValue::Bool(truth) => AttributeValue::Bool(truth),
        StreamValue::Bs(set) => AttributeValue::Bs(set),
        StreamValue::L(list) => AttributeValue::L(list.into_iter().map(value_of).collect::<Option<_>>()?),
        StreamValue::M(map) => AttributeValue::M(converted(map)?),
        StreamValue::N(digits) => AttributeValue::N(digits),
        StreamValue::Ns(set) => AttributeValue::Ns(set),
        StreamValue::Null(is) => AttributeValue::Null(is),
        StreamValue::S(text) => AttributeValue::S(text),
        StreamValue::Ss(set) => AttributeValue::Ss(set),
        _ => return None,
    })
}
