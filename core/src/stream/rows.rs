//! What a region's workers know in common of a stream: a row for each shard, and one for each worker.

use std::collections::BTreeMap;
use std::fmt;

use echoes_shared::Timestamp;
use futures_util::future::BoxFuture;

use super::{Letter, Sequence, ShardId};
use crate::store::StoreError;

/// How far each sink's effects outlast any process, by the sink's name; a sink that is absent has none.
pub type Positions = BTreeMap<String, Sequence>;

/// Whether a shard holds more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It may.
    Open,
    /// Every sink has had all of it.
    Done,
}

/// A shard's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which shard it is.
    pub shard: ShardId,
    /// The shards that it goes on from.
    pub parents: Vec<ShardId>,
    /// Whether it holds more.
    pub state: State,
    /// The worker that reads it; `None` where it is free.
    pub owner: Option<String>,
    /// How often it has been taken.
    pub fence: u64,
    /// One more with each renewal.
    pub beat: u64,
    /// How far the sinks are.
    pub positions: Positions,
    /// A time before which nothing was made that some sink has not applied, by the wall clock of the worker that saw it.
    pub caught_up: Option<Timestamp>,
}

/// The right to write a row: it holds as long as nobody else has taken the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which shard it is.
    pub shard: ShardId,
    /// The worker.
    pub owner: String,
    /// Which taking this was.
    pub fence: u64,
}

/// A worker's sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerBeat {
    /// Its token, which no other process has.
    pub worker: String,
    /// One more each time.
    pub beat: u64,
}

/// What the workers of a region keep together. Each call is atomic; one that fails may have been made all the same.
pub trait Rows: Send + Sync + fmt::Debug + 'static {
    /// All rows of a stream, as they are now.
    fn rows<'a>(&'a self, stream: &'a str) -> BoxFuture<'a, Result<Vec<Row>, StoreError>>;

    /// Puts a shard's first row, taken by `row.owner`; `false` where there is one.
    fn begin<'a>(&'a self, stream: &'a str, row: &'a Row) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Takes a row for `owner` as long as it is what was `seen`, beat and all: its fence is one higher then.
    fn take<'a>(&'a self, stream: &'a str, seen: &'a Row, owner: &'a str) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Renews a claim and writes how far the sinks are; `false` where it holds no longer. `free` gives the row back, and so
    /// does [`State::Done`].
    fn keep<'a>(
        &'a self,
        stream: &'a str,
        claim: &'a Claim,
        kept: &'a Kept,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Removes a row as long as it is what was `seen`.
    fn remove<'a>(&'a self, stream: &'a str, seen: &'a Row) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The workers that have beaten.
    fn workers(&self) -> BoxFuture<'_, Result<Vec<WorkerBeat>, StoreError>>;

    /// One more beat of a worker.
    fn beat<'a>(&'a self, worker: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Forgets a worker that has gone; `beat` is its last one, or `None` where it says so itself.
    fn leave<'a>(&'a self, worker: &'a str, beat: Option<u64>) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Sets a record aside. The same letter again changes nothing.
    fn set_aside<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// What a worker writes into a row that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Whether the shard holds more.
    pub state: State,
    /// Whether the row is given back.
    pub free: bool,
    /// How far the sinks are.
    pub positions: Positions,
    /// A time before which nothing was made that some sink has not applied, if there is one.
    pub caught_up: Option<Timestamp>,
}
