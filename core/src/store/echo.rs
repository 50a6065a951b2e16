//! One echo: by its id, or under its person's key.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::keys::schema;
use echoes_shared::{Echo, EchoId, Timestamp, UserId};

use super::item::{self, Stored};
use super::{Store, StoreError};

impl Store {
    /// The living echo of this id, from `echoId-index`; eventually consistent.
    pub async fn echo(&self, id: EchoId, now: Timestamp) -> Result<Option<Echo>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(self.echoes())
            .index_name(schema::ECHO_ID_INDEX)
            .key_condition_expression("#id = :id")
            .expression_attribute_names("#id", schema::ECHO_ID)
            .expression_attribute_values(":id", AttributeValue::S(id.to_string()))
            .limit(1);
        let output = self.call("Query", request.send()).await?;
        let item = output.items.unwrap_or_default().into_iter().next();
        match item.map(|item| item::read(&item).map_err(damaged)).transpose()? {
            Some(Stored::Echo(echo, _)) if echo.lives_at(now) => Ok(Some(*echo)),
            _ => Ok(None),
        }
    }

    /// What lies under the key of `user` and `id`; strongly consistent.
    pub(super) async fn stored(&self, user: &UserId, id: EchoId) -> Result<Option<Stored>, StoreError> {
        let [(hash_name, hash), (range_name, range)] = item::base_key(user, id);
        let request = self
            .client
            .get_item()
            .table_name(self.echoes())
            .key(hash_name, hash)
            .key(range_name, range)
            .consistent_read(true);
        let output = self.call("GetItem", request.send()).await?;
        output.item.map(|item| item::read(&item).map_err(damaged)).transpose()
    }

    /// Awaits one call, counts its outcome and puts its error into our words.
    pub(super) async fn call<T, E, R>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, R>>>,
    ) -> Result<T, StoreError>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug,
    {
        self.count(operation, call.await).map_err(|error| StoreError::from_sdk(operation, &error))
    }

    /// Counts the outcome of a call whose error the caller wants to see.
    pub(super) fn count<T, E, R>(
        &self,
        operation: &'static str,
        result: Result<T, SdkError<E, R>>,
    ) -> Result<T, SdkError<E, R>>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug,
    {
        let outcome = match &result {
            Ok(_) => "ok",
            Err(error) if error.code() == Some(CONDITION_FAILED) => "condition",
            Err(error) => StoreError::from_sdk(operation, error).outcome(),
        };
        self.metrics.dynamodb_call(operation, outcome);
        result
    }
}

const CONDITION_FAILED: &str = "ConditionalCheckFailedException";

pub(super) fn damaged(item::Corrupt(attribute): item::Corrupt) -> StoreError {
    StoreError::Refused { operation: "read", cause: format!("the item's {attribute} is damaged") }
}
