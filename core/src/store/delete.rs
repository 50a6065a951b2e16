//! Deleting an echo: a tombstone takes its place.

use echoes_shared::keys::schema;
use echoes_shared::{Echo, EchoId, Region, Timestamp, UserId};

use super::echo::Found;
use super::item::{self, Stored};
use super::meter::INDEXES;
use super::{Store, StoreError};

/// Times that a delete reads again after the echo changed under it.
const MAX_ROUNDS: usize = 4;

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
    /// in one place while they can.
    pub async fn delete(
        &self,
        user: &UserId,
        id: EchoId,
        fallback: bool,
        now: Timestamp,
    ) -> Result<DeleteOutcome, StoreError> {
        for _ in 0..MAX_ROUNDS {
            match self.stored(user, id, now).await? {
                Some(Found { stored: Stored::Tombstone { ttl }, .. }) => {
                    let counts = now.epoch_seconds() < ttl;
                    return Ok(if counts { DeleteOutcome::Gone } else { DeleteOutcome::Unknown });
                }
                Some(Found { hash, stored: Stored::Echo(echo, _) }) => {
                    if !echo.lives_at(now) {
                        return Ok(DeleteOutcome::Unknown);
                    }
                    if echo.origin != self.config.region && !fallback {
                        return Ok(DeleteOutcome::Elsewhere(echo.origin));
                    }
                    if self.bury(&echo, &hash, now).await? {
                        return Ok(DeleteOutcome::Gone);
                    }
                }
                None => {
                    // The index tells another person's echo from none at all.
                    let other = self.echo(id, now).await?;
                    let anothers = other.is_some_and(|echo| echo.user_id != *user);
                    return Ok(if anothers { DeleteOutcome::Anothers } else { DeleteOutcome::Unknown });
                }
            }
        }
        Err(StoreError::Contended)
    }

    /// Puts the tombstone, unless the echo is no longer the one that was read.
    pub(super) async fn bury(&self, echo: &Echo, hash: &str, now: Timestamp) -> Result<bool, StoreError> {
        const OPERATION: &str = "PutItem";
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
        match self.count(OPERATION, request.send().await) {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_conditional_check_failed_exception() => Ok(false),
                _ => Err(StoreError::from_sdk(OPERATION, &error)),
            },
        }
    }
}
