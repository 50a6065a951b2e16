//! What a region knows of itself and of the others, from their beats.

use echoes_shared::Timestamp;
use echoes_shared::status::{Lags, RegionStatus, Status};

use super::{Service, ServiceError};

/// A region whose last beat is older is not well, is cut off, or nobody works there.
const HEARD_MILLIS: u64 = 30_000;

impl Service {
    /// What this region knows; an error where its store does not answer.
    pub async fn status(&self, now: Timestamp) -> Result<Status, ServiceError> {
        let (answers, beats) = tokio::join!(self.store.probe(), self.store.beats());
        answers?;
        // Without them nothing is known of the lags, and this region is well all the same.
        let beats = beats.unwrap_or_default();
        let regions = self.store.regions().iter().map(|&name| {
            let beat = beats.iter().find(|beat| beat.region == name);
            let is_heard = beat.is_some_and(|beat| now.millis_since(beat.at) <= HEARD_MILLIS);
            let is_here = name == self.region;
            // Of a region that is lost, what it said last is what may be lost with it.
            let lags = beat.filter(|_| is_heard || !is_here).map_or_else(Lags::default, |beat| beat.lags);
            RegionStatus { name, healthy: is_here || is_heard, lags }
        });
        Ok(Status { region: self.region, regions: regions.collect() })
    }
}
