//! One echo: by its id, or under its person's key.

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::keys::schema;
use echoes_shared::{Echo, EchoId, Timestamp, UserId};

use super::item::{self, Stored};
use super::meter::INDEXES;
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
            .limit(1)
            .return_consumed_capacity(INDEXES);
        let output = self.call("Query", request.send()).await?;
        let item = output.items.unwrap_or_default().into_iter().next();
        match item.map(|item| item::read(&item).map_err(damaged)).transpose()? {
            Some(Stored::Echo(echo, _)) if echo.lives_at(now) => Ok(Some(*echo)),
            _ => Ok(None),
        }
    }

    /// What lies under the keys of `user` and `id`; strongly consistent.
    pub(super) async fn stored(
        &self,
        user: &UserId,
        id: EchoId,
        now: Timestamp,
    ) -> Result<Option<Found>, StoreError> {
        let mut found = None;
        for hash in self.hash_keys(user, id, now).await? {
            match self.stored_under(&hash, id).await? {
                Some(Stored::Tombstone { ttl }) => {
                    // A tombstone under any of its keys means that the echo is gone, unless a living copy says where to bury.
                    found.get_or_insert(Found { hash, stored: Stored::Tombstone { ttl } });
                }
                Some(stored) => return Ok(Some(Found { hash, stored })),
                None => {}
            }
        }
        Ok(found)
    }

    async fn stored_under(&self, hash: &str, id: EchoId) -> Result<Option<Stored>, StoreError> {
        let [(hash_name, hash), (range_name, range)] = item::base_key(hash, id);
        let request = self
            .client
            .get_item()
            .table_name(self.echoes())
            .key(hash_name, hash)
            .key(range_name, range)
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

pub(super) fn damaged(item::Corrupt(attribute): item::Corrupt) -> StoreError {
    StoreError::Refused { operation: "read", cause: format!("the item's {attribute} is damaged") }
}
