//! The store: echoes in DynamoDB. Only this module and those below it know AWS types.

mod active;
mod asks;
mod beats;
mod bodies;
mod bulk;
mod client;
mod counters;
mod create;
mod dead_letters;
mod delete;
mod echo;
mod edit;
mod erasure;
mod error;
mod feed;
mod item;
mod leases;
mod merge;
mod meter;
mod ops;
mod people;
mod placement;
mod profile;
mod random;
mod repair;
mod scan;
mod shards;
mod size;
mod sole;
mod stream;
mod sweep;
pub mod table;
mod timeline;
mod tombstones;
mod untold;
mod walk;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use echoes_shared::Region;

use crate::config::StoreConfig;
use crate::metrics::Metrics;
use people::People;
use shards::Shards;

use client::Deadlines;

pub use active::PersonHash;
pub use asks::AskPosition;
pub use beats::Beat;
pub use bulk::{CHUNK_ITEMS, RestoreOutcome};
pub use counters::{Addition, Counter, Counters, OwnCounter, Seen, Tally, day_of, hour_of};
pub use create::{CreateOutcome, NewItem};
pub use delete::{DeleteOutcome, Gone};
pub use edit::EditOutcome;
pub use erasure::{ErasureEntry, ErasureList, ErasurePosition, ErasureStatus, LateLook, Progress, Tell};
pub use error::StoreError;
pub use random::Lots;
pub use repair::{Overtaken, Raise};
pub use scan::{ScanPage, Segment};
pub use shards::{SETTLE_SECONDS, ShardSetting, ShardedList, TICK, UnknownList};
pub use sole::{Holder, SoleLease};
pub use stream::TableStream;
pub use sweep::{SweepPosition, SweepStep};
pub use tombstones::{GuardPass, GuardPosition};
pub use walk::Page;

/// The tables of one region behind one SDK client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    config: Arc<StoreConfig>,
    metrics: Metrics,
    people: Arc<People>,
    shards: Arc<Shards>,
}

impl Store {
    /// A store over the tables of `config`. Opens no connection yet: see [`Store::warm`].
    pub async fn connect(config: StoreConfig, metrics: Metrics) -> Self {
        Self::over(client::connect(&config, Deadlines::SERVING).await, config, metrics)
    }

    /// The same for bulk work, whose calls may take seconds.
    pub async fn connect_for_bulk(config: StoreConfig, metrics: Metrics) -> Self {
        Self::over(client::connect(&config, Deadlines::BULK).await, config, metrics)
    }

    /// A store over the tables of `config` through a client of the caller's making.
    pub fn over(client: Client, config: StoreConfig, metrics: Metrics) -> Self {
        Self { client, config: Arc::new(config), metrics, people: Arc::default(), shards: Arc::default() }
    }

    /// The region whose tables these are.
    #[must_use]
    pub fn region(&self) -> Region {
        self.config.region
    }

    fn echoes(&self) -> &str {
        self.config.echoes.as_str()
    }

    fn ops(&self) -> &str {
        self.config.ops.as_str()
    }

    fn local(&self) -> &str {
        self.config.local.as_str()
    }
}
