//! Erases a person: a tombstone in the place of every echo up to the time of the request, in every region.
//!
//! A request is an entry on the list of erasures that run and a note in the record of the region that took it. The worker of each
//! region then goes its own way (`decision`): it *walks* through everything that the person has in its table, buries the
//! echoes whose home it is, and writes down what it found: how many live on, and the sum of all tombstones. It walks again
//! while something lives or another region found something else. When all regions have found the same and nothing that lives, they
//! *agree*; what a core that could not be told, and edges after it, may still show is gone 77 s later, and then it is *done*.
//!
//! Why nothing can come back then, whatever came late and in whatever order:
//!
//! * Agreement means that each region has seen, in each place, the very same tombstone. A living echo that anybody wrote before it
//!   is older than that tombstone in the region that wrote it, and so in every region: the last writer wins. Nobody writes one
//!   after it: a create needs an empty place, an edit the version that it has read. How long replication takes, and whether the
//!   records overtake the echoes, does not matter; a region that lags or is cut off disagrees, or says nothing, and the
//!   erasure runs until it is back.
//! * A place that was empty in every region stays so. A create under an old key is refused once its region has heard of the request
//!   (`Store::is_erased`); one under a fresh key is not, but that key does not stay fresh. A walk counts only if it began later
//!   than both, and than any create that was under way (`decision::is_sure`).
//! * What these two leave, such as a process that slept between its look and its write, or an import, is looked for over the
//!   next days ([`Store::look_for_late_echoes`]). So an erasure writes no guards of single tombstones.
//!
//! No clock is compared with another region's, except where the time of the request is compared with the echoes' own; so a request
//! reaches up to the newest echo that its region knows, however far ahead of its clock that is.

mod decision;
mod entries;
#[cfg(test)]
mod model;
mod record;
mod records;
mod tally;
mod walk;

use std::collections::BTreeSet;

use echoes_shared::keys;
use echoes_shared::policy::{KEY_MAX_AHEAD_MILLIS, SIGNATURE_SKEW_SECONDS};
use echoes_shared::{EchoId, Timestamp, UserId};
use futures_util::future::BoxFuture;

use super::item::Item;
use super::profile::{self, Profile};
use super::{Gone, Store, StoreError};
use decision::{Duty, Erasure, FRESH_KEY_MILLIS, Step};
use record::{Place, Walk};
use records::Change;

pub use entries::{ErasureEntry, ErasureList, ErasurePosition};

/// Steps of one call at most; each but a walk is one write.
const MAX_STEPS: usize = 8;

/// Milliseconds that an echo may be ahead of a region's clock: its key of the edge's, and the edge's of the region's.
const MOST_AHEAD_MILLIS: u64 = KEY_MAX_AHEAD_MILLIS + SIGNATURE_SKEW_SECONDS * 1_000;

/// Tells the region's caches of echoes that are gone, before the walk that met them goes on. So a region that says that it
/// found nothing alive has told its caches of every tombstone since that stood here, those of other regions included: whatever a
/// process that ended in between had not told, the next walk meets and tells again.
pub type Tell<'a> = &'a (dyn Fn(Vec<Gone>) -> BoxFuture<'static, ()> + Send + Sync);

/// How far an erasure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasureStatus {
    /// Echoes may still be seen somewhere.
    Running,
    /// None can be.
    Done,
}

/// What one call of [`Store::erase_on`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Whether it read or buried echoes: then there may be more to do at once. Else there is nothing to do for now.
    pub walked: bool,
    /// Tombstones put.
    pub buried: usize,
}

/// A look for late echoes that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LateLook(Place);

impl Store {
    /// Takes a request: every echo of `user` that there is now goes. Answers the time up to which.
    ///
    /// To repeat it is to ask anew where something was created meanwhile, which goes too, or where the erasure is done. Else the
    /// one that runs is the answer, so that whoever asks again and again sees its end. What another region took and has not
    /// come here counts as created later. A crash after the entry is repaired by the worker that
    /// finds it; the caller was not told.
    ///
    /// # Errors
    /// Where the store fails; the request may then have been taken.
    pub async fn erase(&self, user: &UserId, now: Timestamp) -> Result<Timestamp, StoreError> {
        let items = self.person_items(user).await?;
        let records = records::of_items(&items, now);
        let erasure = Erasure { own: self.config.region, regions: &self.config.regions, records: &records };
        let running = erasure.request().map(|(up_to, _)| up_to).filter(|up_to| !erasure.is_done(*up_to));
        let since = running.map_or(now, |running| running.min(now));
        let newest = self.newest_since(user, &items, since, now).await?;
        if let Some(running) = running.filter(|running| newest <= Some(*running)) {
            return Ok(running);
        }
        let up_to = newest.unwrap_or(now).max(now);
        self.open_erasure(user, up_to).await?;
        self.note_erasure(user, up_to).await?;
        Ok(up_to)
    }

