//! Deleting an echo: a tombstone takes its place.

use echoes_shared::keys::schema;
use echoes_shared::{Echo, EchoId, Emotion, Region, Timestamp, UserId};

use super::echo::Found;
use super::item::{self, Stored};
use super::meter::INDEXES;
use super::tombstones::deleted_at;
use super::{Store, StoreError};

/// Times that a delete reads again after the echo changed under it.
const MAX_ROUNDS: usize = 4;

/// An echo in whose place a tombstone stands or is about to be put: caches must not show it any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Whose it was.
    pub user: UserId,
    /// The echo.
    pub echo: EchoId,
    /// Its emotion; `None` where only an old tombstone was seen, which does not tell.
    pub emotion: Option<Emotion>,
    /// Whether the tombstone stands already; else it is about to be put, which may fail.
    pub stands: bool,
}

impl Gone {
    pub(super) fn of(echo: &Echo) -> Self {
        Self { user: echo.user_id.clone(), echo: echo.echo_id, emotion: Some(echo.emotion), stands: false }
    }

    /// The same, done.
    pub(super) fn done(echo: &Echo) -> Self {
        Self { stands: true, ..Self::of(echo) }
    }
}

/// What a delete met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The echo, which is gone now, or the tombstone of an earlier delete.
    Gone,
    /// An echo whose home is another region; nothing was done.
    Elsewhere(Region),
    /// Another person's echo.
    Anothers,
    /// Nothing.
    Unknown,
}

impl Store {
    /// Deletes the echo `id` of `user`.
    ///
    /// Only an echo's home region deletes it, unless `fallback` says that the home is down: so two writers of one echo meet
    /// in one place while they can. Every living copy goes. It is done when each tombstone stands and this region remembers
    /// to guard it: see `bury_and_guard` for what a crash leaves.
    pub async fn delete(
        &self,
        user: &UserId,
        id: EchoId,
        fallback: bool,
        now: Timestamp,
    ) -> Result<DeleteOutcome, StoreError> {
        self.delete_telling(user, id, fallback, now, |_| {}).await
    }

    /// The same; `doomed` is called as soon as the echo is known to be the person's and deletable here, before any tombstone is
    /// put, and again when one stands. So it is called for each tombstone that stands, however the call ends: after an error, or
    /// where the caller drops it.
    pub async fn delete_telling(
        &self,
        user: &UserId,
        id: EchoId,
        fallback: bool,
        now: Timestamp,
        doomed: impl Fn(Gone) + Send + Sync,
    ) -> Result<DeleteOutcome, StoreError> {
        for _ in 0..MAX_ROUNDS {
            let copies = match self.copies(user, id, now).await? {
                none if none.is_empty() => match self.indexed(id, now).await? {
                    // The person's own, under a key that this region does not know of yet. The index may lag, and show an echo
                    // that has been buried.
                    Some((hash, echo)) if echo.user_id == *user => {
                        let stored = self.stored_under(&hash, id).await?;
                        stored.into_iter().map(|stored| Found { hash: hash.clone(), stored }).collect()
                    }
                    Some(_) => return Ok(DeleteOutcome::Anothers),
                    None => return Ok(DeleteOutcome::Unknown),
                },
                copies => copies,
            };
            let living: Vec<_> = copies.iter().filter_map(|copy| copy.living(now)).collect();
            let Some((_, likeliest)) = living.first() else {
                return self.guard_again(user, id, &copies, now, doomed).await;
            };
            if likeliest.origin != self.config.region && !fallback {
                return Ok(DeleteOutcome::Elsewhere(likeliest.origin));
            }
            // A copy that stays would be the echo, come back to life.
            let mut all_buried = true;
            for (hash, echo) in living {
                all_buried &= self.bury_and_guard(hash, echo, &doomed, now).await?;
            }
            if all_buried {
                return Ok(DeleteOutcome::Gone);
            }
        }
        Err(StoreError::Contended)
    }

    /// The outcome where no copy lives. A tombstone that counts may be what an earlier try of this delete left when it failed
    /// before it wrote the record, so the record is written.
    async fn guard_again(
        &self,
        user: &UserId,
        id: EchoId,
        copies: &[Found],
        now: Timestamp,
        doomed: impl Fn(Gone) + Send + Sync,
    ) -> Result<DeleteOutcome, StoreError> {
        let mut outcome = DeleteOutcome::Unknown;
        for copy in copies {
            if let Stored::Tombstone { ttl, was } = copy.stored
                && now.epoch_seconds() < ttl
            {
                doomed(Gone { user: user.clone(), echo: id, emotion: was, stands: true });
                self.guard(&copy.hash, id, deleted_at(ttl)).await?;
                outcome = DeleteOutcome::Gone;
            }
        }
        Ok(outcome)
    }

    /// Puts the tombstone, unless the echo is no longer the one that was read.
    pub(super) async fn bury(&self, echo: &Echo, hash: &str, now: Timestamp) -> Result<bool, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(self.echoes())
            .set_item(Some(item::of_tombstone(echo, hash, now)))
            .condition_expression("#version = :seen AND attribute_exists(#id)")
            .expression_attribute_names("#version", item::VERSION)
            .expression_attribute_names("#id", schema::ECHO_ID)
            .expression_attribute_values(":seen", item::number(echo.version))
            .return_consumed_capacity(INDEXES);
        Ok(self.call_if("PutItem", request.send()).await?.is_some())
    }
}
