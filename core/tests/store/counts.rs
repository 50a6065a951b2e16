//! What readers are told of counters, and what a recount finds.

use std::time::Duration;

use echoes_core::pace::{Budget, Pace, Window};
use echoes_core::recount::{Plan, Reading, Recount, recount};
use echoes_core::sinks::analytics::Analytics;
use echoes_core::store::{Addition, Counter, NewItem, Store, Tally};
use echoes_core::stream::{Sequence, ShardId};
use echoes_shared::query::AnalyticsQuery;
use echoes_shared::{Echo, Emotion, IdempotencyKey, NewEcho, Region};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cases::{content, now, user};
use crate::counters::{HERE, SHARD, apply, created, echo};
use crate::engine::Engine;

pub async fn all(engine: &Engine) {
    run! { engine,
        counts_are_absent_until_they_are_known
        counts_are_shown_over_time_and_by_person
        counts_outlast_the_store
        a_recount_finds_what_differs
    }
}

fn to_json(body: &impl Serialize) -> Value {
    serde_json::to_value(body).unwrap()
}

async fn counted(store: &Store, numbers: std::ops::Range<u64>) -> Vec<Echo> {
    let echoes: Vec<_> = numbers.map(|n| echo(n, HERE)).collect();
    let records: Vec<_> = (1..).zip(&echoes).map(|(sequence, echo)| created(sequence, echo)).collect();
    apply(&Analytics::new(store.clone(), HERE), SHARD, &records).await;
    echoes
}

async fn counts_are_absent_until_they_are_known(engine: &Engine) {
    let service = engine.service("unknown").await;
    let emotions = to_json(&service.emotions().await.body);
    assert_eq!(emotions["emotions"].as_array().unwrap().len(), Emotion::ALL.len());
    assert_eq!(emotions["emotions"][0], json!({ "emotion": "happy" }));
    // A person without echoes is known to have none.
    let person = to_json(&service.emotions_of(user("ana")).await.unwrap());
    assert_eq!(person["emotions"][0], json!({ "emotion": "happy", "echoes": 0 }));
    counted(&engine.tables("unknown", HERE.as_str()), 0..3).await;
    let later = engine.service_of("unknown", HERE);
    let read = later.emotions().await;
    assert!(read.from_store);
    assert_eq!(to_json(&read.body)["emotions"][0], json!({ "emotion": "happy", "echoes": 1 }));
    assert_eq!(to_json(&read.body)["emotions"][3], json!({ "emotion": "peaceful", "echoes": 0 }));
    assert!(!later.emotions().await.from_store, "read a moment ago");
}

async fn counts_are_shown_over_time_and_by_person(engine: &Engine) {
    let store = engine.store("shown").await;
    counted(&store, 0..10).await;
    let service = engine.service_of("shown", HERE);
    let buckets = async |query: &str| {
        let query = AnalyticsQuery::parse(Some(query), now()).unwrap();
        to_json(&service.analytics(&query, now()).await.unwrap().body)["buckets"].as_array().unwrap().clone()
    };
    let entry =
        |start: &str, emotion: &str, echoes: u64| json!({ "start": start, "emotion": emotion, "echoes": echoes });
    // Echoes 0 and 7 are of the first hour, 1 and 8 of the next, and 2 to 6 and 9 of the next day.
    let first = [entry("2026-11-22T22:00:00Z", "calm", 1), entry("2026-11-22T22:00:00Z", "happy", 1)];
    assert_eq!(buckets("").await, first);
    let both =
        [first.to_vec(), vec![entry("2026-11-22T23:00:00Z", "calm", 1), entry("2026-11-22T23:00:00Z", "excited", 1)]];
    assert_eq!(buckets("from=2026-11-22&to=2026-11-23").await, both.concat());
    assert_eq!(buckets("from=2026-11-22&to=2026-11-23&emotion=happy").await, first[1..]);
    let days = [
        entry("2026-11-22T00:00:00Z", "calm", 2),
        entry("2026-11-22T00:00:00Z", "excited", 1),
        entry("2026-11-22T00:00:00Z", "happy", 1),
        entry("2026-11-23T00:00:00Z", "calm", 1),
        entry("2026-11-23T00:00:00Z", "excited", 2),
        entry("2026-11-23T00:00:00Z", "happy", 3),
    ];
    assert_eq!(buckets("bucket=day&to=2026-12-31").await, days[..0], "a month that has none");
    assert_eq!(buckets("bucket=day&from=2026-01-01&to=2026-12-31").await, days);
    let person = to_json(&service.emotions_of(user("p0")).await.unwrap());
    let some: Vec<_> = person["emotions"].as_array().unwrap().iter().filter(|entry| entry["echoes"] != 0).collect();
    assert_eq!(some, [&json!({ "emotion": "happy", "echoes": 1 }), &json!({ "emotion": "excited", "echoes": 1 })]);
}

