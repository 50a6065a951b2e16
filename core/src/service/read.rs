//! Reads: feeds, timelines, single echoes.

use std::sync::Arc;

use echoes_shared::query::ListQuery;
use echoes_shared::{Echo, EchoId, Emotion, Problem, Region, Slug, Timestamp, UserId};
use serde::Serialize;

use super::{Service, ServiceError, StoreError};
use crate::store::Page;

/// The body of a feed, the recent list or a timeline.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct List {
    echoes: Vec<Echo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The body of `GET /v1/emotions`: the vocabulary. Counts are absent until they are known.
#[derive(Debug, Serialize)]
pub struct EmotionList {
    emotions: Vec<EmotionEntry>,
}

#[derive(Debug, Serialize)]
struct EmotionEntry {
    emotion: Emotion,
}

/// The body of `GET /v1/status` as one core knows it: itself.
#[derive(Debug, Serialize)]
pub struct Status {
    region: Region,
    regions: [RegionStatus; 1],
}

#[derive(Debug, Serialize)]
struct RegionStatus {
    name: Region,
    healthy: bool,
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
pub(super) enum Scope<'a> {
    Feed(Emotion),
    Recent,
    Timeline(&'a UserId, Option<Emotion>),
}

impl Scope<'_> {
    fn name(&self) -> String {
        match self {
            Self::Feed(emotion) => format!("emotion#{emotion}"),
            Self::Recent => "recent".to_owned(),
            Self::Timeline(user, None) => format!("user#{user}"),
            Self::Timeline(user, Some(emotion)) => format!("user#{user}#{emotion}"),
        }
    }
}

impl Service {
    /// Every emotion of the vocabulary.
    pub fn emotions(&self) -> EmotionList {
        EmotionList { emotions: Emotion::ALL.iter().map(|&emotion| EmotionEntry { emotion }).collect() }
    }

    /// One emotion's feed.
    pub async fn feed(&self, emotion: Emotion, query: &ListQuery, now: Timestamp) -> Result<List, ServiceError> {
        let scope = Scope::Feed(emotion);
        let after = self.position(&scope, query)?;
        let page = self.store.feed(emotion, query.limit.into(), after, now).await?;
        Ok(self.list(&scope, page))
    }

    /// Everybody's last ninety days.
    pub async fn recent(&self, query: &ListQuery, now: Timestamp) -> Result<List, ServiceError> {
        let after = self.position(&Scope::Recent, query)?;
        let page = self.store.recent(query.limit.into(), after, now).await?;
        Ok(self.list(&Scope::Recent, page))
    }

    /// One person's echoes, or those of one emotion.
    pub async fn timeline(&self, user: &UserId, query: &ListQuery, now: Timestamp) -> Result<List, ServiceError> {
        let scope = Scope::Timeline(user, query.emotion);
        let after = self.position(&scope, query)?;
        let limit = query.limit.into();
        let page = match query.emotion {
            Some(emotion) => self.store.timeline_of_emotion(user, emotion, limit, after, now).await?,
            None => self.store.timeline(user, limit, after, now).await?,
        };
        Ok(self.list(&scope, page))
    }

    /// One echo.
    pub async fn echo(&self, id: EchoId, now: Timestamp) -> Result<Echo, ServiceError> {
        let echo = self.store.echo(id, now).await?;
        echo.ok_or_else(|| Problem::new(Slug::NotFound, "there is no such echo").into())
    }

    /// One echo of `emotion` at random.
    pub async fn random(&self, emotion: Emotion, now: Timestamp) -> Result<RandomEcho, ServiceError> {
        let drawn = self.pools.draw(&self.store, emotion, now).await?;
        let none = || Problem::new(Slug::NotFound, "this emotion has no echo");
        Ok(RandomEcho { echo: drawn.echo.ok_or_else(none)?, from_store: drawn.from_store })
    }

    /// Whether the store answers, and has said what every list needs.
    pub async fn store_answers(&self, now: Timestamp) -> Result<(), StoreError> {
        self.store.probe().await?;
        self.store.know_shards(now).await
    }

    /// What this region knows of itself; an error where its store does not answer.
    pub async fn status(&self) -> Result<Status, ServiceError> {
        self.store.probe().await?;
        Ok(Status { region: self.region, regions: [RegionStatus { name: self.region, healthy: true }] })
    }

    fn position(&self, scope: &Scope<'_>, query: &ListQuery) -> Result<Option<EchoId>, Problem> {
        let Some(cursor) = &query.cursor else { return Ok(None) };
        let position = self.cursor_keys.verify(&scope.name(), cursor);
        position.map(Some).map_err(|error| Problem::invalid_field("cursor", error.to_string()))
    }

    pub(super) fn list(&self, scope: &Scope<'_>, page: Page) -> List {
        let next_cursor = page.next.map(|last| self.cursor_keys.sign(&scope.name(), last));
        List { echoes: page.echoes, next_cursor }
    }
}
