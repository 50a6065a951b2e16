//! The regions' beats in `EchoesOps`: each region's says when it was sent and how far that region is behind.

use echoes_shared::status::Lags;
use echoes_shared::{Region, Timestamp};

use super::item::{self, Item};
use super::meter::INDEXES;
use super::{Store, StoreError, ops};

const PARTITION: &str = "beats";
const AT: &str = "at";
const REPLICATION: &str = "replicationLagMs";
const STREAM: &str = "streamLagMs";
/// The process that sent it.
const BY: &str = "by";

/// What a region last said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Which region.
    pub region: Region,
    /// When it was sent, by that region's clock.
    pub at: Timestamp,
    /// How far that region is behind.
    pub lags: Lags,
    /// The process that sent it, by a name of its own making.
    pub by: String,
}

impl Store {
    /// The last beat of each region that this one has heard of; eventually consistent.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn beats(&self) -> Result<Vec<Beat>, StoreError> {
        let items = self.ops_partition(PARTITION, false).await?;
        Ok(items.iter().filter_map(of_item).filter(|beat| self.config.regions.contains(&beat.region)).collect())
    }

    /// Sends this region's.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn beat(&self, at: Timestamp, lags: Lags, by: &str) -> Result<(), StoreError> {
        let mut item = ops::key(PARTITION, self.config.region.as_str());
        let mut put = |name: &str, value| item.insert(name.to_owned(), value);
        put(AT, item::string(at.to_string()));
        put(BY, item::string(by));
        for (name, millis) in [(REPLICATION, lags.replication_millis), (STREAM, lags.stream_millis)] {
            millis.and_then(|millis| put(name, item::number(millis)));
        }
        let request =
            self.client.put_item().table_name(self.ops()).set_item(Some(item)).return_consumed_capacity(INDEXES);
        self.call("PutItem", request.send()).await.map(|_| ())
    }
}

/// One that cannot be read is that of a version to come.
fn of_item(item: &Item) -> Option<Beat> {
    let lags = Lags { replication_millis: ops::number(item, REPLICATION), stream_millis: ops::number(item, STREAM) };
    Some(Beat {
        region: ops::sort_key(item).parse().ok()?,
        at: ops::text(item, AT)?.parse().ok()?,
        lags,
        by: ops::text(item, BY).unwrap_or_default().to_owned(),
    })
}
