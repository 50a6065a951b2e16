//! One emotion's feed, and everybody's last ninety days.

use echoes_shared::keys::{self, schema};
use echoes_shared::timestamp::Month;
use echoes_shared::{EchoId, Emotion, Timestamp};

use super::merge::{Ceiling, Extent};
use super::shards::ShardedList;
use super::walk::{Page, Source};
use super::{Store, StoreError};

impl Store {
    /// The living echoes of `emotion`, newest first, from `emotion-timestamp-index`.
    pub async fn feed(
        &self,
        emotion: Emotion,
        limit: usize,
        after: Option<EchoId>,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let shards = self.shards_to_read(ShardedList::Feed(emotion), now).await?;
        let source = |shard| {
            let hash = (schema::EMOTION, keys::shard_key(emotion.as_str(), shard));
            Source::whole(Some(schema::EMOTION_INDEX), hash, schema::TIMESTAMP)
        };
        let sources: Vec<_> = (0..shards).map(source).collect();
        self.newest(&sources, limit, after, now).await
    }

    /// The living echoes of the last ninety days, newest first, from the sparse `recent-index`: month by month, and
    /// nothing older even where it has not been swept.
    pub async fn recent(&self, limit: usize, after: Option<EchoId>, now: Timestamp) -> Result<Page, StoreError> {
        let shards = self.shards_to_read(ShardedList::Recent, now).await?;
        let horizon = keys::recent_horizon(now);
        let source = |(month, shard): (Month, u16)| Source {
            extent: Extent {
                floor: Some(month.start().max(horizon)),
                ceiling: Ceiling::Time(month.next().start()),
                rare: false,
            },
            ..Source::whole(
                Some(schema::RECENT_INDEX),
                (schema::RECENT, keys::shard_key(&month.dashed(), shard)),
                schema::TIMESTAMP,
            )
        };
        let partitions = keys::recent_months(now).flat_map(|month| (0..shards).map(move |shard| (month, shard)));
        let sources: Vec<_> = partitions.map(source).collect();
        self.newest(&sources, limit, after, now).await
    }
}
