//! Reads the whole table at a pace, its segments side by side.

use std::fmt::Display;

use echoes_shared::Timestamp;
use tokio::task::JoinSet;

use super::{Attempt, Pace};
use crate::store::{ScanPage, Segment, Store, StoreError};

/// Reads a segment's next page when the pace allows it, and gives the segment back. `now` is asked at each attempt.
pub async fn next_page(
    store: &Store,
    pace: &Pace,
    segment: Segment,
    consistent: bool,
    now: impl Fn() -> Timestamp,
) -> (Segment, Result<ScanPage, StoreError>) {
    let read = async |mut segment: Segment| {
        let page = Box::pin(store.scan(&mut segment, consistent, now())).await;
        (segment, Attempt::of(page))
    };
    pace.until_granted(segment, read).await
}

/// Tasks that each read a segment. They end with this.
#[derive(Debug)]
pub struct Segments<E>(JoinSet<Result<(), E>>);

impl<E: Display + Send + 'static> Segments<E> {
    /// Reads a table in so many segments, one at least.
    pub fn spawn<F>(segments: u16, read: impl Fn(Segment) -> F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        Self(Segment::all(segments).map(read).collect())
    }

    /// How the next one ended; `None` where none goes on.
    pub async fn next(&mut self) -> Option<Result<(), String>> {
        let ended = self.0.join_next().await?;
        Some(ended.map_err(|error| error.to_string()).and_then(|ended| ended.map_err(|error| error.to_string())))
    }

    /// How all of them ended.
    ///
    /// # Errors
    /// The first that was met.
    pub async fn end(&mut self) -> Result<(), String> {
        while let Some(ended) = self.next().await {
            ended?;
        }
        Ok(())
    }
}
