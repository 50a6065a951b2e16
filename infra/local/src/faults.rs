//! The faults that the control API can put on a region.

use serde::{Deserialize, Serialize};

/// The longest `lagMs` accepted: ten minutes.
pub const LAG_LIMIT_MS: u64 = 600_000;

/// How a region's DynamoDB behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DynamoState {
    /// Answers.
    #[default]
    Running,
    /// Its port refuses connections, and replication to and from it waits.
    Stopped,
    /// Every data call answers `ProvisionedThroughputExceededException`; replication goes on.
    Throttled,
}

/// The faults of one region as they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// How its DynamoDB behaves.
    pub dynamodb: DynamoState,
    /// Replication to and from it is cut.
    pub partitioned: bool,
    /// Milliseconds added to replication to and from it.
    pub lag_ms: u64,
}

impl Faults {
    /// Whether this region's side lets replication through.
    #[must_use]
    pub fn connected(&self) -> bool {
        !self.partitioned && self.dynamodb != DynamoState::Stopped
    }
}
