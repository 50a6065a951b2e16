//! The store: echoes in DynamoDB. Only this module and those below it know AWS types.

mod bulk;
mod client;
mod create;
mod delete;
mod echo;
mod error;
mod feed;
mod item;
mod meter;
mod placement;
mod scan;
pub mod table;
mod timeline;
mod walk;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;

use crate::config::StoreConfig;
use crate::metrics::Metrics;

pub use bulk::{CHUNK_ITEMS, RestoreOutcome};
pub use create::{CreateOutcome, NewItem};
pub use delete::DeleteOutcome;
pub use error::StoreError;
pub use scan::{ScanPage, Segment};
pub use walk::Page;

/// The tables of one region behind one SDK client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    config: Arc<StoreConfig>,
    metrics: Metrics,
}

impl Store {
    /// A store over the tables of `config`. Opens no connection yet: see [`Store::warm`].
    pub async fn connect(config: StoreConfig, metrics: Metrics) -> Self {
        Self::over(client::connect(&config).await, config, metrics)
    }

    /// A store over the tables of `config` through a client of the caller's making.
    pub fn over(client: Client, config: StoreConfig, metrics: Metrics) -> Self {
        Self { client, config: Arc::new(config), metrics }
    }

    fn echoes(&self) -> &str {
        self.config.echoes.as_str()
    }
}
