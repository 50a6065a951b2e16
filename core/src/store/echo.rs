//! One echo: by its id, or under its person's key.

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::keys::schema;
use echoes_shared::{Echo, EchoId, Timestamp, UserId};
use futures_util::future::try_join_all;

use super::item::{self, Stored};
use super::meter::INDEXES;
use super::{Store, StoreError};

/// Copies of one echo that are looked at: a region that had not heard of a person's bucket may have put a second one under the
/// person's own key, and nothing makes a third.
const MAX_COPIES: i32 = 4;

impl Store {
    /// The living echo of this id, from `echoId-index`; eventually consistent.
    pub async fn echo(&self, id: EchoId, now: Timestamp) -> Result<Option<Echo>, StoreError> {
        Ok(self.indexed(id, now).await?.map(|(_, echo)| echo))
    }

    /// The same with the hash key under which it lies.
    pub(super) async fn indexed(&self, id: EchoId, now: Timestamp) -> Result<Option<(String, Echo)>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(self.echoes())
            .index_name(schema::ECHO_ID_INDEX)
            .key_condition_expression("#id = :id")
            .expression_attribute_names("#id", schema::ECHO_ID)
            .expression_attribute_values(":id", AttributeValue::S(id.to_string()))
            .limit(MAX_COPIES)
            .return_consumed_capacity(INDEXES);
        let output = self.call("Query", request.send()).await?;
        let mut newest: Option<(String, Echo)> = None;
        for item in output.items.unwrap_or_default() {
            if let Stored::Echo(echo, _) = item::read(&item).map_err(damaged)?
                && echo.lives_at(now)
                && newest.as_ref().is_none_or(|(_, other)| other.version < echo.version)
            {
                newest = Some((item::hash(&item).map_err(damaged)?.to_owned(), *echo));
            }
        }
        Ok(newest)
    }

    /// What lies under each of the keys of `user` and `id`, the likeliest first; strongly consistent.
    pub(super) async fn copies(&self, user: &UserId, id: EchoId, now: Timestamp) -> Result<Vec<Found>, StoreError> {
        let hashes = self.hash_keys(user, id, now).await?;
        let reads = hashes.into_iter().map(async |hash| {
            let stored = self.stored_under(&hash, id).await?;
            Ok(stored.map(|stored| Found { hash, stored }))
        });
        let found: Vec<Option<Found>> = try_join_all(reads).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// What lies under one base key; strongly consistent.
    pub(super) async fn stored_under(&self, hash: &str, id: EchoId) -> Result<Option<Stored>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(self.echoes())
            .set_key(Some(item::base_key(hash, id)))
            .consistent_read(true)
            .return_consumed_capacity(INDEXES);
        let output = self.call("GetItem", request.send()).await?;
        output.item.map(|item| item::read(&item).map_err(damaged)).transpose()
    }
}

/// What lies under one of an echo's base keys.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// The hash key.
    pub hash: String,
    /// The item.
    pub stored: Stored,
}

impl Found {
    /// The hash key and the echo, where it is one that lives.
    pub(super) fn living(&self, now: Timestamp) -> Option<(&str, &Echo)> {
        match &self.stored {
            Stored::Echo(echo, _) if echo.lives_at(now) => Some((&self.hash, echo)),
            _ => None,
        }
    }
}

pub(super) fn damaged(item::Corrupt(attribute): item::Corrupt) -> StoreError {
    StoreError::Refused { operation: "read", cause: format!("the item's {attribute} is damaged") }
}
