//! Echoes in bulk: JSON lines into the table and out of it. This module and those below it name no AWS type.
//!
//! An import goes `lines → import → store`, and back to the `mark`, which the `checkpoint` keeps; an export `store → export`.

pub mod checkpoint;
pub mod export;
pub mod import;
pub mod lines;
pub mod mark;

/// How an import or an export ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With all there was.
    Complete,
    /// By a signal.
    Stopped,
    /// Whoever read the output has gone.
    Unwanted,
    /// By an error, which names the line where there is one.
    Failed(String),
}
