//! One person's echoes, all of them or one emotion's.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use echoes_shared::keys::{self, schema};
use echoes_shared::{Echo, EchoId, Emotion, Timestamp, UserId};
use rand::RngExt as _;

use super::item::{self, Item, Stored};
use super::meter::INDEXES;
use super::walk::{Page, Partition};
use super::{Store, StoreError};

/// Times that the rest of a BatchGetItem is asked for again.
const MAX_BATCH_ROUNDS: usize = 4;
/// Doubled before each time, and the pause is a random part of it.
const BATCH_BACKOFF_MILLIS: u64 = 12;

impl Store {
    /// The living echoes of `user`, newest first.
    pub async fn timeline(
        &self,
        user: &UserId,
        limit: usize,
        after: Option<EchoId>,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let hash = (schema::USER_ID, user.as_str().to_owned());
        let partition = Partition::whole(None, hash, schema::TIMESTAMP);
        self.newest(&partition, limit, after, now).await
    }

    /// The living echoes of `user` and `emotion`, newest first: keys from `userId-emotion-index`, which projects few
    /// attributes, and bodies by BatchGetItem.
    pub async fn timeline_of_emotion(
        &self,
        user: &UserId,
        emotion: Emotion,
        limit: usize,
        after: Option<EchoId>,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let hash = (schema::USER_ID, user.as_str().to_owned());
        let partition = Partition {
            prefix: keys::emotion_prefix(emotion),
            ..Partition::whole(Some(schema::USER_EMOTION_INDEX), hash, schema::EMOTION_TIMESTAMP)
        };
        // One more than is wanted tells whether there is a next page.
        let (items, more) = self.read_page(&partition, limit + 1, after).await?;
        let mut ids: Vec<EchoId> = items.iter().filter_map(|item| item::id(item).ok()).collect();
        let more = more || ids.len() > limit;
        ids.truncate(limit);
        let next = ids.last().copied().filter(|_| more);
        let mut bodies = self.bodies(user, &ids).await?;
        let living = |id: &EchoId| bodies.remove(id).filter(|echo| echo.lives_at(now) && echo.emotion == emotion);
        Ok(Page { echoes: ids.iter().filter_map(living).collect(), next })
    }

    /// The echoes of `user` with these ids, at most a hundred; those that are gone are missing.
    async fn bodies(&self, user: &UserId, ids: &[EchoId]) -> Result<HashMap<EchoId, Echo>, StoreError> {
        let mut wanted: Vec<Item> = ids
            .iter()
            .map(|&id| {
                item::base_key(user.as_str(), id).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            })
            .collect();
        let mut bodies = HashMap::with_capacity(ids.len());
        for round in 0..MAX_BATCH_ROUNDS {
            if wanted.is_empty() {
                return Ok(bodies);
            }
            if round > 0 {
                // Full jitter: the callers of a throttled partition must not come back together.
                let longest_millis = BATCH_BACKOFF_MILLIS << round;
                let pause_millis = rand::rng().random_range(..longest_millis);
                tokio::time::sleep(Duration::from_millis(pause_millis)).await;
            }
            let keys = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
            let keys =
                keys.map_err(|error| StoreError::Refused { operation: BATCH_GET, cause: error.to_string() })?;
            let request =
                self.client.batch_get_item().request_items(self.echoes(), keys).return_consumed_capacity(INDEXES);
            let output = self.call(BATCH_GET, request.send()).await?;
            for item in output.responses.unwrap_or_default().into_values().flatten() {
                if let Some(Stored::Echo(echo, _)) = item::readable(&item) {
                    bodies.insert(echo.echo_id, *echo);
                }
            }
            let rest = output.unprocessed_keys.unwrap_or_default();
            wanted = rest.into_values().flat_map(|keys| keys.keys).collect();
        }
        if wanted.is_empty() { Ok(bodies) } else { Err(StoreError::Throttled { operation: BATCH_GET }) }
    }
}

const BATCH_GET: &str = "BatchGetItem";
