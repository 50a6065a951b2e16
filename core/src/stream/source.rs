//! Where records come from: DynamoDB's stream, or a script of one.

use std::fmt;
use std::sync::Arc;

use echoes_shared::Timestamp;
use futures_util::future::BoxFuture;

use super::{Record, Sequence, ShardId};
use crate::store::StoreError;

/// The shards of a stream, all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Which stream it is; another one of the same table has another label.
    pub label: String,
    /// In any order. Those go whose last record is past the stream's retention, and children come late.
    pub shards: Vec<Listed>,
}

/// A shard as the stream lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub id: ShardId,
    /// The shard that it goes on from, whether that is still listed or not.
    pub parent: Option<ShardId>,
}

/// Where reading a shard begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record that is kept.
    Oldest,
    /// With the first record above this one.
    After(Sequence),
}

/// Some records of one shard, perhaps none, in their order.
#[derive(Debug, Clone)]
pub struct Page {
    /// The records.
    pub entries: Vec<Arc<Entry>>,
    /// What the next page is asked with; `None` at the shard's end.
    pub next: Option<String>,
}

/// A record, or what is left of one.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its place in its shard.
    pub sequence: Sequence,
    /// When it was made, to the second.
    pub at: Timestamp,
    /// About the memory that it takes.
    pub bytes: usize,
    /// What it says.
    pub what: What,
}

/// What an entry says.
#[derive(Debug, Clone)]
pub enum What {
    /// A change.
    Record(Arc<Record>),
    /// Something that is none, and cannot be applied.
    Damaged(Damaged),
}

/// A record of which some part cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// What is wrong with it, for an operator.
    pub reason: String,
    /// As it came, in DynamoDB's JSON.
    pub raw: String,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceError {
    /// The iterator is older than it may be; another one from the same position does.
    Expired,
    /// What follows the position is past the stream's retention.
    Trimmed,
    /// There is no such shard any more.
    Gone,
    /// The stream gives no answer.
    Unavailable(StoreError),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("the iterator has expired"),
            Self::Trimmed => f.write_str("what follows the position is not kept any more"),
            Self::Gone => f.write_str("the shard is not kept any more"),
            Self::Unavailable(error) => error.fmt(f),
        }
    }
}

/// A stream.
pub trait Source: Send + Sync + fmt::Debug + 'static {
    /// The stream's shards as they are now.
    fn listing(&self) -> BoxFuture<'_, Result<Listing, StoreError>>;

    /// What the first page from there is asked with.
    fn iterator<'a>(&'a self, shard: &'a ShardId, start: &'a Start) -> BoxFuture<'a, Result<String, SourceError>>;

    /// The page that an iterator leads to.
    fn page<'a>(&'a self, iterator: &'a str) -> BoxFuture<'a, Result<Page, SourceError>>;
}
