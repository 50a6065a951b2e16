//! What the timelines of several people promise, whatever the engine.

use std::time::Duration;

use echoes_core::service::{Batch, List, ServiceError, StoreError};
use echoes_shared::query::{ListQuery, TimelinesQuery};
use echoes_shared::{Region, Slug, Timestamp, UserId};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::proxy;

/// For what hangs: time enough for the rest.
const SHORT: Duration = Duration::from_secs(3);
/// A debug build on a busy machine takes its time.
const PATIENT: Duration = Duration::from_secs(60);

pub async fn all(engine: &Engine) {
    each_has_a_page_and_the_order_is_kept(engine).await;
    one_that_hangs_is_named_and_the_others_are_served(engine).await;
}

fn now() -> Timestamp {
    "2026-11-22T22:59:53.372Z".parse().unwrap()
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn query(text: &str) -> TimelinesQuery {
    TimelinesQuery::parse(Some(text)).unwrap()
}

fn names<T>(people: &[(UserId, T)]) -> Vec<&str> {
    people.iter().map(|(user, _)| user.as_str()).collect()
}

fn body(list: &List) -> Value {
    serde_json::from_slice(&[&list.page.head[..], &list.page.tail[..]].concat()).unwrap()
}

async fn create(engine: &Engine, prefix: &str, name: &str, count: u8) {
    let operations: Vec<_> = (0..count)
        .map(|nth| {
            let key = echoes_shared::IdempotencyKey::mint(now().minus_millis(u64::from(nth)), &[nth; 10]);
            json!({ "op": "create", "key": key.to_string(), "echo": { "emotion": "calm" } })
        })
        .collect();
    let body = json!({ "operations": operations }).to_string();
    let service = engine.service_of(prefix, Region::EuWest1);
    let user = user(name);
    let batch = Batch { user: &user, body: body.as_bytes(), fallback: false, now: now(), deadline: PATIENT };
    service.batch(batch, || unreachable!()).await.unwrap();
}

async fn each_has_a_page_and_the_order_is_kept(engine: &Engine) {
    let service = engine.service("timelines").await;
    create(engine, "timelines", "ana", 5).await;
    create(engine, "timelines", "ben", 2).await;
    let several = service.timelines(query("users=nobody,ben,ana&limit=2"), now(), PATIENT).await.unwrap();
    assert_eq!((names(&several.read), several.failed.len()), (vec!["nobody", "ben", "ana"], 0));
    let lists: Vec<_> = several.read.iter().map(|(_, list)| body(list)).collect();
    assert_eq!(lists[0], json!({ "echoes": [] }));
    assert!(lists[1]["echoes"].as_array().unwrap().len() == 2 && lists[1].get("nextCursor").is_none());
    let alone = service.timeline(user("ana"), &ListQuery { limit: 2, ..ListQuery::default() }, now()).await.unwrap();
    assert_eq!(lists[2], body(&alone), "the same page as that person's own timeline, cursor and all");
    let cursor = lists[2]["nextCursor"].as_str().map(str::to_owned);
    let rest = ListQuery { cursor, ..ListQuery::default() };
    let rest = body(&service.timeline(user("ana"), &rest, now()).await.unwrap());
    assert_eq!(rest["echoes"].as_array().unwrap().len(), 3);

    let people: Vec<_> = (0..49).map(|nth| format!("nobody-{nth}")).chain(["ana".to_owned()]).collect();
    let several = service.timelines(query(&format!("users={}", people.join(","))), now(), PATIENT).await.unwrap();
    assert_eq!((names(&several.read), several.failed.len()), (people.iter().map(String::as_str).collect(), 0));
}

async fn one_that_hangs_is_named_and_the_others_are_served(engine: &Engine) {
    engine.store("timelines-hang").await;
    for name in ["ana", "ben", "cyd"] {
        create(engine, "timelines-hang", name, 1).await;
    }
    let hanging = engine.behind(proxy::hanging_for(engine.endpoint(), "\"ben\"").await);
    let service = hanging.service_of("timelines-hang", Region::EuWest1);
    let several = service.timelines(query("users=ana,ben,cyd"), now(), SHORT).await.unwrap();
    assert_eq!((names(&several.read), names(&several.failed)), (vec!["ana", "cyd"], vec!["ben"]));
    assert!(several.read.iter().all(|(_, list)| body(list)["echoes"].as_array().unwrap().len() == 1));
    match service.timelines(query("users=ben"), now(), SHORT).await {
        Err(ServiceError::Problem(problem)) => assert_eq!(problem.slug, Slug::Unavailable),
        // The load was given up before that.
        Err(ServiceError::Store(StoreError::Unreachable { .. })) => {}
        other => panic!("{other:?}"),
    }
}
