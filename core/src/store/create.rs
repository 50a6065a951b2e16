//! Creating an echo: one conditional write that can be repeated for ever.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use echoes_shared::keys::schema;
use echoes_shared::{Echo, IdempotencyKey, NewEcho, Region, Timestamp, UserId};

use super::echo::damaged;
use super::item::{self, Item, Stored};
use super::meter::INDEXES;
use super::{Store, StoreError};

/// An echo to be stored and the hash of what was posted.
#[derive(Debug, Clone, PartialEq)]
pub struct NewItem {
    /// The echo.
    pub echo: Echo,
    /// The hash of what was posted; `None` where that can no longer be told.
    pub(super) content_hash: Option<String>,
}

impl NewItem {
    /// The item that `user` creates under `key`; the same in every region but for its `origin`.
    pub fn new(user: UserId, key: IdempotencyKey, content: NewEcho, origin: Region) -> Self {
        let content_hash = Some(content.content_hash());
        Self { echo: Echo::create(user, key, content, origin), content_hash }
    }

    /// The item of an echo that was created before, such as a line of an export.
    pub fn restored(echo: Echo) -> Self {
        let content_hash = echo.posted().map(|content| content.content_hash());
        Self { echo, content_hash }
    }
}

/// What a create met.
#[derive(Debug, Clone, PartialEq)]
pub enum CreateOutcome {
    /// Nothing: the echo is stored.
    Created,
    /// An earlier create of the same content; the echo as it is now.
    Repeated(Box<Echo>),
    /// An earlier create of other content under the same key.
    Clash,
    /// A tombstone, or the erasure of the person: the echo was created and has been deleted, or is as one that was.
    Deleted,
}

impl Store {
    /// Stores a new echo unless its key is taken or its person has been erased since.
    pub async fn create(&self, new: &NewItem, now: Timestamp) -> Result<CreateOutcome, StoreError> {
        if self.is_erased(&new.echo.user_id, new.echo.echo_id, now).await? {
            return Ok(CreateOutcome::Deleted);
        }
        match self.put_if_absent(new, now).await? {
            None => Ok(CreateOutcome::Created),
            Some(old) => Ok(new.compare(item::read(&old).map_err(damaged)?)),
        }
    }

    /// Stores a new echo, or answers what lies under its key.
    pub(super) async fn put_if_absent(&self, new: &NewItem, now: Timestamp) -> Result<Option<Item>, StoreError> {
        const OPERATION: &str = "PutItem";
        let place = self.placement(&new.echo, now).await?;
        let request = self
            .client
            .put_item()
            .table_name(self.echoes())
            .set_item(Some(item::of_echo(&new.echo, new.content_hash.as_deref(), &place)))
            .condition_expression("attribute_not_exists(#user)")
            .expression_attribute_names("#user", schema::USER_ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(INDEXES);
        match self.count(OPERATION, request.send().await) {
            Ok(_) => {
                self.note_created(&new.echo.user_id, new.echo.echo_id, now);
                Ok(None)
            }
            Err(error) => match taken_by(&error) {
                Some(old) => Ok(Some(old.clone())),
                None => Err(StoreError::from_sdk(OPERATION, &error)),
            },
        }
    }
}

impl NewItem {
    fn compare(&self, old: Stored) -> CreateOutcome {
        match old {
            Stored::Tombstone { .. } => CreateOutcome::Deleted,
            Stored::Echo(_, Some(hash)) if self.content_hash.as_ref().is_some_and(|own| *own != hash) => {
                CreateOutcome::Clash
            }
            // The same content; or an echo that was imported after an edit, of which nobody knows what was posted. Its id is a
            // hash of this very person and key, and a client that sends a key again almost always repeats itself: telling
            // it that the key was used for something else would be wrong more often.
            Stored::Echo(echo, _) => CreateOutcome::Repeated(echo),
        }
    }
}

/// The item that made the condition fail.
fn taken_by<R>(error: &SdkError<PutItemError, R>) -> Option<&Item> {
    match error.as_service_error()? {
        PutItemError::ConditionalCheckFailedException(failed) => failed.item(),
        _ => None,
    }
}
