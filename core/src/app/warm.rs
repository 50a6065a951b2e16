//! Keeps the heads of popular feeds warm: at the start, and again before what was kept then is over. One process of the region does
//! it at a time, and puts the new values over the old ones, so that nobody is shown a hole.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use echoes_shared::Emotion;
use echoes_shared::policy::{WARM_EMOTIONS, WARM_SECONDS};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::cache::Cache;
use crate::clock;
use crate::service::Service;
use crate::work::stopped;

/// How long readiness waits for the first time.
const FIRST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long Redis is waited for before that.
const REDIS_TIMEOUT: Duration = Duration::from_millis(500);
/// Between two times, a fifth more or less.
const EVERY: Duration = Duration::from_secs(1_500);
const _: () = assert!(EVERY.as_secs() * 12 / 10 <= WARM_SECONDS);
/// How long a turn lasts: no longer than the shortest time between two, so that it is over when this process comes again.
const TURN: Duration = Duration::from_secs(EVERY.as_secs() * 8 / 10);
/// Between two times that a process tells the others what it was asked for, a fifth more or less.
const SHARE_EVERY: Duration = Duration::from_secs(60);
/// Feeds that are kept warm beside those that always are.
const MAX_POPULAR: usize = 10;

/// What keeps warm, and what is kept warm.
#[derive(Debug)]
pub(super) struct Warmer {
    pub service: Arc<Service>,
    pub cache: Cache,
}

impl Warmer {
    /// Warms this process's memory, from the shared tiers where they have it. For five seconds at most.
    pub(super) async fn first(&self) {
        let warming = async {
            // Else the shared tiers, which another process may have filled, would not be asked.
            self.cache.connected(REDIS_TIMEOUT).await;
            let emotions = self.emotions().await;
            self.service.warm(&emotions, Duration::ZERO, clock::now()).await;
        };
        if tokio::time::timeout(FIRST_TIMEOUT, warming).await.is_err() {
            tracing::warn!("the caches are not warm in time");
        }
    }

    /// Goes on until `stop` is told.
    pub(super) async fn keep(&self, mut stop: watch::Receiver<bool>) {
        let mut share = pin!(sleep(jittered(SHARE_EVERY)));
        let mut warm = pin!(sleep(jittered(EVERY)));
        loop {
            tokio::select! {
                () = &mut share => {
                    self.cache.share_popular().await;
                    share.set(sleep(jittered(SHARE_EVERY)));
                }
                () = &mut warm => {
                    if self.cache.take_turn("warm", TURN).await {
                        // What is fresh until the next time need not be read again.
                        let at_least = Duration::from_secs(WARM_SECONDS);
                        self.service.warm(&self.emotions().await, at_least, clock::now()).await;
                    }
                    warm.set(sleep(jittered(EVERY)));
                }
                () = stopped(&mut stop) => return,
            }
        }
    }

    /// Those of the policy, and those that were popular in the last hour.
    async fn emotions(&self) -> Vec<Emotion> {
        let mut emotions = WARM_EMOTIONS.to_vec();
        let popular = self.cache.popular(clock::now()).await;
        emotions.extend(popular.into_iter().take(MAX_POPULAR).filter(|emotion| !WARM_EMOTIONS.contains(emotion)));
        emotions
    }
}

fn jittered(around: Duration) -> Duration {
    around.mul_f64(rand::random_range(0.8..1.2))
}
