//! One emotion's feed, and everybody's last ninety days.

use echoes_shared::keys::{self, schema};
use echoes_shared::{EchoId, Emotion, Timestamp};

use super::walk::{Page, Partition};
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
        let partition = Partition::whole(Some(schema::EMOTION_INDEX), hash, schema::TIMESTAMP);
        self.newest(&partition, limit, after, now).await
    }

    /// The living echoes of the last ninety days, newest first, from the sparse `recent-index`: month by month, and
    /// nothing older even where it has not been swept.
    pub async fn recent(&self, limit: usize, after: Option<EchoId>, now: Timestamp) -> Result<Page, StoreError> {
        let mut page = Page::default();
        let newest = after.map(|echo| echo.timestamp().month());
        for month in keys::recent_months(now).filter(|month| newest.is_none_or(|newest| *month <= newest)) {
            let hash = (schema::RECENT, month.dashed());
            let partition = Partition {
                oldest: Some(keys::recent_horizon(now)),
                ..Partition::whole(Some(schema::RECENT_INDEX), hash, schema::TIMESTAMP)
            };
            // One more than is missing tells whether the next month begins a next page.
            let missing = limit + 1 - page.echoes.len();
            let within = after.filter(|echo| echo.timestamp().month() == month);
            let part = self.newest(&partition, missing, within, now).await?;
            page.echoes.extend(part.echoes);
            if page.echoes.len() > limit {
                page.echoes.truncate(limit);
                page.next = page.echoes.last().map(|echo| echo.echo_id);
                break;
            }
            if part.next.is_some() {
                page.next = part.next;
                break;
            }
        }
        Ok(page)
    }
}
