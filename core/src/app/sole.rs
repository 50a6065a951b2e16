//! A region without Redis is served by one process, since two would not hear of each other's writes (design, *Caching*). Whoever
//! starts takes a lease, which all that have Redis hold together; one that may not join sees it renewed, and does not start.

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

/// This process's claim to serve its region, alone or beside those only that hear of its writes.
#[derive(Debug, Clone)]
pub(super) struct Sole {
    store: Store,
    region: Region,
    lease: SoleLease,
}

/// Why a claim is not granted.
enum Denied {
    /// Another process serves, whose lease this is.
    By(SoleLease),
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
    /// As it is now.
    Renewed(SoleLease),
    Lapsed,
    /// It is no longer that one, or its process has gone.
    Changed,
}

impl Sole {
    /// The claim of this process, which it shares where Redis tells the processes of a region of each other.
    pub(super) fn of(cache: &CacheConfig, store: &Store, region: Region) -> Self {
        let token = match cache.redis {
            Some(_) => SoleLease::SHARED.to_owned(),
            None => hex::lower(&rand::rng().random::<[u8; 16]>()),
        };
        // What is put under a token that is used again is not taken for what was there before.
        let beat = u64::from(rand::rng().random::<u32>());
        let lease = SoleLease { token, beat, holder: process::own(), several: false };
        Self { store: store.clone(), region, lease }
    }

    /// Takes the lease before anything is served; `false` where the store gave no answer.
    ///
    /// # Errors
    /// Where a process serves the region that would not hear of this one's writes.
    pub(super) async fn claim_at_start(&self) -> Result<bool, ServeError> {
        match self.claim().await {
            Ok(()) => Ok(true),
            Err(Denied::By(theirs)) => Err(refusal(self.region, &self.lease, &theirs)),
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
                Err(Denied::By(theirs)) => return Err(refusal(self.region, &self.lease, &theirs)),
                Err(Denied::Unknown(_)) => {}
            }
        }
    }

    /// Gives the lease back, for whoever starts next. A shared one may be others' too, and lapses with the last of them.
    pub(super) async fn release(&self) {
        if self.lease.is_shared() {
            return;
        }
        let release = self.store.release_sole_lease(&self.lease.token);
        match timeout(RELEASE_TIMEOUT, release).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the lease was not given back; it lapses"),
            Err(_) => tracing::warn!("the lease was not given back in time; it lapses"),
        }
    }

    async fn renew(&self) -> Result<bool, StoreError> {
        self.store.renew_sole_lease(&self.lease).await
    }

    /// Takes the lease where it is free, lapsed, or of a process that is gone; joins those who share it where this process may.
    async fn claim(&self) -> Result<(), Denied> {
        for _ in 0..MAX_CONTESTS {
            let Some(found) = self.store.sole_lease().await? else {
                if self.store.put_sole_lease(&self.lease, None).await? {
                    return Ok(());
                }
                continue;
            };
            let (same_token, deserted) = (found.token == self.lease.token, is_deserted(&found));
            if same_token && found.holder == self.lease.holder {
                // It was put, and the answer that said so was lost.
                return Ok(());
            }
            if same_token && !deserted {
                let joining = SoleLease { several: true, ..self.lease.clone() };
                if self.store.renew_sole_lease(&joining).await? {
                    return Ok(());
                }
                continue;
            }
            let free = deserted
                || match self.watch(&found).await? {
                    Watched::Renewed(theirs) => return Err(Denied::By(theirs)),
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
                    Some(now) if now.beat != lease.beat => return Ok(Watched::Renewed(now)),
                    None => return Ok(Watched::Changed),
                    Some(now) if is_deserted(&now) => return Ok(Watched::Changed),
                    Some(_) => {}
                }
            }
        };
        timeout(VALID, change).await.unwrap_or(Ok(Watched::Lapsed))
    }
}

/// Holds the lease for ever; takes it first where that could not be done at the start.
///
/// # Errors
/// Where it had never been held and turns out to be another's.
pub(super) async fn hold(sole: Sole, held: bool) -> Result<(), ServeError> {
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
            tracing::info!("the lease of the region is held again");
        }
        lost = !held;
    }
}

/// Whether its one holder is known to have ended. Of several the last to renew it may have, and the others go on.
fn is_deserted(lease: &SoleLease) -> bool {
    !lease.several && process::is_gone(&lease.holder)
}

fn refusal(region: Region, own: &SoleLease, theirs: &SoleLease) -> ServeError {
    let Holder { host, pid, .. } = &theirs.holder;
    let host = host.split(' ').next().filter(|name| !name.is_empty()).unwrap_or("an unknown host");
    let how = match (theirs.is_shared(), own.is_shared()) {
        (true, _) => "with ECHOES_REDIS_URL, which this process lacks",
        (false, true) => "without ECHOES_REDIS_URL, which this process has",
        (false, false) => "without ECHOES_REDIS_URL, which this process lacks too",
    };
    ServeError(format!("process {pid} on {host} serves {region} {how}: they would not hear of each other's writes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_that_names_the_variable_and_the_holder() {
        let lease = |token: &str, host: &str| {
            let holder = Holder { host: host.to_owned(), pid: 4711, started: 1 };
            SoleLease { token: token.to_owned(), beat: 0, holder, several: false }
        };
        let text = |own: &str, theirs: &str| {
            let theirs = lease(theirs, "core-1 0b6f pid:[4026531836]");
            refusal(Region::EuWest1, &lease(own, "core-2"), &theirs).to_string()
        };
        for (own, theirs, how) in [
            ("one", "two", "without ECHOES_REDIS_URL, which this process lacks too"),
            ("one", SoleLease::SHARED, "with ECHOES_REDIS_URL, which this process lacks:"),
            (SoleLease::SHARED, "two", "without ECHOES_REDIS_URL, which this process has"),
        ] {
            let text = text(own, theirs);
            assert!(text.contains(&format!("process 4711 on core-1 serves eu-west-1 {how}")), "{text}");
            assert_eq!(text.lines().count(), 1);
        }
        let unknown = refusal(Region::EuWest1, &lease("one", ""), &lease("two", "")).to_string();
        assert!(unknown.contains("an unknown host"), "{unknown}");
    }
}