    /// How far the erasure of `user` is, as far as is known here; `None` where there was none in the last eight days.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn erasure(&self, user: &UserId, now: Timestamp) -> Result<Option<ErasureStatus>, StoreError> {
        let records = records::of_items(&self.person_items(user).await?, now);
        let erasure = Erasure { own: self.config.region, regions: &self.config.regions, records: &records };
        let Some((up_to, _)) = erasure.request() else { return Ok(None) };
        Ok(Some(if erasure.is_done(up_to) { ErasureStatus::Done } else { ErasureStatus::Running }))
    }

    /// Does what is to be done in this region for one person, a bounded part of it.
    ///
    /// It can be cut off anywhere and called again, and by several processes at once: each burial is conditional on the version seen.
    ///
    /// # Errors
    /// Where the store fails or grants no units; what was done is written down.
    pub async fn erase_on(
        &self,
        entry: &ErasureEntry,
        tell: Tell<'_>,
        now: Timestamp,
    ) -> Result<Progress, StoreError> {
        let (own, user) = (self.config.region, &entry.user);
        let items = self.person_items(user).await?;
        let (mut records, hashes) = (records::of_items(&items, now), hash_keys(&items, user, now));
        let noted = records.get(&own).and_then(|record| record.requested);
        if entry.region == own && noted < Some(entry.up_to) {
            // The process that took the request ended between its two writes.
            self.note_erasure(user, entry.up_to).await?;
            records.entry(own).or_default().requested = Some(entry.up_to);
        }
        let mut progress = Progress::default();
        for _ in 0..MAX_STEPS {
            let erasure = Erasure { own, regions: &self.config.regions, records: &records };
            match erasure.next(now) {
                Step::Rest => break,
                Step::See(seen) => {
                    self.change_erasure(user, &Change::See(seen), now).await?;
                    let record = records.entry(own).or_default();
                    (record.seen, record.walk, record.finding, record.agreed) = (Some(seen), None, None, None);
                }
                Step::Walk(mut walk) => {
                    let before = walk.clone();
                    let outcome = self.walk_person(&hashes, &mut walk, &erasure.duty(now), tell, now).await;
                    if !outcome.as_ref().is_ok_and(|turn| turn.over) && walk != before {
                        self.change_erasure(user, &Change::Advance(&walk), now).await?;
                    }
                    let turn = outcome?;
                    progress = Progress { walked: true, buried: progress.buried + turn.buried };
                    if !turn.over {
                        break;
                    }
                    let finding = erasure.conclude(&walk, now);
                    self.change_erasure(user, &Change::Find(&finding), now).await?;
                    let record = records.entry(own).or_default();
                    (record.walk, record.finding) = (None, Some(finding));
                }
                Step::Agree(agreed) => {
                    self.change_erasure(user, &Change::Agree(agreed), now).await?;
                    records.entry(own).or_default().agreed = Some(agreed);
                }
                Step::Finish(up_to) => {
                    self.change_erasure(user, &Change::Finish(up_to), now).await?;
                    records.entry(own).or_default().done = Some(up_to);
                    tracing::info!("an erasure is done");
                }
                Step::Close(up_to) => {
                    if entry.region == own {
                        self.close_erasure(entry, up_to, now).await?;
                    }
                    break;
                }
            }
        }
        Ok(progress)
    }

    /// Goes on looking for echoes of a person whose erasure is done, and buries them; `true` once it has looked everywhere.
    ///
    /// # Errors
    /// Where the store fails or grants no units; the look may go on.
    pub async fn look_for_late_echoes(
        &self,
        entry: &ErasureEntry,
        look: &mut LateLook,
        tell: Tell<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut walk = Walk { place: look.0.clone(), ..Walk::new(entry.up_to, String::new(), now) };
        let hashes = hash_keys(&self.person_items(&entry.user).await?, &entry.user, now);
        let outcome = self.walk_person(&hashes, &mut walk, &Duty::all(), tell, now).await;
        look.0 = walk.place;
        let turn = outcome?;
        if turn.buried > 0 {
            tracing::warn!(echoes = turn.buried, "echoes that came after their person's erasure were buried");
        }
        Ok(turn.over)
    }

    /// The time of the newest thing that `user` has here, where that is after `since`: keys may be ahead of the edge's clock,
    /// and that of this one.
    async fn newest_since(
        &self,
        user: &UserId,
        person: &[Item],
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        // What is newer lies under the person's own key, or in the bucket of that month or a later one.
        let oldest_bucket = keys::bucket_key(user, since.month());
        let mut newest = None;
        for hash in hash_keys(person, user, now) {
            if hash == user.as_str() || hash >= oldest_bucket {
                newest = newest.max(self.newest_between(&hash, since, now.plus_millis(MOST_AHEAD_MILLIS)).await?);
            }
        }
        Ok(newest)
    }

    /// Whether an echo of `user` with this id is one that was erased: its create is as one that came before, and since deleted.
    ///
    /// Only a key that is some seconds old is looked up, for one read unit: a retry's or an importer's. A create under a fresh
    /// one costs nothing; should its person have been erased in that very moment, it is buried by the walks that follow.
    pub(super) async fn is_erased(&self, user: &UserId, id: EchoId, now: Timestamp) -> Result<bool, StoreError> {
        if now.millis_since(id.timestamp()) < FRESH_KEY_MILLIS {
            return Ok(false);
        }
        let records = records::of_items(&self.person_items(user).await?, now);
        let erasure = Erasure { own: self.config.region, regions: &self.config.regions, records: &records };
        Ok(erasure.request().is_some_and(|(up_to, _)| id.timestamp() <= up_to))
    }

    /// What `EchoesOps` knows of a person, as it is in this region now.
    async fn person_items(&self, user: &UserId) -> Result<Vec<Item>, StoreError> {
        self.ops_partition(&profile::partition(user), true).await
    }
}

/// Every base hash key under which `user` may have anything.
fn hash_keys(person: &[Item], user: &UserId, now: Timestamp) -> BTreeSet<String> {
    Profile::of_items(person, now).parts(user, now).into_iter().map(|(hash, _)| hash).collect()
}
