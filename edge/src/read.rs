//! Reads: from memory without a promise, else from the data centre, else from the nearest healthy region.

use std::rc::Rc;

use echoes_shared::query::{AnalyticsQuery, ListQuery, SearchQuery, TimelinesQuery};
use echoes_shared::wire::Resource;
use echoes_shared::{EchoId, Emotion, Problem, Slug, Timestamp};
use serde::Deserialize;
use wasm_bindgen::JsValue;
use web_sys::Response;

use crate::arrival::{Answered, Arrival, Outcome};
use crate::cache::entry::{Content, Entry};
use crate::cache::freshness::Age;
use crate::cache::status::{Forwarded, forwarded};
use crate::cache::{self, CacheKey, Subject, data_centre, flight};
use crate::clock;
use crate::config::OriginConfig;
use crate::origin::answer::Answer;
use crate::origin::{self, Call};
use crate::response::{Common, Refusal, Reply, header};
use echoes_shared::etag::none_match;

/// Seconds after which a caller may try again when no region answers.
const RETRY_AFTER_SECONDS: u32 = 2;
/// Seconds after which the region asked for a random echo has heard of what was deleted here.
const RETRY_AFTER_PICKS_SECONDS: u32 = 1;
/// How often a random echo is asked for, when those that come were deleted here.
const PICKS: u8 = 3;
const FOUND: u16 = 200;
/// Milliseconds after an edit in another region during which no list is kept that the nearest region gives: most often it has
/// heard of the edit by then (facts: *usually < 1 s*).
const REPLICATION_MILLIS: u64 = 1_500;

/// Answers a read that the edge caches.
pub fn cached(arrival: Arrival, resource: &Resource, query: Option<&str>) -> Outcome {
    let key = match resource {
        Resource::Feed(_) | Resource::Recent => {
            ListQuery::parse(query).map(|list| CacheKey::of(resource, Some(&list)))
        }
        Resource::Analytics => {
            AnalyticsQuery::parse(query, arrival.at).map(|query| Some(CacheKey::of_analytics(&query)))
        }
        Resource::Search => SearchQuery::parse(query).map(|query| Some(CacheKey::of_search(&query))),
        Resource::Echo(id) if cache::is_gone(*id) => Err(gone()),
        _ => Ok(CacheKey::of(resource, None)),
    };
    let key = match key {
        Ok(Some(key)) => key,
        Ok(None) => return bypassed(arrival, resource, query),
        Err(problem) => return arrival.refuse(problem),
    };
    match cache::lookup(&key, arrival.at) {
        Some((entry, Age::Fresh(left))) => hit(&arrival, &entry, left).map(JsValue::from),
        Some((entry, Age::Stale(left))) => {
            let response = hit(&arrival, &entry, left)?;
            refresh_after_the_answer(&arrival, key, &entry);
            Ok(response.into())
        }
        _ => arrival.later(|arrival| missed(arrival, key)),
    }
}

