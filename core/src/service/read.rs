//! Reads: feeds, timelines, single echoes. What most callers want, the head of a list or one echo, comes from the caches.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use echoes_shared::policy::MAX_LIMIT;
use echoes_shared::query::ListQuery;
use echoes_shared::{Echo, EchoId, Emotion, Problem, Slug, Timestamp, UserId};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use http::HeaderValue;

use super::{Service, ServiceError, StoreError};
use crate::cache::{Cached, Cut, Head, Key, Loaded, Step, Trail, Value};
use crate::store::{Page, Store};

/// Feeds that are warmed at a time: readers come first.
const WARMED_AT_A_TIME: usize = 3;
/// Echoes that one draw finds deleted at most before it gives up; each is met once.
const MAX_DRAWS: usize = 1_000;

/// A page of a feed, the recent list or a timeline, serialised.
#[derive(Debug)]
pub struct List {
    /// The page.
    pub page: Arc<Cut>,
    /// Where it came from.
    pub trail: Trail,
}

/// One echo, serialised.
#[derive(Debug)]
pub struct ReadEcho {
    /// Its JSON.
    pub body: Bytes,
    /// `"VERSION"`.
    pub etag: HeaderValue,
    /// Where it came from.
    pub trail: Trail,
}

/// An echo drawn at random.
#[derive(Debug)]
pub struct RandomEcho {
    /// The echo.
    pub echo: Arc<Echo>,
    /// Whether the store was asked for it; else it came from memory.
    pub from_store: bool,
}

/// The list that a cursor belongs to. `#` is in no userId and no emotion, so no two lists share a name.
fn scope(key: &Key) -> String {
    match key {
        Key::Feed(emotion) => format!("emotion#{emotion}"),
        Key::Recent => "recent".to_owned(),
        Key::Timeline(user) => format!("user#{user}"),
        Key::TimelineOf(user, emotion) => format!("user#{user}#{emotion}"),
        // Not a list, so it has no cursors.
        Key::Echo(id) => format!("echo#{id}"),
    }
}

fn timeline_key(user: UserId, query: &ListQuery) -> Key {
    match query.emotion {
        Some(emotion) => Key::TimelineOf(user, emotion),
        None => Key::Timeline(user),
    }
}

impl Service {
    /// One emotion's feed.
    pub async fn feed(&self, emotion: Emotion, query: &ListQuery, now: Timestamp) -> Result<List, ServiceError> {
        self.cache.asked(emotion, now);
        self.list(&Key::Feed(emotion), query, now).await
    }

    /// Everybody's last ninety days.
    pub async fn recent(&self, query: &ListQuery, now: Timestamp) -> Result<List, ServiceError> {
        self.list(&Key::Recent, query, now).await
    }

    /// One person's echoes, or those of one emotion.
    pub async fn timeline(&self, user: UserId, query: &ListQuery, now: Timestamp) -> Result<List, ServiceError> {
        self.list(&timeline_key(user, query), query, now).await
    }

    /// One echo.
    pub async fn echo(&self, id: EchoId, now: Timestamp) -> Result<ReadEcho, ServiceError> {
        let store = self.store.clone();
        let load = move || async move {
            let echo = store.echo(id, now).await?;
            Ok(echo.map_or(Loaded::Absent, |echo| Loaded::Echo(Box::new(echo))))
        };
        let Cached { value, trail } = self.cache.read(&Key::Echo(id), now, load).await?;
        match &*value {
            Value::Echo(one) => Ok(ReadEcho { body: one.body.clone(), etag: one.etag.clone(), trail }),
            Value::Absent | Value::Head(_) => Err(Problem::new(Slug::NotFound, "there is no such echo").into()),
        }
    }

    /// The first page of a feed, if memory has it and nothing else is to be done: without waiting.
    pub fn feed_at_hand(&self, emotion: Emotion, query: &ListQuery, now: Timestamp) -> Option<List> {
        let list = self.at_hand(&Key::Feed(emotion), query, now)?;
        self.cache.asked(emotion, now);
        Some(list)
    }

    /// The same of the recent list.
    pub fn recent_at_hand(&self, query: &ListQuery, now: Timestamp) -> Option<List> {
        self.at_hand(&Key::Recent, query, now)
    }

    /// The same of a timeline.
    pub fn timeline_at_hand(&self, user: UserId, query: &ListQuery, now: Timestamp) -> Option<List> {
        self.at_hand(&timeline_key(user, query), query, now)
    }

    /// The same of one echo. That there is none is said by [`Service::echo`].
    pub fn echo_at_hand(&self, id: EchoId, now: Timestamp) -> Option<ReadEcho> {
        let Cached { value, trail } = self.cache.peek(&Key::Echo(id), now)?;
        let Value::Echo(one) = &*value else { return None };
        Some(ReadEcho { body: one.body.clone(), etag: one.etag.clone(), trail })
    }

