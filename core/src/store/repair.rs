//! What the last writer should not have won, made good: a tombstone that is put back, a version that rises again.
//!
//! Both are decided by what lies in the item's place now, not by what a stream says that lay there, so either may be done again at
//! any time and by several processes.

use echoes_shared::keys::{self, schema};
use echoes_shared::{Echo, EchoId, Timestamp};

use super::item::{self, Stored};
use super::meter::INDEXES;
use super::tombstones::{RECORDS, deleted_at};
use super::{Gone, Store, StoreError};

/// An edit that lost to an older one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overtaken {
    /// The hash key under which the echo lies.
    pub hash: String,
    /// The echo.
    pub echo: EchoId,
    /// The edition of the older one, which won.
    pub won: u64,
    /// The edition of the one that lost.
    pub lost: u64,
    /// The version of the one that lost.
    pub above: u64,
}

/// What raising a version came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Raise {
    /// The echo as it was before.
    Done(Box<Echo>),
    /// What lies there is above the one that lost, or is no echo.
    Needless,
    /// What won has not arrived in this region yet.
    TooEarly,
}

/// Times that a burial looks again after the echo changed under it.
const MAX_ROUNDS: usize = 4;

impl Store {
    /// Puts a tombstone of `deleted` back, over which this `echo` has won under the hash key; `false` where nothing lives there any
    /// more, or where that is another region's to do.
    ///
    /// It is done by the region that took the delete, which has its record, and by the echo's home, which keeps no records of an
    /// erasure. Where they are two they come to the same: ids are never used again, so a tombstone is always right. `doomed` is
    /// called as [`Store::delete_telling`] does.
    ///
    /// # Errors
    /// Where the store fails, or the echo changes faster than it can be buried; the same may be asked for again.
    pub async fn put_tombstone_back(
        &self,
        hash: &str,
        echo: &Echo,
        deleted: Timestamp,
        doomed: impl Fn(Gone) + Send + Sync,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let id = echo.echo_id;
        if echo.origin != self.config.region && !self.took_delete(hash, id, deleted).await? {
            return Ok(false);
        }
        for _ in 0..MAX_ROUNDS {
            match self.stored_under(hash, id).await? {
                Some(Stored::Echo(echo, _)) if echo.lives_at(now) => {
                    if self.bury_and_guard(hash, &echo, &doomed, now).await? {
                        return Ok(true);
                    }
                }
                // Perhaps an earlier try of this, which ended before it wrote the record.
                Some(Stored::Tombstone { ttl, .. }) if now.epoch_seconds() < ttl => {
                    self.guard(hash, id, deleted_at(ttl)).await?;
                    return Ok(false);
                }
                Some(_) | None => return Ok(false),
            }
        }
        Err(StoreError::Contended)
    }

    /// Whether this region remembers that it put a tombstone there at that time. A repeat of a delete knows its second alone.
    async fn took_delete(&self, hash: &str, id: EchoId, deleted: Timestamp) -> Result<bool, StoreError> {
        let second = Timestamp::from_millis(deleted.epoch_seconds().saturating_mul(1_000));
        for at in [deleted, second] {
            if self.local_item(RECORDS, &keys::tombstone_key(at, hash, id)).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Raises the version of an echo above that of the edit that lost, where the one that lies there is still below it. Nothing else
    /// of the echo changes.
    ///
    /// It is its home's to do, where every edit is conditional on the version, so that none is lost under it.
    ///
    /// # Errors
    /// Where the store fails, or the echo changes faster than it can be raised; the same may be asked for again.
    pub async fn raise_version(&self, overtaken: &Overtaken) -> Result<Raise, StoreError> {
        let Overtaken { hash, echo: id, won, lost, above } = overtaken;
        for _ in 0..MAX_ROUNDS {
            match self.stored_under(hash, *id).await? {
                Some(Stored::Echo(echo, _)) if echo.edition() < *won => return Ok(Raise::TooEarly),
                Some(Stored::Echo(echo, _)) if echo.edition() < *lost => {
                    if self.raise(hash, &echo, *above).await? {
                        tracing::warn!(id = %id, version = echo.version, above, "an older edit has won");
                        return Ok(Raise::Done(echo));
                    }
                }
                Some(_) | None => return Ok(Raise::Needless),
            }
        }
        Err(StoreError::Contended)
    }

    /// Gives the echo a version, unless it is another than was read.
    async fn raise(&self, hash: &str, echo: &Echo, above: u64) -> Result<bool, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(self.echoes())
            .set_key(Some(item::base_key(hash, echo.echo_id)))
            .update_expression("SET #version = :next")
            .condition_expression("attribute_exists(#id) AND #version = :seen AND #updated = :updated")
            .expression_attribute_names("#id", schema::ECHO_ID)
            .expression_attribute_names("#version", item::VERSION)
            .expression_attribute_names("#updated", item::UPDATED_AT)
            .expression_attribute_values(":seen", item::number(echo.version))
            .expression_attribute_values(":next", item::number(above.saturating_add(1)))
            .expression_attribute_values(":updated", item::string(echo.updated_at.to_string()))
            .return_consumed_capacity(INDEXES);
        self.update_ops(request).await
    }
}
