//! A process shows what it has written at once, whatever its caches held before.

use std::sync::Mutex;
use std::time::Duration;

use echoes_core::cache::{Cache, CacheConfig, Change, Lifetimes};
use echoes_core::metrics::Metrics;
use echoes_core::service::{Batch, List, Service, ServiceError, Step};
use echoes_core::store::Gone;
use echoes_shared::query::{ListQuery, TimelinesQuery};
use echoes_shared::{EchoId, Emotion, IdempotencyKey, Region, UserId};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::proxy;

pub async fn all(engine: &Engine) {
    every_write_is_seen_by_the_next_read(engine).await;
    writes_that_fail_leave_what_outlasts_the_store(engine).await;
    what_a_writer_finds_changed_is_looked_up_again(engine).await;
    what_others_delete_is_not_drawn(engine).await;
    a_tombstone_tells_which_feed_lost_it(engine).await;
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
    let service = engine.service_behind(memory(), "told", Region::EuWest1);
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

/// A way to the engine that can be cut: then nobody listens.
struct Cable {
    engine: Engine,
    task: tokio::task::JoinHandle<()>,
}

impl Cable {
    async fn to(engine: &Engine) -> Self {
        let backend = engine.endpoint().strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let mut passing = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let backend = backend.clone();
                passing.spawn(async move {
                    let mut server = TcpStream::connect(backend).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { engine: engine.behind(endpoint), task }
    }

    async fn cut(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

fn memory() -> Cache {
    let memory = CacheConfig { memory_bytes: 1 << 20, redis: None, memcached: None };
    Cache::new(&memory, Region::EuWest1, Lifetimes::default(), Metrics::new().unwrap())
}

async fn created(service: &Service, seed: u8) -> EchoId {
    let key = IdempotencyKey::mint(now(), &[seed; 10]);
    let ana: UserId = "ana".parse().unwrap();
    service.create(ana, key, br#"{"emotion":"happy"}"#, now()).await.unwrap().echo.echo_id
}

async fn writes_that_fail_leave_what_outlasts_the_store(engine: &Engine) {
    engine.store("outage").await;
    let cable = Cable::to(engine).await;
    let cache = memory();
    let service = cable.engine.service_behind(cache.clone(), "outage", Region::EuWest1);
    let hanging = cable.engine.behind(proxy::hanging_for(cable.engine.endpoint(), "UpdateItem").await);
    let hanging = hanging.service_behind(cache, "outage", Region::EuWest1);
    let ana: UserId = "ana".parse().unwrap();
    let id = created(&service, 1).await;
    assert_eq!(lists(&service).await, std::array::from_fn(|_| vec![id]));
    let body = br#"{"transcript":"changed"}"#;
    let edit = hanging.edit(&ana, id, 1, body, false, now());
    assert!(tokio::time::timeout(Duration::from_millis(300), edit).await.is_err());
    let list = service.feed(Emotion::Happy, &ListQuery::default(), now()).await.unwrap();
    assert_eq!(list.trail.steps().first(), Some(&Step::Store), "whether it was edited nobody knows");
    assert_eq!(service.echo(id, now()).await.unwrap().etag, "\"1\"");

    let edit = hanging.edit(&ana, id, 1, body, false, now());
    assert!(tokio::time::timeout(Duration::from_millis(300), edit).await.is_err());
    cable.cut().await;
    assert!(service.edit(&ana, id, 1, body, false, now()).await.is_err());
    let key = IdempotencyKey::mint(now(), &[2; 10]);
    assert!(service.create(ana.clone(), key, br#"{"emotion":"happy"}"#, now()).await.is_err());
    assert!(service.delete(&ana, id, false, now()).await.is_err());
    assert_eq!(lists(&service).await, std::array::from_fn(|_| vec![id]));
    assert_eq!(service.echo(id, now()).await.unwrap().etag, "\"1\"");
}

async fn what_a_writer_finds_changed_is_looked_up_again(engine: &Engine) {
    engine.store("proof").await;
    let [here, there] = [(); 2].map(|()| engine.service_behind(memory(), "proof", Region::EuWest1));
    let ana: UserId = "ana".parse().unwrap();
    let id = created(&here, 1).await;
    assert_eq!(here.echo(id, now()).await.unwrap().etag, "\"1\"");
    there.edit(&ana, id, 1, br#"{"transcript":"changed"}"#, false, now()).await.unwrap();
    assert_eq!(here.echo(id, now()).await.unwrap().etag, "\"1\"", "nobody told it");
    assert!(here.edit(&ana, id, 1, br#"{"transcript":"other"}"#, false, now()).await.is_err());
    assert_eq!(here.echo(id, now()).await.unwrap().etag, "\"2\"");

    assert_eq!(lists(&here).await, std::array::from_fn(|_| vec![id]));
    there.delete(&ana, id, false, now()).await.unwrap();
    let key = IdempotencyKey::mint(id.timestamp(), &[1; 10]);
    assert_eq!(EchoId::derive(&ana, key), id);
    assert!(here.create(ana, key, br#"{"emotion":"happy"}"#, now()).await.is_err(), "it has been deleted");
    assert_eq!(lists(&here).await, [const { Vec::new() }; 5]);
}

async fn what_others_delete_is_not_drawn(engine: &Engine) {
    engine.store("drawn").await;
    let cache = memory();
    let service = engine.service_behind(cache.clone(), "drawn", Region::EuWest1);
    let [gone, lives] = [created(&service, 1).await, created(&service, 2).await];
    let forget = |echo| {
        let change = Change { user: "ana".parse().unwrap(), echo, emotion: Some(Emotion::Happy), gone: true };
        cache.forget(&[change]);
    };
    service.random(Emotion::Happy, now()).await.unwrap();
    forget(gone);
    for _ in 0..20 {
        assert_eq!(service.random(Emotion::Happy, now()).await.unwrap().echo.echo_id, lives);
    }
    forget(lives);
    assert!(matches!(service.random(Emotion::Happy, now()).await, Err(ServiceError::Problem(_))));
}

async fn a_tombstone_tells_which_feed_lost_it(engine: &Engine) {
    let store = engine.store("was").await;
    let id = created(&engine.service_of("was", Region::EuWest1), 1).await;
    let told = Mutex::new(Vec::new());
    let ana: UserId = "ana".parse().unwrap();
    for _ in 0..2 {
        let tell = |gone: Gone| told.lock().unwrap().push((gone.emotion, gone.stands));
        store.delete_telling(&ana, id, false, now(), tell).await.unwrap();
    }
    let happy = Some(Emotion::Happy);
    assert_eq!(told.into_inner().unwrap(), [(happy, false), (happy, true), (happy, true)]);
}
