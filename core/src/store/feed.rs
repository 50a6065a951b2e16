//! One emotion's feed, and everybody's last ninety days.

use echoes_shared::keys::{self, schema};
use echoes_shared::{EchoId, Emotion, Timestamp};

use super::merge::{Ceiling, Extent};
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
        let hash = (schema::EMOTION, emotion.as_str().to_owned());
        let source = Source::whole(Some(schema::EMOTION_INDEX), hash, schema::TIMESTAMP);
        self.newest(&[source], limit, after, now).await
    }

    /// The living echoes of the last ninety days, newest first, from the sparse `recent-index`: month by month, and
    /// nothing older even where it has not been swept.
    pub async fn recent(&self, limit: usize, after: Option<EchoId>, now: Timestamp) -> Result<Page, StoreError> {
        let horizon = keys::recent_horizon(now);
        let source = |month: echoes_shared::timestamp::Month| Source {
            extent: Extent {
                floor: Some(month.start().max(horizon)),
                ceiling: Ceiling::Time(month.next().start()),
                rare: false,
            },
            ..Source::whole(Some(schema::RECENT_INDEX), (schema::RECENT, month.dashed()), schema::TIMESTAMP)
        };
        let sources: Vec<_> = keys::recent_months(now).map(source).collect();
        self.newest(&sources, limit, after, now).await
    }
}
