//! The index of transcripts, tags and places.
//!
//! Two kinds of index are one [`Index`]: one in this process for a machine of its own, and a search server. Both are given the
//! same tokens ([`text`]), so that they find the same.

pub mod embedded;
pub mod fill;
pub mod highlight;
pub mod opensearch;
pub mod query;
pub mod text;

use std::fmt;
use std::sync::Arc;

use echoes_shared::echo::edition;
use echoes_shared::policy::TOMBSTONE_DAYS;
use echoes_shared::{Echo, EchoId, Timestamp};
use futures_util::future::BoxFuture;

pub use embedded::Embedded;
pub use query::{Clause, Position, Query};

/// A state of an echo for the index. Of two states the one of the higher edition stays, in whatever order they come.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Which echo.
    pub id: EchoId,
    /// [`Echo::edition`], or [`echoes_shared::echo::edition::GONE`].
    pub edition: u64,
    /// What to find.
    pub state: State,
}

/// What an echo is to the index.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Found while it has not expired.
    Lives(Box<Echo>),
    /// Never found again. The index remembers that until this time, after which no older state can come.
    Gone {
        /// Until when it must be remembered.
        until: Timestamp,
    },
}

impl Document {
    /// The echo as it is.
    pub fn lives(echo: Echo) -> Self {
        Self { id: echo.echo_id, edition: echo.edition(), state: State::Lives(Box::new(echo)) }
    }

    /// An echo that is no more, as was heard at `now`. What older is on its way, in a stream or a scan of the table, comes
    /// within a day; its tombstone is there for as long as this.
    pub fn gone(id: EchoId, now: Timestamp) -> Self {
        Self { id, edition: edition::GONE, state: State::Gone { until: now.plus_days(TOMBSTONE_DAYS) } }
    }
}

/// A document that the index can never take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedDocument {
    /// Which echo.
    pub id: EchoId,
    /// Why, for an operator.
    pub reason: String,
}

/// The index does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchUnavailable(pub String);

impl fmt::Display for SearchUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SearchUnavailable {}

/// An echo that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The echo as the index knows it.
    pub echo: Box<Echo>,
    /// How well it fits, above zero; zero in the order of time.
    pub score: f32,
}

impl Hit {
    /// Where the next page begins if this is the last of one.
    pub fn position(&self) -> Position {
        Position { score: self.score, id: self.echo.echo_id }
    }
}

/// A page of what was found, best or newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hits {
    /// At most [`Query::limit`].
    pub hits: Vec<Hit>,
    /// Whether there is more after the last.
    pub more: bool,
}

/// What an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Echoes, expired ones that were not purged yet among them.
    pub echoes: u64,
    /// Echoes that are remembered as gone.
    pub gone: u64,
    /// Whether every echo of the table has been in it; until then a search may find less than there is.
    pub filled: bool,
}

/// An index of one region.
///
/// Every call is bounded in time, and may be made again: documents are of an edition, so that it does not matter how often, in
/// which order and by how many processes they are applied.
pub trait Index: Send + Sync + fmt::Debug {
    /// Takes up to 1,000 documents, several of one echo allowed, and returns when they outlast this process; those refused are
    /// named, all others are taken or were overtaken. They are found soon after.
    fn apply<'a>(
        &'a self,
        documents: &'a [Document],
    ) -> BoxFuture<'a, Result<Vec<RefusedDocument>, SearchUnavailable>>;

    /// What lives at `now` and fits.
    fn search<'a>(&'a self, query: &'a Query, now: Timestamp) -> BoxFuture<'a, Result<Hits, SearchUnavailable>>;

    /// Drops what has expired, and what was to be remembered as gone until now; answers how much that was.
    fn purge(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, SearchUnavailable>>;

    /// Notes that echoes of the table may be missing, or not be as they are there, until it has been filled once more.
    fn doubt(&self, now: Timestamp) -> BoxFuture<'_, Result<(), SearchUnavailable>>;

    /// Returns when everything that was applied before is found.
    fn refresh(&self) -> BoxFuture<'_, Result<(), SearchUnavailable>>;

    /// What it holds.
    fn stats(&self) -> BoxFuture<'_, Result<Stats, SearchUnavailable>>;
}

/// The index that a process searches and works on.
pub type Search = Arc<dyn Index>;
