//! The second way to tell of a write, for when Redis cannot be told: a count in the store, which every process follows.

use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;

use super::Tiers;
use crate::clock::Stopwatch;
use crate::store::Store;

/// Between two looks at the count, which bounds how long Redis is believed after a write that it was not told of: together with
/// the lag of the indexes, well within what memory may show.
const PERIOD: Duration = Duration::from_secs(3);
/// For how long Redis is believed while the count cannot be read: others may reach the store, and write.
const BELIEVED: Duration = Duration::from_secs(10);
const _: () = assert!(PERIOD.as_secs() * 3 < BELIEVED.as_secs());
/// Attempts to count one write. Where all fail the writer is answered all the same: Redis is told when it is back.
const ATTEMPTS: usize = 3;
/// Before an attempt that is not the first.
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// Counts for all who wait at once: a hundred writers that Redis fails together are one or two writes of one item, not a hundred.
#[derive(Debug, Default)]
pub(super) struct Turns {
    begun: AtomicU64,
    /// The last that has ended.
    ended: Mutex<Turn>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Turn {
    number: u64,
    /// Whether it came to what was wanted.
    well: bool,
}

impl Turns {
    /// Returns when a turn has ended that began after this was called, be it another caller's; with how the last one ended.
    async fn take<F: Future<Output = bool>>(&self, turn: impl FnOnce() -> F) -> bool {
        let before = self.begun.load(Ordering::SeqCst);
        let mut ended = self.ended.lock().await;
        if ended.number > before {
            return ended.well;
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        let well = turn().await;
        *ended = Turn { number, well };
        well
    }
}

/// Counts a write, or several, that Redis was not told of; to be awaited before the writer is answered. Answers whether that was
/// done.
pub(super) async fn count(tiers: &Tiers, store: &Store) -> bool {
    tiers.untold_turns.take(|| count_once(tiers, store)).await
}

async fn count_once(tiers: &Tiers, store: &Store) -> bool {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            sleep(MAX_PAUSE.mul_f64(rand::random_range(0.0..1.0))).await;
        }
        match store.count_untold().await {
            Ok(count) => {
                tiers.untold(count);
                return true;
            }
            Err(error) if error.is_passing() => {}
            Err(error) => {
                tracing::error!(%error, "a write that Redis was not told of cannot be counted");
                return false;
            }
        }
    }
    tracing::error!("a write that Redis was not told of cannot be counted: the store does not answer");
    false
}

/// Follows the count for as long as the caches are used.
pub(super) async fn follow(tiers: Weak<Tiers>, store: Store) {
    let mut read = Stopwatch::start();
    let mut failing = false;
    loop {
        // Before the count is read: what is read is at least as high, unless the store itself went back.
        let Some(known) = tiers.upgrade().map(|tiers| tiers.known_untold()) else { return };
        let asked = Stopwatch::start();
        let answer = store.untold().await;
        let Some(tiers) = tiers.upgrade() else { return };
        match answer {
            Ok(count) => {
                (read, failing) = (asked, false);
                if count < known {
                    tracing::warn!(count, known, "the count of untold writes has fallen: everything is loaded again");
                    tiers.recount(count);
                } else {
                    tiers.untold(count);
                }
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "the count of untold writes cannot be read");
                }
                failing = true;
                if read.elapsed() >= BELIEVED {
                    tiers.await_untold();
                }
            }
        }
        drop(tiers);
        sleep(PERIOD).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_together_is_counted_together() {
        let (turns, counted, open) = (Turns::default(), AtomicU64::new(0), Arc::new(Notify::new()));
        let take = || {
            turns.take(|| async {
                counted.fetch_add(1, Ordering::SeqCst);
                open.notified().await;
                true
            })
        };
        let opens = async {
            for _ in 0..2 {
                tokio::task::yield_now().await;
                open.notify_one();
            }
        };
        let first = take();
        let others = async {
            // The first has begun: a write that ends now may be later than what it counts.
            tokio::task::yield_now().await;
            join_all((0..100).map(|_| take())).await
        };
        tokio::join!(first, others, async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            opens.await;
        });
        assert_eq!(counted.load(Ordering::SeqCst), 2);
    }
}
