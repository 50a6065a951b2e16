//! A process shows what it has written at once, whatever its caches held before.

use std::time::Duration;

use echoes_core::cache::{Cache, CacheConfig, Lifetimes};
use echoes_core::metrics::Metrics;
use echoes_core::service::{Batch, List, Service};
use echoes_shared::query::{ListQuery, TimelinesQuery};
use echoes_shared::{EchoId, Emotion, IdempotencyKey, Region, UserId};
use serde_json::{Value, json};

use crate::engine::Engine;

pub async fn all(engine: &Engine) {
    every_write_is_seen_by_the_next_read(engine).await;
}

fn now() -> echoes_shared::Timestamp {
    echoes_core::clock::now()
}

fn ids(list: &List) -> Vec<EchoId> {
    let body: Value = serde_json::from_slice(&[&list.page.head[..], &list.page.tail[..]].concat()).unwrap();
    let echoes = body["echoes"].as_array().unwrap().clone();
    echoes.iter().map(|echo| echo["echoId"].as_str().unwrap().parse().unwrap()).collect()
}

/// What every list that could hold an echo of ana and happy shows.
async fn lists(service: &Service) -> [Vec<EchoId>; 5] {
    let ana: UserId = "ana".parse().unwrap();
    let every = ListQuery::default();
    let happy = ListQuery { emotion: Some(Emotion::Happy), ..ListQuery::default() };
    let several = TimelinesQuery::parse(Some("users=ana")).unwrap();
    let several = service.timelines(several, now(), Duration::from_secs(60)).await.unwrap();
    [
        ids(&service.feed(Emotion::Happy, &every, now()).await.unwrap()),
        ids(&service.recent(&every, now()).await.unwrap()),
        ids(&service.timeline(ana.clone(), &every, now()).await.unwrap()),
        ids(&service.timeline(ana, &happy, now()).await.unwrap()),
        ids(&several.read[0].1),
    ]
}

async fn every_write_is_seen_by_the_next_read(engine: &Engine) {
    engine.store("told").await;
    let memory = CacheConfig { memory_bytes: 1 << 20, redis: None, memcached: None };
    let cache = Cache::new(&memory, Region::EuWest1, Lifetimes::default(), Metrics::new().unwrap());
    let service = engine.service_behind(cache, "told", Region::EuWest1);
    let ana: UserId = "ana".parse().unwrap();
    assert_eq!(lists(&service).await, [const { Vec::new() }; 5]);

    let key = |seed| IdempotencyKey::mint(now(), &[seed; 10]);
    let first_key = key(1);
    let id = EchoId::derive(&ana, first_key);
    assert!(service.echo(id, now()).await.is_err(), "its absence is known now");
    service.create(ana.clone(), first_key, br#"{"emotion":"happy"}"#, now()).await.unwrap();
    assert_eq!(lists(&service).await, std::array::from_fn(|_| vec![id]));
    assert_eq!(service.echo(id, now()).await.unwrap().etag, "\"1\"");

    service.edit(&ana, id, 1, br#"{"transcript":"changed"}"#, false, now()).await.unwrap();
    let shown = service.echo(id, now()).await.unwrap();
    assert_eq!(shown.etag, "\"2\"");
    assert!(String::from_utf8_lossy(&shown.body).contains("changed"));
    let feed = service.feed(Emotion::Happy, &ListQuery::default(), now()).await.unwrap();
    assert!(String::from_utf8_lossy(&feed.page.head).contains("changed"));

    let operations: Vec<_> = (2..4)
        .map(|seed| json!({ "op": "create", "key": key(seed).to_string(), "echo": { "emotion": "happy" } }))
        .chain([json!({ "op": "delete", "echoId": id.to_string() })])
        .collect();
    let body = json!({ "operations": operations }).to_string();
    let deadline = Duration::from_secs(60);
    let batch = Batch { user: &ana, body: body.as_bytes(), fallback: false, now: now(), deadline };
    service.batch(batch, || unreachable!()).await.unwrap();
    for list in lists(&service).await {
        assert_eq!((list.len(), list.contains(&id)), (2, false));
    }
    assert!(service.echo(id, now()).await.is_err());
}
