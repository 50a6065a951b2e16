//! Search: what the index finds, less what is known to be gone, with the words shown where they stand.

use echoes_shared::cursor::Ranked;
use echoes_shared::policy::MAX_RELEVANT_RESULTS;
use echoes_shared::query::{SearchQuery, Sort};
use echoes_shared::{Echo, EchoId, Problem, Slug, Timestamp};
use serde::Serialize;

use super::{Service, ServiceError};
use crate::search::highlight::highlights;
use crate::search::{Hit, Position, Query, Search};

/// The body of `GET /v1/search`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    results: Vec<FoundEcho>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FoundEcho {
    echo: Box<Echo>,
    /// Where results are in the order of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
    /// Where the words stand in the transcript; they may be in the tags alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    highlights: Vec<String>,
    /// To the metre.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_km: Option<f64>,
}

impl Service {
    /// The same service with this index to search; without one, searches are answered as unavailable.
    #[must_use]
    pub fn with_search(self, search: Option<Search>) -> Self {
        Self { search, ..self }
    }

    /// A page of what a search finds.
    pub async fn search(&self, asked: &SearchQuery, now: Timestamp) -> Result<Found, ServiceError> {
        let mut query = Query::of(asked)?;
        let Some(index) = &self.search else {
            return Err(Problem::new(Slug::Unavailable, "this region has no search index").into());
        };
        let shown = self.go_on(asked, &mut query)?;
        let left = MAX_RELEVANT_RESULTS.saturating_sub(shown);
        if asked.sort == Sort::Relevance {
            query.limit = query.limit.min(left.into());
        }
        let found = index.search(&query, now).await.map_err(|error| {
            tracing::warn!(%error, "the search index does not answer");
            Problem::new(Slug::Unavailable, "the search index does not answer")
        })?;
        let next_cursor = match found.hits.last() {
            Some(last) if found.more => self.cursor_after(asked, last, shown, found.hits.len()),
            _ => None,
        };
        let lives = |hit: &Hit| !self.cache.hides(&hit.echo);
        let results = found.hits.into_iter().filter(lives).map(|hit| show(hit, asked, &query)).collect();
        Ok(Found { results, next_cursor })
    }

    /// Lets a search begin where its cursor says; answers how many results were shown before.
    fn go_on(&self, asked: &SearchQuery, query: &mut Query) -> Result<u16, Problem> {
        let Some(cursor) = &asked.cursor else { return Ok(0) };
        let verified = match asked.sort {
            Sort::Relevance => self.cursor_keys.verify_ranked(&scope(asked), cursor),
            Sort::Time => {
                let last = self.cursor_keys.verify(&scope(asked), cursor);
                last.map(|last| Ranked { last, score: 0.0, shown: 0 })
            }
        };
        let Ranked { last, score, shown } =
            verified.map_err(|error| Problem::invalid_field("cursor", error.to_string()))?;
        query.after = Some(Position { score, id: last });
        Ok(shown)
    }

    fn cursor_after(&self, asked: &SearchQuery, last: &Hit, shown: u16, hits: usize) -> Option<String> {
        let id: EchoId = last.echo.echo_id;
        if asked.sort == Sort::Time {
            return Some(self.cursor_keys.sign(&scope(asked), id));
        }
        let shown = shown.saturating_add(u16::try_from(hits).unwrap_or(u16::MAX));
        let rank = Ranked { last: id, score: last.score, shown };
        (shown < MAX_RELEVANT_RESULTS).then(|| self.cursor_keys.sign_ranked(&scope(asked), rank))
    }
}

/// The list that a cursor belongs to.
fn scope(asked: &SearchQuery) -> String {
    format!("search#{}", asked.asked())
}

fn show(hit: Hit, asked: &SearchQuery, query: &Query) -> FoundEcho {
    let Hit { echo, score } = hit;
    let highlights = echo.transcript.as_deref().map(|transcript| highlights(transcript, &query.clauses));
    let distance = asked.near.zip(echo.location).map(|(near, place)| near.place.distance_km(place));
    FoundEcho {
        echo,
        score: (asked.sort == Sort::Relevance).then_some(score),
        highlights: highlights.unwrap_or_default(),
        distance_km: distance.map(|km| (km * 1_000.0).round() / 1_000.0),
    }
}
