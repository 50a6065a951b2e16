//! Many items of the table of echoes by their keys at once.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use echoes_shared::{Echo, EchoId, Timestamp};
use rand::RngExt as _;

use super::item::{self, Item, Stored};
use super::meter::INDEXES;
use super::{Store, StoreError};

pub(super) const BATCH_GET: &str = "BatchGetItem";
/// Keys of one call at most.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>
pub(super) const MAX_KEYS: usize = 100;
/// Times that the rest of a call is asked for again.
const MAX_ROUNDS: usize = 4;
/// Doubled before each time, and the pause is a random part of it.
const BACKOFF_MILLIS: u64 = 12;

/// What a batch of keys gave.
#[derive(Debug)]
pub(super) struct Found {
    /// The items that there are, as far as units were granted.
    pub items: Vec<Item>,
    /// Whether units were granted for all of them.
    pub is_whole: bool,
}

impl Found {
    /// All items.
    ///
    /// # Errors
    /// Where units were not granted for all.
    pub fn whole(self) -> Result<Vec<Item>, StoreError> {
        if self.is_whole { Ok(self.items) } else { Err(StoreError::Throttled { operation: BATCH_GET }) }
    }
}

impl Store {
    /// The living echoes under these ids and hash keys; those that are gone are missing. Read consistently, since an index
    /// may already list what a lagging read of the table does not show.
    pub(super) async fn bodies(
        &self,
        wanted: &[(EchoId, Vec<String>)],
        now: Timestamp,
    ) -> Result<HashMap<EchoId, Echo>, StoreError> {
        let keys = wanted.iter().flat_map(|(id, hashes)| hashes.iter().map(|hash| item::base_key(hash, *id)));
        let keys: Vec<Item> = keys.collect();
        let mut bodies = HashMap::with_capacity(wanted.len());
        let mut buried = Vec::new();
        for keys in keys.chunks(MAX_KEYS) {
            let found = self.batch_get(keys.to_vec(), true).await?;
            for item in found.whole()? {
                match item::readable(&item) {
                    Some(Stored::Echo(echo, _)) if echo.lives_at(now) => {
                        let kept = bodies.entry(echo.echo_id).or_insert_with(|| (*echo).clone());
                        if kept.version < echo.version {
                            *kept = *echo;
                        }
                    }
                    // Ids are never used again, so a tombstone is right whatever copy is left.
                    Some(Stored::Tombstone { .. }) => buried.extend(item::id(&item)),
                    _ => {}
                }
            }
        }
        buried.iter().for_each(|id| drop(bodies.remove(id)));
        Ok(bodies)
    }

    /// The items of these base keys, at most [`MAX_KEYS`]. Eventually consistent reads are half the price.
    ///
    /// What is not granted is asked for again, a few times; what was granted by then is never thrown away.
    pub(super) async fn batch_get(&self, mut wanted: Vec<Item>, consistent: bool) -> Result<Found, StoreError> {
        let mut items = Vec::with_capacity(wanted.len());
        for round in 0..MAX_ROUNDS {
            if wanted.is_empty() {
                break;
            }
            if round > 0 {
                // Full jitter: the callers of a throttled partition must not come back together.
                let longest_millis = BACKOFF_MILLIS << round;
                let pause_millis = rand::rng().random_range(..longest_millis);
                tokio::time::sleep(Duration::from_millis(pause_millis)).await;
            }
            let keys = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(consistent).build();
            let keys =
                keys.map_err(|error| StoreError::Refused { operation: BATCH_GET, cause: error.to_string() })?;
            let request =
                self.client.batch_get_item().request_items(self.echoes(), keys).return_consumed_capacity(INDEXES);
            let output = match self.call(BATCH_GET, request.send()).await {
                Err(StoreError::Throttled { .. }) if round > 0 => return Ok(Found { items, is_whole: false }),
                output => output?,
            };
            items.extend(output.responses.unwrap_or_default().into_values().flatten());
            let rest = output.unprocessed_keys.unwrap_or_default();
            wanted = rest.into_values().flat_map(|keys| keys.keys).collect();
        }
        Ok(Found { items, is_whole: wanted.is_empty() })
    }
}
