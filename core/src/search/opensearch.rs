//! The index in a search server: OpenSearch, of which several processes of a region share one index.
//!
//! The server takes a document only if its version is not below the one it has, and the version is the edition: so whatever is
//! applied twice, late, or by two processes at once comes out the same.

mod breaker;
mod bulk;
mod client;
mod find;
mod indices;
mod mapping;

use std::sync::Arc;
use std::time::Duration;

use echoes_shared::policy::ATTEMPT_MILLIS;
use echoes_shared::{Region, Timestamp};
use futures_util::future::BoxFuture;
use rand::RngExt as _;
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Document, Hits, Index, Query, RefusedDocument, SearchUnavailable, Stats};
use crate::clock::Stopwatch;
use crate::config::OpenSearchUrl;
use bulk::{Fate, Line};
use client::{Body, Client};
use indices::Names;

/// A search, all rounds of it. The edge leaves a region that takes longer than an attempt.
const SEARCH: Duration = Duration::from_millis(550);
const _: () = assert!(SEARCH.as_millis() < ATTEMPT_MILLIS as u128);
/// What must be left of it for another round.
const NEXT_ROUND: Duration = Duration::from_millis(300);
/// A bulk of a thousand documents.
const BULK: Duration = Duration::from_secs(15);
/// A change of the indexes, which all nodes must hear of.
const MANAGE: Duration = Duration::from_secs(30);
/// Pages of one search: the server finds no place but those near the edge of a circle that is not in it.
const ROUNDS: usize = 3;
/// How often in a row nothing of a bulk may be taken before the server counts as unavailable.
const ATTEMPTS_IN_VAIN: u32 = 4;
/// The pause after an attempt in vain is drawn from zero to this, doubled with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How often the indexes may change while one batch is written.
const CHANGES: usize = 4;
/// Documents that are dropped at a time, and how often in one purge.
const PURGE_DOCUMENTS: usize = 1_000;
const PURGE_ROUNDS: usize = 100;

/// The index of one region in a search server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OpenSearch {
    client: Arc<Client>,
    names: Names,
    /// The index that is being built, and not the one that is searched.
    builds: bool,
}

/// What an operator is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The index that is searched; `None` before anything was written.
    pub index: Option<String>,
    /// One that is being built to take its place, or was left behind by a build that was killed.
    pub building: Option<String>,
    /// Whether every echo of the table has been in the index.
    pub filled: bool,
    /// Echoes, expired ones that were not purged yet among them.
    pub echoes: u64,
    /// Echoes that are remembered as gone.
    pub gone: u64,
    /// Bytes on disk, copies not counted.
    pub bytes: u64,
}

/// What became of the documents for one index.
enum Written {
    /// All were taken but these.
    But(Vec<RefusedDocument>),
    /// There is none of that name any more.
    NoIndex,
}

impl OpenSearch {
    /// The index of `region` in the server at `url`; nothing is sent yet.
    ///
    /// # Errors
    /// Where no connection can ever be made, as without any certificates.
    pub fn new(url: OpenSearchUrl, region: Region) -> Result<Self, SearchUnavailable> {
        Ok(Self { client: Arc::new(Client::new(url)?), names: Names::of(region), builds: false })
    }

    /// Makes a new, empty index beside the one that is searched: from now on all that is applied goes to both. One that was begun
    /// before is dropped. Answers its name, and how to fill it.
    ///
    /// # Errors
    /// Where the server does not make it.
    pub async fn build(&self, shards: u16) -> Result<(String, Self), SearchUnavailable> {
        let name = self.names.make_next(&self.client, shards).await?;
        Ok((name, Self { builds: true, ..self.clone() }))
    }

    /// Has the index of that name, which holds every echo of the table now, take the place of the one that is searched, which is
    /// dropped.
    ///
    /// # Errors
    /// Where another build took its place, or the server does not do it.
    pub async fn replace_by(&self, name: &str) -> Result<(), SearchUnavailable> {
        self.names.swap(&self.client, name).await
    }

    /// Drops the index of that name, unless it has taken its place already.
    ///
    /// # Errors
    /// Where the server does not do it.
    pub async fn give_up(&self, name: &str) -> Result<(), SearchUnavailable> {
        self.names.give_up(&self.client, name).await
    }

    /// The name of the index that is searched, made where there is none, if echoes of the table may be missing in it.
    ///
    /// # Errors
    /// Where the server does not tell.
    pub async fn unfilled(&self) -> Result<Option<String>, SearchUnavailable> {
        let live = self.names.look_or_make(&self.client).await?.live;
        Ok(if indices::says_filled(&self.client, self.alias()).await?.unwrap_or_default() { None } else { live })
    }

    /// Says for good that every echo of the table has been in the index of that name.
    ///
    /// # Errors
    /// Where the server does not keep it, as when there is none of that name any more.
    pub async fn mark_filled(&self, name: &str) -> Result<(), SearchUnavailable> {
        indices::mark(&self.client, name, true).await
    }

