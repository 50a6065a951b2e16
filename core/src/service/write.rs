//! Writes: creating, editing and deleting echoes.

use echoes_shared::{Echo, EchoId, IdempotencyKey, NewEcho, Problem, Slug, Timestamp, UserId, etag, validate};

use super::telling::Telling;
use super::{Service, ServiceError};
use crate::cache::Change;
use crate::store::{CreateOutcome, DeleteOutcome, EditOutcome, Gone, NewItem};

/// An echo after its create.
#[derive(Debug)]
pub struct Written {
    /// The echo as it is now.
    pub echo: Echo,
    /// Whether this request stored it; `false` where an earlier one of the same content had.
    pub created: bool,
}

impl Service {
    /// Creates the echo that `body` describes.
    pub async fn create(
        &self,
        user: UserId,
        key: IdempotencyKey,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Written, ServiceError> {
        key.check_window(now).map_err(|error| Problem::invalid_field("Idempotency-Key", error.to_string()))?;
        let content = validate::new_echo(body, &user, Some(self.audio_bucket.as_str()))?;
        self.create_checked(user, key, content, now).await
    }

    /// Creates an echo whose key and content have been checked.
    pub(super) async fn create_checked(
        &self,
        user: UserId,
        key: IdempotencyKey,
        content: NewEcho,
        now: Timestamp,
    ) -> Result<Written, ServiceError> {
        let new = NewItem::new(user, key, content, self.region);
        let telling = Telling::new(&self.cache);
        telling.expect(Change::from(&new.echo));
        let outcome = match self.store.create(&new, now).await {
            Ok(outcome) => outcome,
            Err(error) => {
                telling.failed(&error).await;
                return Err(error.into());
            }
        };
        let clash = |detail| Err(Problem::new(Slug::Conflict, detail).into());
        match outcome {
            CreateOutcome::Created => {
                self.pools.note(&new.echo, now);
                telling.tell().await;
                Ok(Written { echo: new.echo, created: true })
            }
            CreateOutcome::Repeated(echo) => {
                // The process that took the first try may have ended before it told.
                telling.tell().await;
                Ok(Written { echo: *echo, created: false })
            }
            CreateOutcome::Clash => {
                telling.nothing();
                clash("this Idempotency-Key was used for other content")
            }
            CreateOutcome::Deleted => {
                // Whoever deleted it may have ended before it told.
                telling.done(Change { gone: true, ..Change::from(&new.echo) });
                telling.tell().await;
                clash("the echo of this Idempotency-Key has been deleted")
            }
        }
    }

    /// Edits the version `seen` of an echo of `user` as `body` says. `fallback` says that the echo's home region is down.
    pub async fn edit(
        &self,
        user: &UserId,
        id: EchoId,
        seen: u64,
        body: &[u8],
        fallback: bool,
        now: Timestamp,
    ) -> Result<Echo, ServiceError> {
        let edit = validate::edit(body)?;
        let telling = Telling::new(&self.cache);
        telling.expect(Change { user: user.clone(), echo: id, emotion: None, gone: false });
        let outcome = match self.store.edit(user, id, seen, &edit, fallback, now).await {
            Ok(outcome) => outcome,
            Err(error) => {
                telling.failed(&error).await;
                return Err(error.into());
            }
        };
        let error = match outcome {
            EditOutcome::Edited(echo) => {
                self.pools.note(&echo, now);
                telling.expect(Change::from(&*echo));
                telling.tell().await;
                return Ok(*echo);
            }
            EditOutcome::Changed => {
                telling.tell_of_what_was_shown().await;
                return Err(etag::has_changed().into());
            }
            EditOutcome::Elsewhere(home) => ServiceError::Elsewhere(home),
            EditOutcome::Anothers => anothers(),
            EditOutcome::Unknown => {
                telling.tell_of_what_was_shown().await;
                return Err(unknown());
            }
        };
        telling.nothing();
        Err(error)
    }

    /// Deletes an echo of `user`. `fallback` says that the echo's home region is down.
    pub async fn delete(
        &self,
        user: &UserId,
        id: EchoId,
        fallback: bool,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        // Not after it: a delete whose record could not be written, or whose time was up, has put its tombstone all the same.
        let telling = Telling::new(&self.cache);
        let doomed = |gone: Gone| {
            self.pools.forget(id, now);
            match gone.stands {
                true => telling.done(gone.into()),
                false => telling.expect(gone.into()),
            }
        };
        let outcome = self.store.delete_telling(user, id, fallback, now, doomed).await;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                telling.failed(&error).await;
                return Err(error.into());
            }
        };
        telling.tell().await;
        match outcome {
            DeleteOutcome::Gone => Ok(()),
            DeleteOutcome::Elsewhere(home) => Err(ServiceError::Elsewhere(home)),
            DeleteOutcome::Anothers => Err(anothers()),
            DeleteOutcome::Unknown => Err(unknown()),
        }
    }
}

fn anothers() -> ServiceError {
    Problem::new(Slug::Forbidden, "this echo is another person's").into()
}

fn unknown() -> ServiceError {
    Problem::new(Slug::NotFound, "there is no such echo").into()
}