    fn at_hand(&self, key: &Key, query: &ListQuery, now: Timestamp) -> Option<List> {
        if query.cursor.is_some() {
            return None;
        }
        let Cached { value, trail } = self.cache.peek(key, now)?;
        let Value::Head(head) = &*value else { return None };
        Some(List { page: head.cut(query.limit, self.signer(key)), trail })
    }

    /// A page of the list `key`: its first from the caches, a later one from the store.
    async fn list(&self, key: &Key, query: &ListQuery, now: Timestamp) -> Result<List, ServiceError> {
        let Some(cursor) = &query.cursor else {
            return Ok(self.head(key, now, |head| head.cut(query.limit, self.signer(key))).await?);
        };
        let after = self.cursor_keys.verify(&scope(key), cursor);
        let after = after.map_err(|error| Problem::invalid_field("cursor", error.to_string()))?;
        // Boxed, as what a miss does: most requests are hits, and need not carry its size.
        let mut page = Box::pin(page(&self.store, key, query.limit.into(), Some(after), now)).await?;
        page.echoes.retain(|echo| !self.cache.hides(echo));
        let page = Head::new(key, &page.echoes, page.next).cut(query.limit, self.signer(key));
        Ok(List { page, trail: Trail::of([Step::Store]) })
    }

    /// What `cut` makes of the head of the list `key`.
    pub(super) async fn head(
        &self,
        key: &Key,
        now: Timestamp,
        cut: impl FnOnce(&Head) -> Arc<Cut>,
    ) -> Result<List, StoreError> {
        let Cached { value, trail } = match self.cache.peek(key, now) {
            Some(cached) => cached,
            None => Box::pin(self.cache.read(key, now, loader(&self.store, key, now))).await?,
        };
        let page = match &*value {
            Value::Head(head) => cut(head),
            Value::Echo(_) | Value::Absent => cut(&Head::new(key, &[], None)),
        };
        Ok(List { page, trail })
    }

    /// Makes the cursors of the list `key`.
    pub(super) fn signer(&self, key: &Key) -> impl FnOnce(EchoId) -> String {
        |position| self.cursor_keys.sign(&scope(key), position)
    }

    /// Has the heads of these feeds loaded, unless they are fresh for `at_least` so long. One that fails is left to its readers.
    pub async fn warm(&self, emotions: &[Emotion], at_least: Duration, now: Timestamp) {
        let each = stream::iter(emotions.iter().map(|&emotion| Key::Feed(emotion)));
        each.for_each_concurrent(WARMED_AT_A_TIME, |key| async move {
            let load = loader(&self.store, &key, now);
            if let Err(error) = self.cache.refresh(&key, now, at_least, load).await {
                tracing::warn!(%key, %error, "a feed could not be warmed");
            }
        })
        .await;
    }

    /// One echo of `emotion` at random.
    pub async fn random(&self, emotion: Emotion, now: Timestamp) -> Result<RandomEcho, ServiceError> {
        let mut from_store = false;
        for _ in 0..MAX_DRAWS {
            let drawn = self.pools.draw(&self.store, emotion, now).await?;
            from_store |= drawn.from_store;
            match drawn.echo {
                // Another process has deleted it, or the worker: its slot is empty from now on.
                Some(echo) if self.cache.hides(&echo) => self.pools.forget(echo.echo_id, now),
                Some(echo) => return Ok(RandomEcho { echo, from_store }),
                None => break,
            }
        }
        Err(Problem::new(Slug::NotFound, "this emotion has no echo").into())
    }

    /// From the next draw on this echo, as another process of the region or another region has left it, is drawn as well.
    pub fn note(&self, echo: &Echo, now: Timestamp) {
        self.pools.note(echo, now);
    }

    /// Whether the store answers, and has said what every list needs.
    pub async fn store_answers(&self, now: Timestamp) -> Result<(), StoreError> {
        self.store.probe().await?;
        self.store.know_shards(now).await
    }
}

/// What a miss of the head of `key` does.
pub(super) fn loader(
    store: &Store,
    key: &Key,
    now: Timestamp,
) -> impl FnOnce() -> BoxFuture<'static, Result<Loaded, StoreError>> + Send + 'static {
    let (store, key) = (store.clone(), key.clone());
    move || {
        Box::pin(async move {
            let Page { echoes, next } = page(&store, &key, MAX_LIMIT.into(), None, now).await?;
            Ok(Loaded::Head { echoes, next })
        })
    }
}

/// A page of the list `key` from the store.
pub(super) async fn page(
    store: &Store,
    key: &Key,
    limit: usize,
    after: Option<EchoId>,
    now: Timestamp,
) -> Result<Page, StoreError> {
    match key {
        Key::Feed(emotion) => store.feed(*emotion, limit, after, now).await,
        Key::Recent => store.recent(limit, after, now).await,
        Key::Timeline(user) => store.timeline(user, limit, after, now).await,
        Key::TimelineOf(user, emotion) => store.timeline_of_emotion(user, *emotion, limit, after, now).await,
        Key::Echo(_) => Ok(Page::default()),
    }
}
