//! What asks the store for a key's value.

use super::Loaded;
use crate::store::StoreError;

/// A load, which can be made once, in a task of its own.
pub trait Load: FnOnce() -> Self::Answer + Send + 'static {
    /// What it comes to.
    type Answer: Future<Output = Result<Loaded, StoreError>> + Send + 'static;
}

impl<L, A> Load for L
where
    L: FnOnce() -> A + Send + 'static,
    A: Future<Output = Result<Loaded, StoreError>> + Send + 'static,
{
    type Answer = A;
}
