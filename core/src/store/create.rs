//! Creating an echo: one conditional write that can be repeated for ever.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use echoes_shared::keys::schema;
use echoes_shared::{Echo, IdempotencyKey, NewEcho, Region, Timestamp, UserId};

use super::echo::damaged;
use super::item::{self, Stored};
use super::meter::INDEXES;
use super::{Store, StoreError};

/// An echo to be stored and the hash of what was posted.
#[derive(Debug, Clone, PartialEq)]
pub struct NewItem {
    /// The echo.
    pub echo: Echo,
    content_hash: String,
}

impl NewItem {
    /// The item that `user` creates under `key`; the same in every region but for its `origin`.
    pub fn new(user: UserId, key: IdempotencyKey, content: NewEcho, origin: Region) -> Self {
        let content_hash = content.content_hash();
        Self { echo: Echo::create(user, key, content, origin), content_hash }
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
    /// A tombstone: the echo was created and has been deleted.
    Deleted,
}

impl Store {
    /// Stores a new echo unless its key is taken, in one round trip.
    pub async fn create(&self, new: &NewItem, now: Timestamp) -> Result<CreateOutcome, StoreError> {
        const OPERATION: &str = "PutItem";
        let place = self.placement(&new.echo, now).await?;
        let request = self
            .client
            .put_item()
            .table_name(self.echoes())
            .set_item(Some(item::of_echo(&new.echo, Some(&new.content_hash), &place)))
            .condition_expression("attribute_not_exists(#user)")
            .expression_attribute_names("#user", schema::USER_ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(INDEXES);
        match self.count(OPERATION, request.send().await) {
            Ok(_) => {
                self.note_created(&new.echo.user_id, new.echo.echo_id, now);
                Ok(CreateOutcome::Created)
            }
            Err(error) => match taken_by(&error) {
                Some(old) => new.compare(item::read(old).map_err(damaged)?),
                None => Err(StoreError::from_sdk(OPERATION, &error)),
            },
        }
    }
}

impl NewItem {
    fn compare(&self, old: Stored) -> Result<CreateOutcome, StoreError> {
        Ok(match old {
            Stored::Tombstone { .. } => CreateOutcome::Deleted,
            Stored::Echo(echo, Some(hash)) if hash == self.content_hash => CreateOutcome::Repeated(echo),
            Stored::Echo(..) => CreateOutcome::Clash,
        })
    }
}

/// The item that made the condition fail.
fn taken_by<R>(error: &SdkError<PutItemError, R>) -> Option<&item::Item> {
    match error.as_service_error()? {
        PutItemError::ConditionalCheckFailedException(failed) => failed.item(),
        _ => None,
    }
}
