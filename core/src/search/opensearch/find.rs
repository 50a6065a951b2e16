//! A search in the server's language, and what it answered.

use echoes_shared::query::{Near, Sort};
use echoes_shared::{Echo, Timestamp};
use serde_json::{Value, json};

use super::client::reason;
use crate::search::{Clause, Hit, Hits, Position, Query, SearchUnavailable};

/// The server keeps a place to some centimetres and measures to some decimetres: it is asked for this much more, and what it
/// finds is measured here.
const SLACK_KM: f64 = 0.01;
const SLACK_RATIO: f64 = 1.000_1;
/// How long the server may look; then it answers with what it has, which is not taken.
const LOOK_MILLIS: u64 = 400;

/// Hits that are asked for once some were not wanted: all of the next may be such.
const NEXT_SIZE: usize = 100;

/// A page in the making, of what the server finds in one answer after the other.
#[derive(Debug)]
pub(super) struct Page<'a> {
    query: &'a Query,
    now: Timestamp,
    hits: Vec<Hit>,
    /// Where the next answer begins, and how many hits are asked for in it.
    after: Option<Position>,
    size: usize,
    /// The server has no more.
    ended: bool,
}

impl<'a> Page<'a> {
    /// An empty one.
    pub(super) fn new(query: &'a Query, now: Timestamp) -> Self {
        // One more than is shown, to know whether there is more.
        let size = query.limit + 1;
        Self { query, now, hits: Vec::with_capacity(size), after: query.after, size, ended: false }
    }

    /// What the server is asked next.
    pub(super) fn body(&self) -> Value {
        body(self.query, self.after, self.size, self.now)
    }

    /// Takes what it answered.
    pub(super) fn take(&mut self, found: Vec<Hit>) {
        self.ended = found.len() < self.size;
        self.after = found.last().map(Hit::position).or(self.after);
        self.hits.extend(found.into_iter().filter(|hit| fits(&hit.echo, self.query, self.now)));
        self.size = NEXT_SIZE;
    }

    /// Whether there is something to show already.
    pub(super) fn shows_something(&self) -> bool {
        !self.hits.is_empty()
    }

    /// Whether another answer would change nothing.
    pub(super) fn is_whole(&self) -> bool {
        self.ended || self.hits.len() > self.query.limit
    }

    /// The page. Where the server was not asked to its end there may be more, which the last hit shown leads to.
    pub(super) fn hits(self) -> Hits {
        let Self { query, mut hits, ended, .. } = self;
        let more = hits.len() > query.limit || (!ended && !hits.is_empty());
        hits.truncate(query.limit);
        Hits { hits, more }
    }
}

/// The body of a search for `size` hits after a position.
fn body(query: &Query, after: Option<Position>, size: usize, now: Timestamp) -> Value {
    let mut body = json!({
        "query": { "bool": {
            "must": query.clauses.iter().map(clause).collect::<Vec<_>>(),
            "filter": filters(query),
            // What is gone is not to be found, nor what has expired.
            "must_not": [
                { "exists": { "field": "until" } },
                { "range": { "ttl": { "lte": now.epoch_seconds() } } },
            ],
        } },
        "sort": match query.sort {
            Sort::Relevance => json!([{ "_score": "desc" }, { "id": "desc" }]),
            Sort::Time => json!([{ "id": "desc" }]),
        },
        "size": size,
        "_source": ["echo"],
        "track_total_hits": false,
        "timeout": format!("{LOOK_MILLIS}ms"),
    });
    if let (Some(after), Some(members)) = (after, body.as_object_mut()) {
        let id = after.id.to_string();
        let place = match query.sort {
            Sort::Relevance => json!([after.score, id]),
            Sort::Time => json!([id]),
        };
        members.insert("search_after".to_owned(), place);
    }
    body
}

fn clause(clause: &Clause) -> Value {
    match clause {
        Clause::Word(token) => json!({ "term": { "words": { "value": token } } }),
        Clause::Phrase(tokens) => json!({ "match_phrase": { "words": { "query": tokens.join(" ") } } }),
    }
}

