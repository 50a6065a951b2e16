//! A region without Redis is served by one process, since two would not hear of each other's writes (design, *Caching*). Whoever
//! starts takes a lease; a second one sees it renewed, and does not start.

mod process;

use std::time::Duration;

use echoes_shared::{Region, hex};
use rand::RngExt as _;
use tokio::time::timeout;

use super::ServeError;
use crate::config::CacheConfig;
use crate::store::{Holder, SoleLease, Store, StoreError};

/// The pause between two renewals.
const RENEWAL: Duration = Duration::from_secs(3);
/// A lease that has not changed for so long is nobody's. Three renewals in a row may fail, or the holder pause so long.
const VALID: Duration = Duration::from_secs(10);
const _: () = assert!(RENEWAL.as_millis() * 3 < VALID.as_millis());
/// The pause between two looks at another's lease.
const LOOK: Duration = Duration::from_secs(1);
/// Changes of the lease under a claim, after which that is left to the next one.
const MAX_CONTESTS: usize = 8;
/// For giving the lease back at the end. Whoever starts after that waits, if it is not done.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause before the next claim where the store gave no answer is a random part of this.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// This process's claim to serve its region alone.
#[derive(Debug, Clone)]
pub(super) struct Sole {
    store: Store,
    region: Region,
    lease: SoleLease,
}

/// Why a claim is not granted.
enum Denied {
    /// Another process serves.
    By(Holder),
    /// The store gives no answer.
    Unknown(StoreError),
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Unknown(error)
    }
}

/// What became of another's lease while it was watched.
enum Watched {
    Renewed,
    Lapsed,
    /// It is no longer that one, or its process has gone.
    Changed,
}

impl Sole {
    /// The claim of this process; none where Redis tells the processes of a region of each other.
    pub(super) fn of(cache: &CacheConfig, store: &Store, region: Region) -> Option<Self> {
        let lease =
            SoleLease { token: hex::lower(&rand::rng().random::<[u8; 16]>()), beat: 0, holder: process::own() };
        cache.redis.is_none().then(|| Self { store: store.clone(), region, lease })
    }

    /// Takes the lease before anything is served; `false` where the store gave no answer.
    ///
    /// # Errors
    /// Where another process serves the region.
    pub(super) async fn claim_at_start(&self) -> Result<bool, ServeError> {
        match self.claim().await {
            Ok(()) => Ok(true),
            Err(Denied::By(holder)) => Err(refusal(self.region, &holder)),
            Err(Denied::Unknown(error)) => {
                tracing::warn!(%error, "whether another process serves this region cannot be seen yet");
                Ok(false)
            }
        }
    }

    async fn await_claim(&self) -> Result<(), ServeError> {
        loop {
            let pause = rand::rng().random_range(Duration::ZERO..MAX_PAUSE);
            tokio::time::sleep(pause).await;
            match self.claim().await {
                Ok(()) => return Ok(()),
                Err(Denied::By(holder)) => return Err(refusal(self.region, &holder)),
                Err(Denied::Unknown(_)) => {}
            }
        }
    }

    /// Gives the lease back, for whoever starts next.
    pub(super) async fn release(&self) {
        let release = self.store.release_sole_lease(&self.lease.token);
        match timeout(RELEASE_TIMEOUT, release).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the lease was not given back; it lapses"),
            Err(_) => tracing::warn!("the lease was not given back in time; it lapses"),
        }
    }

    async fn renew(&self) -> Result<bool, StoreError> {
        self.store.renew_sole_lease(&self.lease.token).await
    }

    /// Takes the lease where it is free, lapsed, or of a process that is gone.
    async fn claim(&self) -> Result<(), Denied> {
        for _ in 0..MAX_CONTESTS {
            let Some(found) = self.store.sole_lease().await? else {
                if self.store.put_sole_lease(&self.lease, None).await? {
                    return Ok(());
                }
                continue;
            };
            if found.token == self.lease.token {
                // It was put, and the answer that said so was lost.
                return Ok(());
            }
            let free = process::is_gone(&found.holder)
                || match self.watch(&found).await? {
                    Watched::Renewed => return Err(Denied::By(found.holder)),
                    Watched::Lapsed => true,
                    Watched::Changed => false,
                };
            if free && self.store.put_sole_lease(&self.lease, Some(&found)).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended.into())
    }

    /// Looks at another's lease until it changes or has not changed for long enough. A look that fails ends it: a holder that
    /// does not reach the store either has not let its lease lapse.
    async fn watch(&self, lease: &SoleLease) -> Result<Watched, StoreError> {
        let change = async {
            loop {
                tokio::time::sleep(LOOK).await;
                match self.store.sole_lease().await? {
                    Some(now) if now.token != lease.token => return Ok(Watched::Changed),
                    Some(now) if now.beat != lease.beat => return Ok(Watched::Renewed),
                    None => return Ok(Watched::Changed),
                    Some(_) if process::is_gone(&lease.holder) => return Ok(Watched::Changed),
                    Some(_) => {}
                }
            }
        };
        timeout(VALID, change).await.unwrap_or(Ok(Watched::Lapsed))
    }
}

/// Holds the lease for ever, where there must be one; takes it first where that could not be done at the start.
///
/// # Errors
/// Where it had never been held and turns out to be another's.
pub(super) async fn hold(sole: Option<Sole>, held: bool) -> Result<(), ServeError> {
    let Some(sole) = sole else { return std::future::pending().await };
    if !held {
        sole.await_claim().await?;
    }
    let mut lost = false;
    loop {
        tokio::time::sleep(RENEWAL).await;
        // Without an answer nobody else can take it either.
        let Ok(renewed) = sole.renew().await else { continue };
        if !renewed && !lost {
            // A pause of this process or of its host, or somebody's hand. What is served goes on being served.
            tracing::error!("another process may serve this region too; each hears late of what the other changes");
        }
        let held = renewed || sole.claim().await.is_ok();
        if held && !renewed {
            tracing::info!("this process serves the region alone again");
        }
        lost = !held;
    }
}

fn refusal(region: Region, holder: &Holder) -> ServeError {
    let host = holder.host.split(' ').next().filter(|name| !name.is_empty()).unwrap_or("an unknown host");
    ServeError(format!(
        "process {} on {host} serves {region} already, and without ECHOES_REDIS_URL only one may: two would not hear of each \
         other's writes",
        holder.pid
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_that_names_the_variable_and_the_holder() {
        let holder = Holder { host: "core-1 0b6f pid:[4026531836]".into(), pid: 4711, started: 1 };
        let text = refusal(Region::EuWest1, &holder).to_string();
        assert!(
            text.contains("ECHOES_REDIS_URL") && text.contains("process 4711 on core-1 serves eu-west-1"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
        let unknown = refusal(Region::EuWest1, &Holder { host: String::new(), pid: 1, started: 0 }).to_string();
        assert!(unknown.contains("an unknown host"), "{unknown}");
    }
}
