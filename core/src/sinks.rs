//! What becomes of a stream's records: each effect is a sink, which can be given the same record again.

pub mod analytics;
pub mod invalidation;
pub mod live;
pub mod repair;

mod search;

use std::fmt;
use std::sync::Arc;

use echoes_shared::Timestamp;
use futures_util::future::BoxFuture;

use crate::stream::{Record, Sequence, ShardId};

pub use search::SearchSink;

/// The effects, by the names that metrics, dead letters and positions have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SinkName {
    /// Counters.
    Analytics,
    /// The caches of the region.
    Invalidation,
    /// Those who listen now.
    Live,
    /// What a last writer should not have won.
    Repair,
    /// The index.
    Search,
}

impl SinkName {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Analytics, Self::Invalidation, Self::Live, Self::Repair, Self::Search];

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Analytics => "analytics",
            Self::Invalidation => "invalidation",
            Self::Live => "live",
            Self::Repair => "repair",
            Self::Search => "search",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sink| sink.as_str() == name)
    }
}

impl fmt::Display for SinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Records of one shard in their order; at least one.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Where they are from.
    pub shard: ShardId,
    /// The records, by rising sequence.
    pub records: Vec<Arc<Record>>,
    /// The wall clock when it was given.
    pub now: Timestamp,
}

/// A record that can never be applied as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which one.
    pub sequence: Sequence,
    /// Why, for an operator.
    pub reason: String,
}

/// What a sink needs does not answer: nothing is known of any record of the batch, and all are given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable(pub String);

/// An effect of the stream.
///
/// It is given each record at least once, and the records of one shard in their order, by one process at a time as far as that can
/// be known; a process that was taken for dead may still be applying what another applies. So an effect must come out the same
/// however often, and in however many processes, a run of records is applied from some point on.
pub trait Sink: Send + Sync + fmt::Debug {
    /// Its name.
    fn name(&self) -> SinkName;

    /// Is told that records of a shard were lost before they could be given to it, of which nothing is known; and returns when
    /// what it does about that outlasts this process. Where it cannot, or is left before, it does so before it applies anything
    /// more. A sink whose effects none of them can have outlived does nothing.
    fn lost<'a>(&'a self, shard: &'a ShardId, now: Timestamp) -> BoxFuture<'a, Result<(), Unavailable>> {
        let _ = (shard, now);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Applies a batch, and returns when the effect outlasts this process; those refused are named, all others are done.
    fn apply<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Refused>, Unavailable>>;
}
