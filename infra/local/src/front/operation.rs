//! What a DynamoDB call does, read from its `x-amz-target` header.

/// How a front treats a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operation {
    /// It may change data, so it takes the region's gate and wakes the replicator.
    pub(super) mutates: bool,
    /// It reads or writes items, so a throttled region refuses it.
    pub(super) data: bool,
}

/// Item reads.
const READS: [&str; 5] = ["BatchGetItem", "GetItem", "Query", "Scan", "TransactGetItems"];

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
    let (service, name) = target.split_once('.').unwrap_or(("", target));
    let streams = service.starts_with("DynamoDBStreams");
    let reads = streams
        || READS.contains(&name)
        || name.starts_with("Describe")
        || name.starts_with("List")
        || name.is_empty();
    Operation { mutates: !reads, data: !streams && (READS.contains(&name) || WRITES.contains(&name)) }
}

#[cfg(test)]
mod tests {
    use super::classify;

    #[test]
    fn reads_and_writes_are_told_apart() {
        for (target, mutates, data) in [
            ("DynamoDB_20120810.PutItem", true, true),
            ("DynamoDB_20120810.Query", false, true),
            ("DynamoDB_20120810.CreateTable", true, false),
            ("DynamoDB_20120810.DescribeTable", false, false),
            ("DynamoDBStreams_20120810.GetRecords", false, false),
            ("DynamoDB_20120810.SomethingNew", true, false),
            ("", false, false),
        ] {
            let found = classify(target);
            assert_eq!((found.mutates, found.data), (mutates, data), "{target}");
        }
    }
}