    /// What an operator is told.
    ///
    /// # Errors
    /// Where the server does not tell.
    pub async fn status(&self) -> Result<Status, SearchUnavailable> {
        let found = self.names.look(&self.client).await?;
        let Stats { echoes, gone, filled } = self.look_inside().await?;
        let mut bytes = 0;
        if let Some(index) = &found.live {
            let path = format!("/{index}/_stats/store");
            let stats = self.client.call(Method::GET, &path, Body::Nothing, MANAGE).await?.ok()?;
            bytes = stats.pointer("/_all/primaries/store/size_in_bytes").and_then(Value::as_u64).unwrap_or_default();
        }
        Ok(Status { index: found.live, building: found.next, filled, echoes, gone, bytes })
    }

    fn alias(&self) -> &str {
        if self.builds { &self.names.next } else { &self.names.live }
    }

    async fn take(&self, documents: &[Document]) -> Result<Vec<RefusedDocument>, SearchUnavailable> {
        let (lines, mut refused) = bulk::lines(documents);
        for _ in 0..CHANGES {
            let Some(more) = self.take_once(&lines).await? else { continue };
            refused.extend(more);
            refused.sort_unstable_by_key(|refused| refused.id);
            refused.dedup_by_key(|refused| refused.id);
            return Ok(refused);
        }
        Err(SearchUnavailable("its indexes change all the time".to_owned()))
    }