async fn counts_outlast_the_store(engine: &Engine) {
    let store = engine.store("outlast").await;
    counted(&store, 0..3).await;
    // Nobody listens there.
    let nowhere = engine.behind("http://127.0.0.1:1".to_owned()).service_of("outlast", HERE);
    let unknown = to_json(&nowhere.emotions().await.body);
    assert_eq!(unknown["emotions"][0], json!({ "emotion": "happy" }), "it answers without counts");
    let query = AnalyticsQuery::parse(None, now()).unwrap();
    nowhere.analytics(&query, now()).await.unwrap_err();
    nowhere.emotions_of(user("p0")).await.unwrap_err();
}

async fn checked(store: &Store) -> Recount {
    let pace = Pace::new(Budget::unlimited(), Window::new(2, 2), Duration::from_secs(10));
    recount(store, &pace, Plan { region: HERE, segments: 2 }, &Reading::default()).await.unwrap()
}

async fn a_recount_finds_what_differs(engine: &Engine) {
    let store = engine.store("recount").await;
    let mut echoes = Vec::new();
    for n in 0..20 {
        let origin = if n % 4 == 3 { Region::UsEast1 } else { HERE };
        let days_to_live = (n == 4).then_some(1);
        let content = NewEcho { days_to_live, ..content(Emotion::ALL[usize::from(n) % 3]) };
        // Most of them have expired by now, but they lie there, and count.
        let at = now().minus_days(3).plus_millis(u64::from(n));
        let person = user(&format!("p{}", n % 5));
        let new = NewItem::new(person, IdempotencyKey::mint(at, &[n; 10]), content, origin);
        store.create(&new, at).await.unwrap();
        echoes.push(new.echo);
    }
    let missing = checked(&store).await;
    assert_eq!((missing.echoes, missing.differences.is_empty()), (15, false));
    let records: Vec<_> = (1..).zip(&echoes).map(|(sequence, echo)| created(sequence, echo)).collect();
    apply(&Analytics::new(store.clone(), HERE), SHARD, &records).await;
    // What another region counts is its own business.
    let there = engine.tables("recount", Region::UsEast1.as_str());
    apply(&Analytics::new(there, Region::UsEast1), SHARD, &records).await;
    let right = checked(&store).await;
    assert_eq!((right.echoes, right.differences, right.damaged), (15, vec![], 0));
    assert_eq!(right.counters, 1 + 1 + 1 + 5);
    assert!(right.read_units > 0.0);
    let mut sum = Tally::default();
    sum.add_living(Emotion::Sad, 2);
    let (counter, last) = (Counter::Person(user("p1")), Sequence::parse("99").unwrap());
    let wrong =
        Addition { counter: &counter, shard: &ShardId::new("x"), seen: None, sum: &sum, last: &last, now: now() };
    store.add_to_counter(&wrong).await.unwrap().unwrap();
    let found = checked(&store).await.differences;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].to_string(), "person p1, sad: 2 counted, 0 in the table");
}
