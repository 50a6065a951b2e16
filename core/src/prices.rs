//! What DynamoDB charges, so that the program can say what its work costs: list prices of us-east-1, November 2024.
//! <https://aws.amazon.com/dynamodb/pricing/on-demand/>

/// Dollars of one write unit, on demand: $0.625 a million. A write that replication makes in another region costs the same.
pub const WRITE_UNIT_DOLLARS: f64 = 0.625e-6;
/// Dollars of one read unit, on demand: $0.125 a million.
pub const READ_UNIT_DOLLARS: f64 = 0.125e-6;
/// Dollars of keeping one byte for a month: $0.25 a GB, of 2^30 bytes.
pub const BYTE_MONTH_DOLLARS: f64 = 0.25 / (1024.0 * 1024.0 * 1024.0);
/// Bytes that an index keeps for each entry beside its attributes.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html>
pub const INDEX_ENTRY_BYTES: u64 = 100;
