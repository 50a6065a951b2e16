//! Hot people: their echoes go to a bucket for each month, and no reader notices.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_core::store::{CreateOutcome, DeleteOutcome, NewItem, Page, Store};
use echoes_core::units;
use echoes_shared::{EchoId, Emotion, IdempotencyKey, Region, Timestamp, UserId};
use futures_util::{StreamExt as _, stream};

use crate::bulk::{self, Copy};
use crate::cases::{content, item, user};
use crate::engine::Engine;

const HOUR_MILLIS: u64 = 3_600_000;
const EMOTIONS: [Emotion; 3] = [Emotion::Happy, Emotion::Calm, Emotion::Sad];

pub async fn all(engine: &Engine) {
    run! { engine,
        five_thousand_echoes_read_in_order_across_the_switch
        a_region_that_does_not_know_the_marker_hides_nothing
        the_first_marker_stays_and_the_earliest_holds
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Creates ana's echoes of these times, many at a time; `late_millis` after their time.
async fn fill(store: &Store, times: impl IntoIterator<Item = Timestamp>, late_millis: u64) -> Vec<EchoId> {
    let create = |(number, time): (usize, Timestamp)| async move {
        let new = item("ana", time, 1, content(EMOTIONS[number % EMOTIONS.len()]));
        let outcome = store.create(&new, time.plus_millis(late_millis)).await.unwrap();
        assert_eq!(outcome, CreateOutcome::Created);
        new.echo.echo_id
    };
    stream::iter(times.into_iter().enumerate()).map(create).buffered(24).collect().await
}

/// The hash keys of ana's items and how many lie under each.
async fn places(engine: &Engine, prefix: &str) -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    let client = engine.client();
    let mut pages =
        client.scan().table_name(format!("{prefix}-echoes")).projection_expression("userId").into_paginator().send();
    while let Some(page) = pages.next().await {
        for item in page.unwrap().items() {
            *places.entry(item["userId"].as_s().unwrap().clone()).or_default() += 1;
        }
    }
    places
}

async fn markers(engine: &Engine, prefix: &str) -> BTreeMap<String, String> {
    let query = engine
        .client()
        .query()
        .table_name(format!("{prefix}-ops"))
        .key_condition_expression("pk = :pk AND begins_with(sk, :marker)")
        .expression_attribute_values(":pk", AttributeValue::S("person#ana".into()))
        .expression_attribute_values(":marker", AttributeValue::S("marker#".into()));
    let items = query.send().await.unwrap().items.unwrap_or_default();
    items.iter().map(|item| (item["sk"].as_s().unwrap().clone(), item["from"].as_s().unwrap().clone())).collect()
}

fn ids(page: &Page) -> Vec<EchoId> {
    page.echoes.iter().map(|echo| echo.echo_id).collect()
}

/// Follows a timeline from a cursor for so many pages.
async fn pages(
    read: impl AsyncFn(Option<EchoId>) -> Page,
    mut after: Option<EchoId>,
    most: usize,
) -> (Vec<EchoId>, Option<EchoId>) {
    let mut found = Vec::new();
    for _ in 0..most {
        let page = read(after).await;
        assert!(!page.echoes.is_empty(), "an empty page after {after:?}");
        found.extend(ids(&page));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    (found, after)
}

/// The copy of one of ana's echoes, where the store would put it.
fn copy(number: usize, time: Timestamp, from: Option<&str>) -> Copy {
    let emotion = EMOTIONS[number % EMOTIONS.len()];
    let id = item("ana", time, 1, content(emotion)).echo.echo_id;
    let month = time.month().compact();
    let hash = if from.is_some_and(|from| *month >= *from) { format!("ana#{month}") } else { "ana".to_owned() };
    Copy { id, emotion, hash }
}

/// 5,000 echoes over fourteen months, an hour or so apart.
fn fourteen_months() -> Vec<Timestamp> {
    let (first, last) = (at("2025-10-01T00:00:00.000Z"), at("2026-11-30T23:59:00.000Z"));
    let step = last.millis_since(first) / 4_999;
    (0..5_000).map(|number| first.plus_millis(number * step)).collect()
}

async fn five_thousand_echoes_read_in_order_across_the_switch(engine: &Engine) {
    let store = engine.store("hot").await;
    let mut all = Vec::new();
    let mut template = None;
    // By the fifth of a month, so that the count is known when the next begins. Every key is 23 hours old when it is used.
    for times in fourteen_months().chunks(71) {
        let (created, copied) = times.split_at(2);
        all.extend(fill(&store, created.iter().copied(), 23 * HOUR_MILLIS).await);
        if template.is_none() {
            template = Some(bulk::any_item(engine, "hot-echoes").await);
        }
        let from = markers(engine, "hot").await.into_values().next();
        let copies: Vec<_> =
            copied.iter().enumerate().map(|(number, time)| copy(number, *time, from.as_deref())).collect();
        bulk::write(engine, "hot-echoes", template.as_ref().unwrap(), &copies).await;
        for Copy { id, .. } in copies {
            store.count_created(&user("ana"), id, id.timestamp()).await.unwrap();
            all.push(id);
        }
        store.settled().await;
    }
    all.reverse();
    let marker = markers(engine, "hot").await;
    let from = marker["marker#eu-west-1"].clone();
    assert!(("202601"..="202603").contains(&from.as_str()), "about 1,000 after three months: {marker:?}");
    let places = places(engine, "hot").await;
    assert!(places.len() >= 9 && places["ana"] < 2_000, "{places:?}");
    assert!(places.keys().skip(1).all(|hash| hash[4..] >= from[..]), "{places:?}");

    let now = at("2026-12-01T22:59:00.000Z");
    let switch = all.iter().position(|id| id.timestamp().month().compact() < from).unwrap();
    walks_of_every_size(&store, &all, switch, now).await;
    walks_by_emotion(&store, &all, switch, now).await;
    a_walk_with_a_writer(&store, &all, now).await;
    pages_cost_little(&store, &all, now).await;

    // A delete finds its echo in the bucket.
    let newest = fill(&store, [all[0].timestamp().plus_millis(5)], 0).await[0];
    let first = async || ids(&store.timeline(&user("ana"), 1, None, now).await.unwrap());
    assert_eq!(first().await, [newest]);
    assert_eq!(store.delete(&user("ana"), newest, false, now).await.unwrap(), DeleteOutcome::Gone);
    assert_eq!(first().await, all[..1]);
    assert_eq!(store.echo(newest, now).await.unwrap(), None);
}

async fn walks_of_every_size(store: &Store, all: &[EchoId], switch: usize, now: Timestamp) {
    let ana = user("ana");
    let read = |limit| async move |after| store.timeline(&user("ana"), limit, after, now).await.unwrap();
    for limit in [100, 37] {
        let (found, end) = pages(read(limit), None, usize::MAX).await;
        assert_eq!((found.as_slice(), end), (all, None), "limit {limit}");
    }
    // Every size, over the switch itself or over the turn of a bucket's month.
    let turn = all.windows(2).position(|pair| pair[0].timestamp().month() != pair[1].timestamp().month()).unwrap();
    for limit in 1..=100_usize {
        let middle = if limit % 4 == 0 { turn + 1 } else { switch };
        let begin = middle.saturating_sub(limit.div_ceil(2));
        let after = begin.checked_sub(1).map(|before| all[before]);
        let (found, next) = pages(read(limit), after, 2).await;
        assert_eq!(found, all[begin..begin + 2 * limit], "limit {limit} from {begin}");
        assert_eq!(next, found.last().copied());
    }
    // What is not there ends at once.
    let page = store.timeline(&ana, 20, all.last().copied(), now).await.unwrap();
    assert_eq!(page, Page::default());
}

async fn walks_by_emotion(store: &Store, all: &[EchoId], switch: usize, now: Timestamp) {
    let mine = user("ana");
    let happy = |limit| {
        let mine = mine.clone();
        async move |after| store.timeline_of_emotion(&mine, Emotion::Happy, limit, after, now).await.unwrap()
    };
    let (expected, end) = pages(happy(100), None, usize::MAX).await;
    assert_eq!(end, None);
    assert!(expected.windows(2).all(|pair| pair[0] > pair[1]), "newest first");
    assert!(expected.len() > 1_600 && expected.iter().all(|id| all.contains(id)), "{}", expected.len());
    let middle = expected.iter().position(|id| *id < all[switch]).unwrap();
    for limit in [1, 10, 64] {
        let begin = middle - limit;
        let (found, _) = pages(happy(limit), Some(expected[begin - 1]), 2).await;
        assert_eq!(found, expected[begin..begin + 2 * limit], "limit {limit}");
    }
}

async fn a_walk_with_a_writer(store: &Store, all: &[EchoId], now: Timestamp) {
    // Keys may be a day old, so new echoes appear above the walk and in its first pages.
    let newest = all[0].timestamp();
    let times = (0..50).map(move |number| newest.minus_millis(number * HOUR_MILLIS / 3).plus_millis(1));
    let writes = async { fill(store, times, 0).await.into_iter().collect::<BTreeSet<_>>() };
    let read = async |after| store.timeline(&user("ana"), 10, after, now).await.unwrap();
    let ((found, _), written) = tokio::join!(pages(read, None, 30), writes);
    assert!(found.windows(2).all(|pair| pair[0] > pair[1]), "nothing twice");
    let existed: Vec<_> = found.iter().copied().filter(|id| !written.contains(id)).collect();
    assert_eq!(existed, all[..existed.len()], "nothing skipped");
    for id in written {
        assert_eq!(store.delete(&user("ana"), id, false, now).await.unwrap(), DeleteOutcome::Gone);
    }
}

async fn pages_cost_little(store: &Store, all: &[EchoId], now: Timestamp) {
    // 20 echoes of some 500 bytes are 2 units; the base is looked into for strays, at half a unit a page.
    let (page, spent) = units::counted(store.timeline(&user("ana"), 20, Some(all[500]), now)).await;
    assert_eq!(page.unwrap().echoes.len(), 20);
    assert!(spent.read <= 2.5, "{spent}");
    // Nine buckets lie above this cursor and none of them is read.
    let (page, spent) = units::counted(store.timeline(&user("ana"), 20, all.get(4_500).copied(), now)).await;
    assert_eq!(page.unwrap().echoes.len(), 20);
    assert!(spent.read <= 2.0, "{spent}");
}

/// A marker as a region writes it.
pub async fn put_marker(engine: &Engine, prefix: &str, region: &str, from: &str) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = engine.client().put_item().table_name(format!("{prefix}-ops"));
    let put = put.item("pk", text("person#ana")).item("sk", text(&format!("marker#{region}")));
    put.item("from", text(from)).send().await.unwrap();
}

async fn a_region_that_does_not_know_the_marker_hides_nothing(engine: &Engine) {
    let home = engine.store("lag").await;
    engine.store("lag-behind").await;
    // The same echoes, but none of the markers: a region cut off for longer than a marker's notice.
    let behind = engine.tables_apart("lag", "lag-behind", "us-west-2");
    put_marker(engine, "lag", "eu-west-1", "202611").await;
    let times = |start: &str, seconds: u64| {
        let start = at(start);
        (0..40).map(move |number| start.plus_millis((number * 7_200 + seconds) * 1_000)).collect::<Vec<_>>()
    };
    // Both write over the turn of the month, ids up to a day old.
    let mut all = fill(&home, times("2026-10-30T00:00:00.000Z", 0), 20 * HOUR_MILLIS).await;
    all.extend(fill(&behind, times("2026-10-30T00:00:00.000Z", 60), 20 * HOUR_MILLIS).await);
    // A retry reaches the other region: two copies of one echo.
    let retried = NewItem::new(
        user("ana"),
        IdempotencyKey::mint(at("2026-11-02T12:00:00.000Z"), &[9; 10]),
        content(Emotion::Happy),
        Region::EuWest1,
    );
    let now = at("2026-11-03T00:00:00.000Z");
    for store in [&behind, &home] {
        assert_eq!(store.create(&retried, now).await.unwrap(), CreateOutcome::Created);
    }
    all.push(retried.echo.echo_id);
    all.sort_unstable_by(|a, b| b.cmp(a));
    let places = places(engine, "lag").await;
    assert_eq!(places.keys().collect::<Vec<_>>(), ["ana", "ana#202611"], "{places:?}");
    assert_eq!(places.values().sum::<usize>(), all.len() + 1);

    // A reader that knows the marker finds what strayed, in the other region too once the marker is there.
    let healed = engine.tables("lag", "us-west-2");
    for reader in [&home, &healed] {
        for limit in [1, 3, 20, 100] {
            let read = async |after| reader.timeline(&user("ana"), limit, after, now).await.unwrap();
            assert_eq!(pages(read, None, usize::MAX).await.0, all, "limit {limit}");
        }
        let happy =
            async |after| reader.timeline_of_emotion(&user("ana"), Emotion::Happy, 7, after, now).await.unwrap();
        let found = pages(happy, None, usize::MAX).await.0;
        let feed = async |after| reader.feed(Emotion::Happy, 7, after, now).await.unwrap();
        assert_eq!(pages(feed, None, usize::MAX).await.0, found, "a copy shows once");
        assert!(found.windows(2).all(|pair| pair[0] > pair[1]) && found.contains(&retried.echo.echo_id));
    }
}

async fn the_first_marker_stays_and_the_earliest_holds(engine: &Engine) {
    let store = engine.store("marker").await;
    let now = at("2026-11-10T00:00:00.000Z");
    let ana: UserId = user("ana");
    // Counted in one region alone, up to the threshold and over it.
    let numbered = |number: u64| item("ana", now.plus_millis(number), 1, content(Emotion::Happy)).echo.echo_id;
    for number in 0..1_300 {
        store.count_created(&ana, numbered(number), now).await.unwrap();
    }
    assert_eq!(markers(engine, "marker").await, [("marker#eu-west-1".to_owned(), "202612".to_owned())].into());
    for number in 0..200 {
        store.count_created(&ana, numbered(number), now.plus_days(60)).await.unwrap();
    }
    assert_eq!(markers(engine, "marker").await["marker#eu-west-1"], "202612", "it never moves");
    // Another region's later marker changes nothing, an earlier one holds.
    put_marker(engine, "marker", "us-east-1", "202701").await;
    let december = item("ana", at("2026-12-05T00:00:00.000Z"), 1, content(Emotion::Happy));
    store.create(&december, at("2026-12-05T00:00:00.000Z")).await.unwrap();
    put_marker(engine, "marker", "us-east-1", "202611").await;
    let november = item("ana", at("2026-11-30T23:00:00.000Z"), 1, content(Emotion::Happy));
    store.create(&november, at("2026-12-05T12:00:00.000Z")).await.unwrap();
    let places = places(engine, "marker").await;
    assert_eq!(places.keys().collect::<Vec<_>>(), ["ana#202611", "ana#202612"], "{places:?}");
}
