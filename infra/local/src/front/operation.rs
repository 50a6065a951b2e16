//! What a DynamoDB call does, read from its `x-amz-target` header.

use crate::layout::REPLICATED_TABLES;

/// How a front treats a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operation {
    /// It may change data, so it takes the region's gate and wakes the replicator.
    pub(super) mutates: bool,
    /// It reads or writes items, so a throttled region refuses it.
    pub(super) data: bool,
    /// It takes a whole table away.
    pub(super) deletes_table: bool,
}

/// Item reads.
const READS: [&str; 5] = ["BatchGetItem", "GetItem", "Query", "Scan", "TransactGetItems"];

/// The whole of DynamoDB Streams. The engine serves both services at one address and goes by the name alone, and so do
/// these lists: an item write under the name of the streams service is a write.
const STREAM_READS: [&str; 4] = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];

/// Item writes; PartiQL statements count as writes, whatever they say.
const WRITES: [&str; 8] = [
    "BatchExecuteStatement",
    "BatchWriteItem",
    "DeleteItem",
    "ExecuteStatement",
    "ExecuteTransaction",
    "PutItem",
    "TransactWriteItems",
    "UpdateItem",
];

/// Sorts a call by its target, such as `DynamoDB_20120810.PutItem`. What is not known to read is taken to write.
pub(super) fn classify(target: &str) -> Operation {
    let name = target.split_once('.').map_or(target, |(_service, name)| name);
    let reads = READS.contains(&name)
        || STREAM_READS.contains(&name)
        || name.starts_with("Describe")
        || name.starts_with("List")
        || name.is_empty();
    Operation {
        mutates: !reads,
        data: READS.contains(&name) || WRITES.contains(&name),
        deletes_table: name == "DeleteTable",
    }
}

/// The replicated table that the body of a `DeleteTable` names, if it is one; the name may be an ARN.
pub(super) fn replicated_table(body: &[u8]) -> Option<&'static str> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let asked = body.get("TableName")?.as_str()?;
    let asked = asked.rsplit_once('/').map_or(asked, |(_arn, name)| name);
    REPLICATED_TABLES.into_iter().find(|name| *name == asked)
}

#[cfg(test)]
mod tests {
    use super::{classify, replicated_table};

    #[test]
    fn reads_and_writes_are_told_apart() {
        for (target, mutates, data) in [
            ("DynamoDB_20120810.PutItem", true, true),
            ("DynamoDB_20120810.Query", false, true),
            ("DynamoDB_20120810.CreateTable", true, false),
            ("DynamoDB_20120810.DescribeTable", false, false),
            ("DynamoDB_20120810.DeleteTable", true, false),
            ("DynamoDBStreams_20120810.GetRecords", false, false),
            ("DynamoDBStreams_20120810.GetShardIterator", false, false),
            ("DynamoDBStreams_20120810.PutItem", true, true),
            ("DynamoDBStreams_20120810.SomethingNew", true, false),
            ("DynamoDB_20120810.SomethingNew", true, false),
            ("", false, false),
        ] {
            let found = classify(target);
            assert_eq!((found.mutates, found.data), (mutates, data), "{target}");
        }
    }

    #[test]
    fn a_replicated_table_is_known_by_name_and_by_arn() {
        let found = |name: &str| replicated_table(serde_json::json!({ "TableName": name }).to_string().as_bytes());
        assert_eq!(found("EchoesTable"), Some("EchoesTable"));
        assert_eq!(found("arn:aws:dynamodb:eu-west-1:000000000000:table/EchoesOps"), Some("EchoesOps"));
        assert_eq!(found("EchoesLocal"), None);
        assert_eq!(replicated_table(b"nonsense"), None);
    }
}
