//! The guard of tombstones: a region remembers each delete that it took, and puts a tombstone back over which an edit made
//! elsewhere has won.
//!
//! The last writer wins a whole item, so an edit that a region takes before it has heard of a delete brings the echo back to
//! life everywhere. Ids are never used again, so a tombstone is always right, and whoever put it may put it back at any time.
//! The records are this region's alone; they live as long as a tombstone does.

use std::collections::HashSet;

use echoes_shared::keys::{self, schema};
use echoes_shared::policy::TOMBSTONE_DAYS;
use echoes_shared::{Echo, EchoId, Timestamp};

use super::bodies::{BATCH_GET, MAX_KEYS};
use super::delete::Gone;
use super::item::{self, Item, Stored};
use super::meter::INDEXES;
use super::{Store, StoreError, ops};
use crate::units::{self, Units};

/// The hash key of the records in `EchoesLocal`.
pub(super) const RECORDS: &str = "tombstones";
/// Records of one pass.
const PASS_RECORDS: i32 = 100;

/// Where a walk over the records goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardPosition(String);

/// What one pass over the records came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GuardPass {
    /// Records looked at, at most 100.
    pub looked_at: usize,
    /// Tombstones that were put back.
    pub restored: usize,
    /// What it cost; the task's own sum (see [`units::consumed`]) has it too.
    pub consumed: Units,
    /// Where the next pass goes on; `None` at the end.
    pub next: Option<GuardPosition>,
}

impl Store {
    /// Looks at up to 100 deletes that this region took at `since` or later (seven days back at most), the oldest first, and
    /// buries what lives in their places.
    ///
    /// A pass may be repeated, and several processes may make the same one: each burial is conditional on the version seen.
    /// An echo that changed between the look and the burial is left to the next walk. Meant to be called the oftener the less far
    /// back it looks. `doomed` is called for each echo before its tombstone is put back, so for each that stands, however the
    /// pass ends.
    ///
    /// # Errors
    /// Where the store fails or does not grant all units; what was read is buried all the same, and the same pass may be made
    /// again.
    pub async fn guard_tombstones(
        &self,
        since: Timestamp,
        after: Option<GuardPosition>,
        doomed: impl Fn(Gone) + Send + Sync,
        now: Timestamp,
    ) -> Result<GuardPass, StoreError> {
        let (pass, consumed) = units::counted(self.guard_pass(since, after, doomed, now)).await;
        units::consume(consumed);
        Ok(GuardPass { consumed, ..pass? })
    }

    async fn guard_pass(
        &self,
        since: Timestamp,
        after: Option<GuardPosition>,
        doomed: impl Fn(Gone) + Send + Sync,
        now: Timestamp,
    ) -> Result<GuardPass, StoreError> {
        // What has expired need not be swept yet.
        let since = since.max(now.minus_days(TOMBSTONE_DAYS));
        let (records, next) = self.tombstone_records(since, after).await?;
        let places = self.places(&records, now).await?;
        let places: Vec<Item> = places.into_iter().map(|(hash, id)| item::base_key(&hash, id)).collect();
        let mut restored = 0;
        let mut all_read = true;
        for keys in places.chunks(MAX_KEYS) {
            // Eventually consistent, at half the price: the walk comes again.
            let found = self.batch_get(keys.to_vec(), false).await?;
            all_read &= found.is_whole;
            for found in found.items {
                let (Some(Stored::Echo(echo, _)), Ok(hash)) = (item::readable(&found), item::hash(&found)) else {
                    continue;
                };
                if !echo.lives_at(now) {
                    continue;
                }
                if self.bury_and_guard(hash, &echo, &doomed, now).await? {
                    tracing::warn!(id = %echo.echo_id, version = echo.version, "a tombstone was put back");
                    restored += 1;
                }
            }
        }
        // Only now: while units are short each pass would otherwise throw away what it was granted, and put nothing back.
        if !all_read {
            return Err(StoreError::Throttled { operation: BATCH_GET });
        }
        Ok(GuardPass { looked_at: records.len(), restored, next, ..GuardPass::default() })
    }

