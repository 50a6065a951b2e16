//! Makes good what the last writer should not have won: an echo in a tombstone's place, and an older version in a newer one's.
//!
//! The last writer wins a whole item, so an edit that a region took before it had heard of a delete, or of a later edit, may replace
//! it everywhere. The stream shows what was replaced. Where several writes came as one record it does not, so the tombstones are
//! also walked over, more rarely (`work/guard.rs`).
//!
//! An edit that only other regions held, and that has lost there to an older one of its home, the home has never seen: they ask it
//! to raise the version (`store/asks.rs`, `work/raises.rs`).
//!
//! A repair is itself a change that the stream shows, in every region: there a tombstone is in an echo's place, or a higher version in
//! a lower one's, which is as it should be. So repairs end.

use std::sync::{Mutex, PoisonError};

use echoes_shared::{Echo, Region, Timestamp};
use futures_util::future::BoxFuture;

use super::{Batch, Refused, Sink, SinkName, Unavailable};
use crate::cache::{Cache, Change};
use crate::store::{Gone, Overtaken, Raise, Store, StoreError};
use crate::stream::{Image, Record};

/// The guard of deletes and of versions, as a sink.
#[derive(Debug, Clone)]
pub struct Repair {
    store: Store,
    cache: Cache,
}

/// What is wrong with what a record leaves.
#[derive(Debug, PartialEq)]
enum Fault<'a> {
    /// An echo that was deleted at this time lives.
    Revived(&'a Echo, Timestamp),
    /// It lies over a newer edit. Its home must raise its version.
    Older(Region, Overtaken),
}

fn fault(record: &Record) -> Option<Fault<'_>> {
    let new = record.new_echo()?;
    match record.old.as_ref()? {
        Image::Tombstone(tombstone) => Some(Fault::Revived(new, tombstone.deleted_at)),
        Image::Echo(old) => {
            let (hash, echo, above) = (record.hash.clone(), record.echo, old.version);
            let overtaken = Overtaken { hash, echo, won: new.edition(), lost: old.edition(), above };
            (overtaken.won < overtaken.lost).then_some(Fault::Older(new.origin, overtaken))
        }
    }
}

impl Repair {
    /// Repairs `store`'s region, and tells `cache` of it.
    #[must_use]
    pub const fn new(store: Store, cache: Cache) -> Self {
        Self { store, cache }
    }

    async fn repair(&self, batch: &Batch) -> Result<Vec<Refused>, Unavailable> {
        let mut refused = Vec::new();
        for record in &batch.records {
            let Some(fault) = fault(record) else { continue };
            match self.mend(record, fault, batch.now).await {
                Ok(()) => {}
                Err(StoreError::Refused { operation, cause }) => {
                    let reason = format!("{operation}: {cause}");
                    refused.push(Refused { sequence: record.sequence.clone(), reason });
                }
                Err(error) => return Err(Unavailable(error.to_string())),
            }
        }
        Ok(refused)
    }

    async fn mend(&self, record: &Record, fault: Fault<'_>, now: Timestamp) -> Result<(), StoreError> {
        match fault {
            Fault::Revived(echo, deleted) => self.bury(record, echo, deleted, now).await,
            Fault::Older(home, overtaken) if home == self.store.region() => {
                if let Raise::Done(echo) = self.store.raise_version(&overtaken).await? {
                    self.cache.tell(&[Change::from(&*echo)]).await;
                }
                Ok(())
            }
            Fault::Older(home, overtaken) => self.store.ask_for_raise(home, &overtaken, now).await,
        }
    }

    async fn bury(&self, record: &Record, echo: &Echo, deleted: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let changes = Mutex::new(Vec::new());
        let doomed = |gone: Gone| {
            let change = Change::from(gone);
            self.cache.forget(std::slice::from_ref(&change));
            changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        };
        let outcome = self.store.put_tombstone_back(&record.hash, echo, deleted, doomed, now).await;
        if matches!(outcome, Ok(true)) {
            tracing::warn!(id = %echo.echo_id, version = echo.version, "a tombstone was put back");
        }
        // After a failure too: what was put back before it stands. The stream tells of it once more.
        let changes = changes.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.cache.tell(&changes).await;
        outcome.map(|_| ())
    }
}

impl Sink for Repair {
    fn name(&self) -> SinkName {
        SinkName::Repair
    }

    fn apply<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Refused>, Unavailable>> {
        Box::pin(self.repair(batch))
    }
}
