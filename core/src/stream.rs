//! The table's stream: read once in each region, and given to every sink in the order of each item.

pub mod record;

pub use record::{Image, Record, Sequence, ShardId, Tombstone};