fn filters(query: &Query) -> Vec<Value> {
    let term = |field: &str, value: &str| json!({ "term": { field: { "value": value } } });
    let mut filters = Vec::new();
    filters.extend(query.emotion.map(|emotion| term("emotion", emotion.as_str())));
    filters.extend(query.tag.as_deref().map(|tag| term("tags", tag)));
    filters.extend(query.user.as_ref().map(|user| term("user", user.as_str())));
    filters.extend(query.from.map(|from| json!({ "range": { "millis": { "gte": from.millis() } } })));
    filters.extend(query.to.map(|to| json!({ "range": { "millis": { "lt": to.millis() } } })));
    filters.extend(query.near.map(|Near { place, radius_km }| {
        let distance = format!("{}km", radius_km * SLACK_RATIO + SLACK_KM);
        json!({ "geo_distance": { "distance": distance, "place": { "lat": place.lat, "lon": place.lng } } })
    }));
    filters
}

/// The hits of an answer, all of them.
///
/// # Errors
/// Where the server did not look everywhere, or answered what makes no sense.
pub(super) fn hits(answer: &Value) -> Result<Vec<Hit>, SearchUnavailable> {
    let nonsense = |what: &str| SearchUnavailable(format!("answered a search without {what}"));
    if answer.get("timed_out") != Some(&Value::Bool(false)) {
        return Err(SearchUnavailable(format!("did not end a search within {LOOK_MILLIS} ms")));
    }
    if answer.pointer("/_shards/failed").and_then(Value::as_u64) != Some(0) {
        let why = answer.pointer("/_shards/failures/0/reason").map(reason).unwrap_or_default();
        return Err(SearchUnavailable(format!("could not look everywhere: {why}")));
    }
    let found = answer.pointer("/hits/hits").and_then(Value::as_array).ok_or_else(|| nonsense("hits"))?;
    found.iter().map(|hit| self::hit(hit).ok_or_else(|| nonsense("an echo"))).collect()
}

fn hit(hit: &Value) -> Option<Hit> {
    let echo: Echo = serde_json::from_str(hit.pointer("/_source/echo")?.as_str()?).ok()?;
    // The server's own number is an f32, so nothing is lost.
    let score = hit.get("_score").and_then(Value::as_f64).unwrap_or_default() as f32;
    Some(Hit { echo: Box::new(echo), score })
}

/// Whether the server was right about what it keeps less exactly than the echo says it.
fn fits(echo: &Echo, query: &Query, now: Timestamp) -> bool {
    let is_near = query.near.is_none_or(|near| echo.location.is_some_and(|place| near.covers(place)));
    is_near && echo.lives_at(now)
}

#[cfg(test)]
mod tests {
    use echoes_shared::query::SearchQuery;

    use super::*;
    use crate::samples::{EPOCH_MILLIS, echo};

    const NOW: Timestamp = Timestamp::from_millis(EPOCH_MILLIS + 1_000);

    /// An answer of so many hits, of which only the first few live.
    fn answer(size: usize, living: usize) -> Vec<Hit> {
        let hit = |place: usize| {
            let mut echo = echo("ana", (1_000 - place) as u64);
            echo.ttl = (place >= living).then(|| NOW.epoch_seconds());
            Hit { echo: Box::new(echo), score: 0.0 }
        };
        (0..size).map(hit).collect()
    }

    #[test]
    fn a_page_tells_whether_there_is_more_also_where_little_of_what_was_found_fits() {
        let query = Query { limit: 2, ..Query::of(&SearchQuery::parse(None).unwrap()).unwrap() };
        for (answers, whole, shown, more) in [
            (&[(0, 0)][..], true, 0, false),
            (&[(2, 2)], true, 2, false),
            (&[(2, 1)], true, 1, false),
            (&[(3, 3)], true, 2, true),
            (&[(3, 2)], false, 2, true),
            (&[(3, 1), (99, 0)], true, 1, false),
            (&[(3, 1), (99, 1)], true, 2, false),
            (&[(3, 1), (100, 50)], true, 2, true),
            (&[(3, 1), (100, 0), (100, 0)], false, 1, true),
            (&[(3, 0), (100, 0), (100, 0)], false, 0, false),
        ] {
            let mut page = Page::new(&query, NOW);
            for (round, (size, living)) in answers.iter().enumerate() {
                assert!(!page.is_whole(), "{answers:?}");
                assert_eq!(page.body()["size"], if round == 0 { 3 } else { NEXT_SIZE }, "{answers:?}");
                let found = answer(*size, *living);
                let last = found.last().map(|hit| hit.echo.echo_id.to_string());
                page.take(found);
                assert_eq!(page.body()["search_after"][0].as_str(), last.as_deref(), "{answers:?}");
            }
            assert_eq!(page.is_whole(), whole, "{answers:?}");
            let hits = page.hits();
            assert_eq!((hits.hits.len(), hits.more), (shown, more), "{answers:?}");
        }
    }
}
