//! Small items of `EchoesOps` and `EchoesLocal`: markers, counts, settings and lists, read a partition or a page at a time.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use echoes_shared::keys::schema;

use super::item::{self, Item};
use super::meter::INDEXES;
use super::{Store, StoreError};

/// The key of an item of `EchoesOps` or `EchoesLocal`.
pub(super) fn key(partition: &str, sort: &str) -> Item {
    let pairs = [(schema::PARTITION_KEY, partition), (schema::SORT_KEY, sort)];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), item::string(value))).collect()
}

/// The sort key of such an item; empty where there is none, which cannot be.
pub(super) fn sort_key(item: &Item) -> &str {
    text(item, schema::SORT_KEY).unwrap_or_default()
}

/// A text of such an item.
pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// A number of such an item.
pub(super) fn number<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

impl Store {
    /// The items of one partition of `EchoesOps`. One call: those who use it write some dozens of small items, and a call
    /// returns 1 MB.
    pub(super) async fn ops_partition(&self, partition: &str, consistent: bool) -> Result<Vec<Item>, StoreError> {
        let query = self.small_items(self.ops(), partition, None).consistent_read(consistent);
        let output = self.call("Query", query.send()).await?;
        Ok(output.items.unwrap_or_default())
    }

    /// Every item of one partition of `EchoesOps` or `EchoesLocal`, in at most so many calls.
    ///
    /// # Errors
    /// Where the store gives no answer, or so many calls do not come to the end.
    pub(super) async fn each_in_partition(
        &self,
        table: &str,
        partition: &str,
        consistent: bool,
        max_pages: usize,
        mut each: impl FnMut(&Item),
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "Query";
        let mut after = None;
        for _ in 0..max_pages {
            let query = self.small_items(table, partition, None).consistent_read(consistent);
            let output = self.call(OPERATION, query.set_exclusive_start_key(after).send()).await?;
            output.items.iter().flatten().for_each(&mut each);
            after = output.last_evaluated_key;
            if after.is_none() {
                return Ok(());
            }
        }
        Err(StoreError::Refused { operation: OPERATION, cause: format!("{partition} has no end") })
    }

    /// Up to so many items of one partition of `EchoesOps` or `EchoesLocal` behind a sort key or the first ones, and the sort
    /// key behind which there are more; eventually consistent.
    pub(super) async fn items_behind(
        &self,
        table: &str,
        partition: &str,
        after: Option<&str>,
        items: i32,
    ) -> Result<(Vec<Item>, Option<String>), StoreError> {
        let query = self.small_items(table, partition, after).limit(items);
        let output = self.call("Query", query.send()).await?;
        let last = output.last_evaluated_key.as_ref().map(|key| sort_key(key).to_owned());
        Ok((output.items.unwrap_or_default(), last))
    }

    pub(super) fn small_items(&self, table: &str, partition: &str, after: Option<&str>) -> QueryFluentBuilder {
        let query = self
            .client
            .query()
            .table_name(table)
            .expression_attribute_names("#pk", schema::PARTITION_KEY)
            .expression_attribute_values(":pk", item::string(partition))
            .return_consumed_capacity(INDEXES);
        match after {
            None => query.key_condition_expression("#pk = :pk"),
            Some(after) => query
                .key_condition_expression("#pk = :pk AND #sk > :after")
                .expression_attribute_names("#sk", schema::SORT_KEY)
                .expression_attribute_values(":after", item::string(after)),
        }
    }

    /// One item of `EchoesLocal`; strongly consistent.
    pub(super) async fn local_item(&self, partition: &str, sort: &str) -> Result<Option<Item>, StoreError> {
        self.small_item(self.local(), key(partition, sort)).await
    }

    /// One item of `EchoesOps` or `EchoesLocal`; strongly consistent.
    pub(super) async fn small_item(&self, table: &str, key: Item) -> Result<Option<Item>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(table)
            .set_key(Some(key))
            .consistent_read(true)
            .return_consumed_capacity(INDEXES);
        let output = self.call("GetItem", request.send()).await?;
        Ok(output.item)
    }

    /// Puts an item into `EchoesOps`; where one of its key is there already, nothing happens.
    pub(super) async fn put_ops_once(&self, item: Item) -> Result<(), StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(self.ops())
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", schema::PARTITION_KEY)
            .return_consumed_capacity(INDEXES);
        self.call_if("PutItem", request.send()).await.map(|_| ())
    }

    /// Sends a conditional update; `false` where its condition did not hold.
    pub(super) async fn update_ops(&self, request: UpdateItemFluentBuilder) -> Result<bool, StoreError> {
        Ok(self.call_if("UpdateItem", request.send()).await?.is_some())
    }
}