/// Answers a read that is never cached here: another one each time, or one person's.
pub fn bypassed(arrival: Arrival, resource: &Resource, query: Option<&str>) -> Outcome {
    let query = match resource {
        Resource::Timeline(_) => ListQuery::parse_timeline(query).map(|list| Some(list.canonical())),
        Resource::Timelines => TimelinesQuery::parse(query).map(|several| Some(several.canonical())),
        _ => Ok(None),
    };
    let target = match query {
        Ok(Some(query)) => format!("{}?{query}", resource.path()),
        Ok(None) => resource.path(),
        Err(problem) => return arrival.refuse(problem),
    };
    // A random echo is another one each time.
    let common = if matches!(resource, Resource::Random(_)) { Common::Unstored } else { Common::Revalidated };
    arrival.later(move |arrival| async move {
        let config = match arrival.config() {
            Ok(config) => config,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let call = Call::get(target, &arrival.id);
        // A random echo that was deleted here may be another the next time.
        for _ in 0..PICKS {
            match ask_for_what_lives(&call, &config.origin, &arrival, arrival.at).await {
                Ok(Some(answer)) => return pass_on(&arrival, &answer, common, Forwarded::Bypassed).map(Ok),
                Ok(None) => {}
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        // Not 404, which says that there is none: the region has not heard of the deletes yet, or there are others.
        Ok(Err(Refusal::unavailable("only echoes that were just deleted came up", RETRY_AFTER_PICKS_SECONDS)))
    })
}

/// Serves what neither the memory nor a look at the clock could.
async fn missed(arrival: Arrival, key: CacheKey) -> Answered {
    let config = match arrival.config() {
        Ok(config) => config,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let turn = flight::take_turn(&key.text).await;
    let found = find(&key).await?;
    if let Some((entry, age)) = &found
        && let Some(left) = age.servable()
    {
        if let Age::Stale(_) = age {
            refresh_after_the_answer(&arrival, key, entry);
        }
        return hit(&arrival, entry, left).map(Ok);
    }
    let spare = found.map(|(entry, _)| entry);
    // With every region known to be down, nobody is made to wait for three more failures: a probe goes on behind.
    if origin::is_down(&config.origin)
        && let Some((entry, left)) = in_place_of_an_error(&key, spare.as_ref())?
    {
        refresh_after_the_answer(&arrival, key, &entry);
        return hit(&arrival, &entry, left).map(Ok);
    }
    let call = Call::get(key.text.clone(), &arrival.id);
    let answer = match ask_for_what_lives(&call, &config.origin, &arrival, arrival.at).await {
        Ok(Some(answer)) => answer,
        Ok(None) => return Ok(Err(gone().into())),
        Err(refusal) => {
            return match in_place_of_an_error(&key, spare.as_ref())? {
                Some((entry, left)) => hit(&arrival, &entry, left).map(Ok),
                None => Ok(Err(refusal)),
            };
        }
    };
    let stored = store(&arrival, &key, &answer)?;
    drop(turn);
    let forwarded = if stored { Forwarded::Stored } else { Forwarded::Missed };
    let common = if stored { Common::Cached } else { Common::Unstored };
    pass_on(&arrival, &answer, common, forwarded).map(Ok)
}

/// The best that is kept under a key: what is in memory, which another request may have filled meanwhile, else what the data
/// centre holds. What is too old to be served is of use when no region answers.
async fn find(key: &CacheKey) -> Result<Option<(Rc<Entry>, Age)>, JsValue> {
    let in_memory = cache::lookup(key, clock::now());
    if !key.shared || in_memory.as_ref().is_some_and(|(_, age)| age.servable().is_some()) {
        return Ok(in_memory);
    }
    let shared = match cache::find_shared(key).await {
        Some(content) => Some(Rc::new(Entry::new(&content)?)),
        None => None,
    };
    if let Some(entry) = &shared {
        cache::keep(key, entry);
    }
    let now = clock::now();
    let in_memory = cache::lookup(key, now);
    // Memory does not take what is very large, and may hold something newer.
    Ok(match shared {
        Some(entry) if in_memory.as_ref().is_none_or(|(kept, _)| kept.asked_at < entry.asked_at) => {
            let age = cache::age_of(&entry, key.subject, now);
            Some((entry, age))
        }
        _ => in_memory,
    })
}

/// What may be served because no region answers: what memory holds, or the `spare` that it did not take. Echoes deleted
/// here are taken out of a list; nobody is left to ask for another.
fn in_place_of_an_error(key: &CacheKey, spare: Option<&Rc<Entry>>) -> Result<Option<(Rc<Entry>, i64)>, JsValue> {
    let now = clock::now();
    let spare = || spare.map(|entry| (Rc::clone(entry), cache::age_of(entry, key.subject, now)));
    let Some((mut entry, age)) = cache::lookup(key, now).or_else(spare) else { return Ok(None) };
    let Some(left) = age.servable_for_errors() else { return Ok(None) };
    if key.subject.is_list()
        && let Some(rest) = cache::without_gone_echoes(&entry.body_bytes())
    {
        entry = Rc::new(entry.with_rest(rest)?);
        cache::keep(key, &entry);
    }
    // It replaces an error whatever its age, so it is shown as stale.
    Ok(Some((entry, left.min(-1))))
}

fn refresh_after_the_answer(arrival: &Arrival, key: CacheKey, entry: &Rc<Entry>) {
    let Ok(config) = arrival.config() else { return };
    if !entry.begin_refresh(arrival.at) {
        return;
    }
    let (entry, refresher) = (Rc::clone(entry), arrival.clone());
    arrival.context.after_the_answer(async move {
        refresh(&refresher, &key, &config.origin).await;
        entry.end_refresh(clock::now());
    });
}

async fn refresh(arrival: &Arrival, key: &CacheKey, config: &OriginConfig) {
    // Another isolate of this data centre may have fetched it already.
    if key.shared
        && let Some(content) = cache::find_shared(key).await
        && let Ok(entry) = Entry::new(&content)
        && let Age::Fresh(_) = cache::age_of(&entry, key.subject, clock::now())
    {
        return cache::keep(key, &Rc::new(entry));
    }
    let call = Call::get(key.text.clone(), &arrival.id);
    if let Ok(Some(answer)) = ask_for_what_lives(&call, config, arrival, clock::now()).await {
        // A failure has been logged where it happened; the stale copy stays.
        let _ = store(arrival, key, &answer);
    }
}

/// Asks the cores for what an echo deleted here is no part of, although a region may not know yet that it is; `None` where the
/// answer is that echo itself.
async fn ask_for_what_lives(
    call: &Call,
    config: &OriginConfig,
    arrival: &Arrival,
    began: Timestamp,
) -> Result<Option<Answer>, Refusal> {
    let unavailable = |_| Refusal::unavailable("no region answers just now", RETRY_AFTER_SECONDS);
    let nearest = arrival.nearest_regions();
    let answer = origin::ask(call, config, &nearest, began).await.map_err(unavailable)?;
    if answer.status != FOUND || !cache::names_gone_echo(&answer.body) {
        return Ok(Some(answer));
    }
    Ok(cache::without_gone_echoes(&answer.body).map(|rest| answer.with_rest(rest)))
}

fn gone() -> Problem {
    Problem::new(Slug::NotFound, "there is no such echo")
}

/// Keeps an answer in both tiers, or forgets what it says is gone; tells whether it was kept.
fn store(arrival: &Arrival, key: &CacheKey, answer: &Answer) -> Result<bool, JsValue> {
    if matches!(answer.status, 404 | 410) && matches!(key.subject, Subject::Echo(_)) {
        let key = key.clone();
        arrival.context.after_the_answer(async move { cache::forget(&key).await });
        return Ok(false);
    }
    let (FOUND, Some(content_type)) = (answer.status, answer.header(header::CONTENT_TYPE)) else {
        return Ok(false);
    };
    let etag = answer.header(header::ETAG).unwrap_or_default();
    if cache::is_superseded(key.subject, etag, answer.asked_at) {
        return Ok(false);
    }
    let content = Content {
        body: answer.body.clone(),
        content_type: content_type.to_owned(),
        etag: etag.to_owned(),
        region: answer.region_name().to_owned(),
        asked_at: answer.asked_at,
    };
    cache::keep(key, &Rc::new(Entry::new(&content)?));
    if key.shared {
        let key = key.clone();
        arrival.context.after_the_answer(async move { data_centre::put(&key, &content).await });
    }
    Ok(true)
}

/// Remembers what an edit came to: the echo as it is now takes the place of what is cached, and what the caller saw last is
/// forgotten where another version, or none, is there.
pub async fn note_edit(arrival: &Arrival, id: EchoId, answer: &Answer) -> Result<(), JsValue> {
    #[derive(Deserialize)]
    struct Edited {
        version: u64,
        emotion: Emotion,
    }
    let Some(key) = CacheKey::of(&Resource::Echo(id), None) else { return Ok(()) };
    match (answer.status, serde_json::from_slice(&answer.body)) {
        (FOUND, Ok(Edited { version, emotion })) => {
            let [nearest, ..] = arrival.nearest_regions();
            let settles_millis = if answer.region == nearest { 0 } else { REPLICATION_MILLIS };
            cache::note_edited(id, version, emotion, clock::now().plus_millis(settles_millis));
            store(arrival, &key, answer)?;
        }
        (404 | 412, _) => cache::forget(&key).await,
        _ => {}
    }
    Ok(())
}

fn hit(arrival: &Arrival, entry: &Entry, left_seconds: i64) -> Result<Response, JsValue> {
    entry.respond(&arrival.id, left_seconds, arrival.if_none_match().as_deref())
}

/// Gives a core's answer to the caller.
fn pass_on(arrival: &Arrival, answer: &Answer, common: Common, how: Forwarded) -> Result<Response, JsValue> {
    let found = answer.status == FOUND;
    let common = if found { common } else { Common::Unstored };
    let etag = answer.header(header::ETAG);
    let reply = Reply::of(answer, common, arrival)?
        .with(header::CACHE_STATUS, Some(&forwarded(answer.header(header::CACHE_STATUS), how)))?;
    let has_it = |tags: String| etag.is_some_and(|etag| none_match(&tags, etag));
    if found && common != Common::Unstored && arrival.if_none_match().is_some_and(has_it) {
        return reply.send_empty(304);
    }
    reply.send(answer.status, &answer.body)
}