    /// Remembers that this region put a tombstone at `deleted_at` under the hash key; to do so again changes nothing.
    pub(super) async fn guard(&self, hash: &str, id: EchoId, deleted_at: Timestamp) -> Result<(), StoreError> {
        let ttl = deleted_at.plus_days(TOMBSTONE_DAYS).epoch_seconds();
        let request = self
            .client
            .put_item()
            .table_name(self.local())
            .item(schema::PARTITION_KEY, item::string(RECORDS))
            .item(schema::SORT_KEY, item::string(keys::tombstone_key(deleted_at, hash, id)))
            .item(schema::TTL, item::number(ttl))
            .return_consumed_capacity(INDEXES);
        self.call("PutItem", request.send()).await.map(|_| ())
    }

    /// One page of records after a position, or from a time on.
    async fn tombstone_records(
        &self,
        since: Timestamp,
        after: Option<GuardPosition>,
    ) -> Result<(Vec<Record>, Option<GuardPosition>), StoreError> {
        // A time is the beginning of all keys of its millisecond, so both bounds are exclusive.
        let low = after.map_or_else(|| since.to_string(), |position| position.0);
        let (items, last) = self.items_behind(self.local(), RECORDS, Some(&low), PASS_RECORDS).await?;
        Ok((items.iter().filter_map(Record::read).collect(), last.map(GuardPosition)))
    }

    /// The base keys to look at, each once, as BatchGetItem wants it: those of the tombstones, and the others under which a
    /// late create may have put the same echo.
    async fn places(&self, records: &[Record], now: Timestamp) -> Result<HashSet<(String, EchoId)>, StoreError> {
        let mut places = HashSet::with_capacity(records.len());
        for Record { hash, id } in records {
            if let Ok(user) = keys::without_suffix(hash).parse() {
                places.extend(self.hash_keys(&user, *id, now).await?.into_iter().map(|hash| (hash, *id)));
            }
            places.insert((hash.clone(), *id));
        }
        Ok(places)
    }

    /// Buries `echo`, which lies under the hash key, and remembers that: what every delete does.
    ///
    /// `true`: a tombstone stands in its place and is guarded. `false`: the echo is no longer the one that was read, nothing was
    /// done; read again. After an error the tombstone may stand without its guard: read again, and give a tombstone that is found
    /// to [`Store::guard`] (see [`deleted_at`]) before the delete is called done.
    ///
    /// A crash before the tombstone leaves the echo as it was; one between the two leaves a delete that nobody was told of,
    /// whose repeat writes the record; one after both loses only the answer, and a repeat finds the same.
    ///
    /// `doomed` is called before the tombstone is put, and again when it stands.
    pub(super) async fn bury_and_guard(
        &self,
        hash: &str,
        echo: &Echo,
        doomed: &(impl Fn(Gone) + Send + Sync),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        doomed(Gone::of(echo));
        if self.bury(echo, hash, now).await? {
            doomed(Gone::done(echo));
            self.guard(hash, echo.echo_id, now).await?;
            return Ok(true);
        }
        // Not only an edit refuses: so does our own tombstone, where the answer to the first attempt was lost and the SDK made
        // another.
        match self.stored_under(hash, echo.echo_id).await? {
            Some(Stored::Tombstone { ttl, .. }) if now.epoch_seconds() < ttl => {
                doomed(Gone::done(echo));
                self.guard(hash, echo.echo_id, deleted_at(ttl)).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// When a tombstone was put, to the second, from its `ttl`: always the same for one tombstone, so that repeats of a delete
/// write one record.
pub(super) fn deleted_at(tombstone_ttl: u64) -> Timestamp {
    Timestamp::from_millis(tombstone_ttl.saturating_mul(1_000)).minus_days(TOMBSTONE_DAYS)
}

/// A delete that this region took.
#[derive(Debug)]
struct Record {
    hash: String,
    id: EchoId,
}

impl Record {
    fn read(item: &Item) -> Option<Self> {
        let key = ops::sort_key(item);
        let Some((_, hash, id)) = keys::of_tombstone_key(key) else {
            tracing::error!(key, "a record of a tombstone is damaged");
            return None;
        };
        Some(Self { hash: hash.to_owned(), id })
    }
}
