//! The operator's side: what each list's setting is, and its two steps of growth.

use super::super::meter::INDEXES;
use super::super::{Store, StoreError, item};
use super::{PARTITION, READ, Settings, ShardSetting, ShardedList, WRITE, setting_key};
use echoes_shared::{Region, Timestamp};

impl Store {
    /// The regions that hold the global tables.
    pub fn regions(&self) -> &[Region] {
        &self.config.regions
    }

    /// A list's setting and the regions' confirmations as this region has them; strongly consistent.
    pub async fn shard_setting(&self, list: ShardedList, now: Timestamp) -> Result<ShardSetting, StoreError> {
        let items = self.ops_partition(PARTITION, true).await?;
        Ok(Settings::of_items(&items, now).of(list))
    }

    /// The first step: from now on so many shards are to be read. Says `false` where more are already.
    pub async fn raise_shards_read(&self, list: ShardedList, shards: u16) -> Result<bool, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(self.ops())
            .set_key(Some(setting_key(list)))
            .update_expression("SET #read = :shards, #write = if_not_exists(#write, :one)")
            .condition_expression("attribute_not_exists(#read) OR #read <= :shards")
            .expression_attribute_names("#read", READ)
            .expression_attribute_names("#write", WRITE)
            .expression_attribute_values(":shards", item::number(shards))
            .expression_attribute_values(":one", item::number(1))
            .return_consumed_capacity(INDEXES);
        self.update_ops(request).await
    }

    /// The second step: from now on echoes go to so many shards. Says `false` where they are not yet to be read, or where
    /// echoes go to more already.
    pub async fn raise_shards_write(&self, list: ShardedList, shards: u16) -> Result<bool, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(self.ops())
            .set_key(Some(setting_key(list)))
            .update_expression("SET #write = :shards")
            .condition_expression("#read >= :shards AND #write <= :shards")
            .expression_attribute_names("#read", READ)
            .expression_attribute_names("#write", WRITE)
            .expression_attribute_values(":shards", item::number(shards))
            .return_consumed_capacity(INDEXES);
        self.update_ops(request).await
    }
}
