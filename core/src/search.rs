//! The index of transcripts, tags and places.

use std::fmt;

use echoes_shared::{Echo, EchoId, Timestamp};

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