    /// Writes to both indexes, the new one first; `None` where one of them has gone meanwhile.
    async fn take_once(&self, lines: &[Line<'_>]) -> Result<Option<Vec<RefusedDocument>>, SearchUnavailable> {
        let mut refused = Vec::new();
        let names = if self.builds {
            vec![&self.names.next]
        } else {
            let found = self.names.look_or_make(&self.client).await?;
            found.next.map(|_| &self.names.next).into_iter().chain([&self.names.live]).collect()
        };
        for name in names {
            match self.write(name, lines).await? {
                Written::But(more) => refused.extend(more),
                Written::NoIndex if self.builds => {
                    return Err(SearchUnavailable("the index that was being built is gone".to_owned()));
                }
                Written::NoIndex => return Ok(None),
            }
        }
        Ok(Some(refused))
    }

    /// Writes every line to one index. What the server has no room for is sent again, and nothing else.
    async fn write(&self, alias: &str, lines: &[Line<'_>]) -> Result<Written, SearchUnavailable> {
        let path = format!("/{alias}/_bulk?require_alias=true");
        let mut pending: Vec<&Line<'_>> = lines.iter().collect();
        let (mut refused, mut in_vain, mut most) = (Vec::new(), 0, bulk::MAX_DOCUMENTS);
        while !pending.is_empty() {
            let (text, count) = bulk::chunk(&pending, most);
            let answer = self.client.call(Method::POST, &path, Body::Lines(text), BULK).await?;
            let fates = match answer.status {
                200 => {
                    let fates = bulk::fates(&answer.json()?, count);
                    fates.ok_or_else(|| SearchUnavailable("answered a bulk with what makes no sense".to_owned()))?
                }
                429 | 503 => (0..count).map(|_| Fate::Later(answer.refusal().0)).collect(),
                // One of them makes the server refuse all: whichever it is, is alone in a moment.
                400 | 413 if count > 1 => {
                    most = 1;
                    continue;
                }
                400 | 413 => vec![Fate::Refused(answer.refusal().0)],
                _ if answer.is_error("index_not_found_exception") => return Ok(Written::NoIndex),
                _ => return Err(answer.refusal()),
            };
            let rest = pending.split_off(count);
            let (mut again, mut why) = (Vec::new(), String::new());
            for (line, fate) in pending.into_iter().zip(fates) {
                match fate {
                    Fate::Taken => {}
                    Fate::Refused(reason) => refused.push(line.refused(reason)),
                    Fate::Later(reason) => {
                        again.push(line);
                        why = reason;
                    }
                    Fate::NoIndex => return Ok(Written::NoIndex),
                    Fate::Closed(reason) => return Err(SearchUnavailable(reason)),
                }
            }
            if !again.is_empty() {
                in_vain = if again.len() < count { 0 } else { in_vain + 1 };
                if in_vain >= ATTEMPTS_IN_VAIN {
                    return Err(SearchUnavailable(why));
                }
                let longest = FIRST_PAUSE.saturating_mul(1 << in_vain);
                let pause = rand::rng().random_range(Duration::ZERO..=longest);
                tokio::time::sleep(pause).await;
            }
            again.extend(rest);
            pending = again;
        }
        Ok(Written::But(refused))
    }

    async fn find(&self, query: &Query, now: Timestamp) -> Result<Hits, SearchUnavailable> {
        let mut page = find::Page::new(query, now);
        let path = format!("/{}/_search?allow_partial_search_results=false", self.alias());
        let asked = Stopwatch::start();
        for round in 0..ROUNDS {
            let rest = SEARCH.saturating_sub(asked.elapsed());
            // A server that is given too little time would count as one that does not answer.
            if round > 0 && rest < NEXT_ROUND {
                break;
            }
            let body = Body::Json(page.body());
            let answer = match self.client.call_if_up(Method::POST, &path, body, rest).await {
                Err(_) if page.shows_something() => break,
                answer => answer?,
            };
            if answer.is_error("index_not_found_exception") {
                // Nothing was written yet.
                return Ok(Hits::default());
            }
            page.take(find::hits(&answer.ok()?)?);
            if page.is_whole() {
                break;
            }
        }
        Ok(page.hits())
    }

    async fn drop_past(&self, now: Timestamp) -> Result<u64, SearchUnavailable> {
        let mut dropped = 0;
        for _ in 0..PURGE_ROUNDS {
            let past = self.past(now).await?;
            if past.is_empty() {
                break;
            }
            // Not `_delete_by_query`: it counts a version up, and that of what is gone is the highest there is.
            let lines = past.iter().map(|(id, version)| bulk::drop_line(id, *version)).collect::<String>();
            let path = format!("/{}/_bulk?require_alias=true&refresh=true", self.alias());
            let answer = self.client.call(Method::POST, &path, Body::Lines(lines.into_bytes()), BULK).await?;
            let fates = bulk::fates(&answer.ok()?, past.len()).unwrap_or_default();
            if fates.iter().filter(|fate| **fate == Fate::Taken).count() < past.len() {
                return Err(SearchUnavailable("some of what has expired could not be dropped".to_owned()));
            }
            dropped += past.len() as u64;
            if past.len() < PURGE_DOCUMENTS {
                break;
            }
        }
        Ok(dropped)
    }

    /// Some of what has expired, and of what needs not be remembered any more, with its versions.
    async fn past(&self, now: Timestamp) -> Result<Vec<(String, u64)>, SearchUnavailable> {
        let over = |field: &str| json!({ "range": { field: { "lte": now.epoch_seconds() } } });
        let body = json!({
            "query": { "bool": { "should": [over("ttl"), over("until")] } },
            "size": PURGE_DOCUMENTS,
            "version": true,
            "_source": false,
        });
        let path = format!("/{}/_search", self.alias());
        let answer = self.client.call(Method::POST, &path, Body::Json(body), BULK).await?;
        if answer.is_error("index_not_found_exception") {
            return Ok(Vec::new());
        }
        let answer = answer.ok()?;
        let hits = answer.pointer("/hits/hits").and_then(Value::as_array).into_iter().flatten();
        let past = |hit: &Value| Some((hit.get("_id")?.as_str()?.to_owned(), hit.get("_version")?.as_u64()?));
        Ok(hits.filter_map(past).collect())
    }

    async fn look_inside(&self) -> Result<Stats, SearchUnavailable> {
        let Some(filled) = indices::says_filled(&self.client, self.alias()).await? else {
            return Ok(Stats::default());
        };
        let count = async |what: Value| {
            let path = format!("/{}/_count", self.alias());
            let answer = self.client.call(Method::POST, &path, Body::Json(json!({ "query": what })), MANAGE).await?;
            let count = answer.ok()?.get("count").and_then(Value::as_u64);
            count.ok_or_else(|| SearchUnavailable("answered a count without one".to_owned()))
        };
        let until = json!({ "exists": { "field": "until" } });
        let gone = count(until.clone()).await?;
        let echoes = count(json!({ "bool": { "must_not": until } })).await?;
        Ok(Stats { echoes, gone, filled })
    }

    async fn show(&self) -> Result<(), SearchUnavailable> {
        let path = format!("/{}/_refresh", self.alias());
        let answer = self.client.call(Method::POST, &path, Body::Nothing, MANAGE).await?;
        if answer.is_error("index_not_found_exception") {
            return Ok(());
        }
        answer.ok().map(|_| ())
    }
}

impl Index for OpenSearch {
    fn apply<'a>(
        &'a self,
        documents: &'a [Document],
    ) -> BoxFuture<'a, Result<Vec<RefusedDocument>, SearchUnavailable>> {
        Box::pin(self.take(documents))
    }

    fn search<'a>(&'a self, query: &'a Query, now: Timestamp) -> BoxFuture<'a, Result<Hits, SearchUnavailable>> {
        Box::pin(self.find(query, now))
    }

    fn purge(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, SearchUnavailable>> {
        Box::pin(self.drop_past(now))
    }

    fn doubt(&self, _: Timestamp) -> BoxFuture<'_, Result<(), SearchUnavailable>> {
        Box::pin(async {
            // It is made where there is none: an alias that does not exist has nothing to be marked.
            self.names.look_or_make(&self.client).await?;
            indices::mark(&self.client, self.alias(), false).await
        })
    }

    fn refresh(&self) -> BoxFuture<'_, Result<(), SearchUnavailable>> {
        Box::pin(self.show())
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, SearchUnavailable>> {
        Box::pin(self.look_inside())
    }
}
