//! The second way to tell of a write, for when Redis cannot be told: a count in the store, which every process follows.

use std::sync::Weak;
use std::time::Duration;

use super::Tiers;
use crate::store::Store;

/// Between two looks at the count, which bounds how long Redis is believed after a write that it was not told of: together with
/// what memory may show, well within ten seconds.
const PERIOD: Duration = Duration::from_secs(3);
/// Attempts to count one write. Where all fail the writer is answered all the same: Redis is told when it is back.
const ATTEMPTS: usize = 3;

/// Counts a write, or several, that Redis was not told of; to be awaited before the writer is answered.
pub(super) async fn count(tiers: &Tiers, store: &Store) {
    for _ in 0..ATTEMPTS {
        match store.count_untold().await {
            Ok(count) => return tiers.untold(count),
            Err(error) if error.is_passing() => {}
            Err(error) => return tracing::error!(%error, "a write that Redis was not told of cannot be counted"),
        }
    }
    tracing::error!("a write that Redis was not told of cannot be counted: the store does not answer");
}

/// Follows the count for as long as the caches are used.
pub(super) async fn follow(tiers: Weak<Tiers>, store: Store) {
    loop {
        let answer = store.untold().await;
        let Some(tiers) = tiers.upgrade() else { return };
        match answer {
            Ok(count) => tiers.untold(count),
            // What is known goes on to hold: while the store does not answer nobody writes.
            Err(error) => tracing::debug!(%error, "the count of untold writes cannot be read"),
        }
        drop(tiers);
        tokio::time::sleep(PERIOD).await;
    }
}
