//! Listening: a seat in the hub, and for one who comes back what the hub no longer holds.

use std::time::Duration;

use bytes::Bytes;
use echoes_shared::live::EventId;
use echoes_shared::policy::MAX_LIMIT;
use echoes_shared::{EchoId, Emotion, Problem, Slug, Timestamp};

use super::read::{loader, page};
use super::{Service, ServiceError, StoreError};
use crate::cache::{Cached, Head, Key, Value};
use crate::live::{self, Entrance, Hub, Listener, Refusal};

/// Pages of the store that are read at most for one who comes back, beside the head that all share.
const MAX_PAGES: usize = 9;
/// How long all that may take: less than an edge's attempt.
const TIMEOUT: Duration = Duration::from_millis(500);
const _: () = assert!((TIMEOUT.as_millis() as u64) < echoes_shared::policy::ATTEMPT_MILLIS);

/// Echoes of a list, newest first, and whether all were found that were asked for.
struct Newer {
    echoes: Vec<(EchoId, Bytes)>,
    all: bool,
}

impl Service {
    /// The same service with this hub to listen to; without one, nobody may listen.
    #[must_use]
    pub fn with_live(self, live: Hub) -> Self {
        Self { live: Some(live), ..self }
    }

    /// Lets one listen to `emotion`, or to all, who was sent `last` before.
    pub async fn listen(
        &self,
        emotion: Option<Emotion>,
        last: Option<EventId>,
        now: Timestamp,
    ) -> Result<Listener, ServiceError> {
        let hub = self.live.as_ref().ok_or_else(|| refused(Refusal::Unfed))?;
        let Entrance { mut listener, store_since } = hub.enter(emotion, last, now).map_err(refused)?;
        if let Some(since) = store_since {
            let key = emotion.map_or(Key::Recent, Key::Feed);
            let newer = tokio::time::timeout(TIMEOUT, self.newer(&key, since, now)).await;
            let newer = newer.map_err(|_| Problem::new(Slug::Unavailable, "the store took too long"))??;
            match newer.all {
                true => listener.replay(newer.echoes),
                false => listener.begin_here(),
            }
        }
        Ok(listener)
    }

    /// What the list `key` has that is not older than `since`.
    async fn newer(&self, key: &Key, since: Timestamp, now: Timestamp) -> Result<Newer, StoreError> {
        let Cached { value, .. } = self.cache.read(key, now, loader(&self.store, key, now)).await?;
        let mut newer = Newer { echoes: Vec::new(), all: true };
        let Value::Head(head) = &*value else { return Ok(newer) };
        let mut next = newer.take(head, since);
        // For what no ring would hold any more, nothing but the head is read.
        let pages = if now.millis_since(since) > live::MAX_AGE_MILLIS { 0 } else { MAX_PAGES };
        for _ in 0..pages {
            let Some(after) = next else { break };
            let mut page = page(&self.store, key, MAX_LIMIT.into(), Some(after), now).await?;
            page.echoes.retain(|echo| !self.cache.hides(echo));
            next = newer.take(&Head::new(key, &page.echoes, page.next), since);
        }
        newer.all = next.is_none();
        Ok(newer)
    }
}

impl Newer {
    /// Takes what is new enough; gives the position after which there may be more.
    fn take(&mut self, head: &Head, since: Timestamp) -> Option<EchoId> {
        let newer: Vec<_> = head.each().take_while(|(id, _)| id.timestamp() >= since).collect();
        let is_whole = newer.len() == head.ids().count();
        self.echoes.extend(newer);
        // The position may lie far below the last echo of a page: those between are expired.
        head.goes_on_after().filter(|position| is_whole && position.timestamp() >= since)
    }
}

fn refused(refusal: Refusal) -> ServiceError {
    let detail = match refusal {
        Refusal::Full => "as many listen here as may",
        Refusal::Unfed => "this server hears of no new echoes: it has no worker, and no Redis to hear of one",
        Refusal::Closing => "this server ends",
    };
    Problem::new(Slug::Unavailable, detail).into()
}
