//! The second way to tell of a write: a count in `EchoesLocal`, for when the caches could not be told of it.
//!
//! A process that could not end a key's generation in Redis raises the count before it acknowledges the write; every process reads
//! it every few seconds, and no value that was kept under an earlier count is shown again. So a write that was acknowledged while
//! its process had lost Redis, and the process then died, is no secret for as long as Redis keeps a value.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use super::meter::INDEXES;
use super::{Store, StoreError, ops};

const PARTITION: &str = "caches";
const SORT: &str = "untold";
const COUNT: &str = "n";

impl Store {
    /// Counts one write, or several, that the caches have not been told of; answers how many times that has been done.
    ///
    /// # Errors
    /// The caches may show what was before for as long as they hold it.
    pub async fn count_untold(&self) -> Result<u64, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(self.local())
            .set_key(Some(ops::key(PARTITION, SORT)))
            .update_expression("ADD #n :one")
            .expression_attribute_names("#n", COUNT)
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .return_values(ReturnValue::UpdatedNew)
            .return_consumed_capacity(INDEXES);
        let output = self.call("UpdateItem", request.send()).await?;
        Ok(output.attributes.as_ref().and_then(|item| ops::number(item, COUNT)).unwrap_or_default())
    }

    /// How many times that has been done; strongly consistent.
    pub async fn untold(&self) -> Result<u64, StoreError> {
        let item = self.local_item(PARTITION, SORT).await?;
        Ok(item.as_ref().and_then(|item| ops::number(item, COUNT)).unwrap_or_default())
    }
}
