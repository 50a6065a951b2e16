//! `echoes serve` while the table grants no write for half a minute. Only `make soak` has the time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::Bytes;
use axum::http::{HeaderMap, Request};
use echoes_core::clock;
use echoes_shared::policy::REQUEST_DEADLINE_MILLIS;
use echoes_shared::sigv4::keys::EdgeKey;
use echoes_shared::sigv4::sign::{Call, signature_headers};
use echoes_shared::{EchoId, IdempotencyKey, Region, keys, wire};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::watch;

use crate::front::Mood;
use crate::soak;
use crate::world::World;

const THROTTLED: Duration = Duration::from_secs(30);
/// Time in which everything is granted, before and after.
const GRANTED: Duration = Duration::from_secs(3);
/// What a busy machine may add to an answer.
const SLACK: Duration = Duration::from_millis(500);
const WRITERS: usize = 4;
/// Between two calls of one writer: it is about what is answered, not about load.
const PAUSE: Duration = Duration::from_millis(100);
const CONTENT: &str = r#"{"emotion":"calm","transcript":"before"}"#;
const EDIT: &str = r#"{"transcript":"after"}"#;

/// A running core and the way to it.
struct Core {
    origin: String,
    client: Client<HttpConnector, Full<Bytes>>,
    _process: Child,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    took: Duration,
}

/// What a writer knows of one echo: the statuses of its create, its edit and its delete.
struct Known {
    key: IdempotencyKey,
    statuses: [u16; 3],
}

impl Core {
    async fn before(world: &World) -> Self {
        let port = async || TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        let (listen, admin) = (port().await, port().await);
        let mut command = world.command("one", &["serve"]);
        command.env("ECHOES_LISTEN", &listen).env("ECHOES_ADMIN_LISTEN", admin).env("RUST_LOG", "off");
        command.env("ECHOES_EDGE_KEYS", "EDGE1:a-secret").env("ECHOES_AUDIO_BUCKET", "echoes-audio");
        command.env("ECHOES_CURSOR_KEYS", "k1:a-secret-of-sixteen-or-more");
        let client = Client::builder(TokioExecutor::new()).build_http();
        let core = Self { origin: format!("http://{listen}"), client, _process: command.spawn().unwrap() };
        let mut poll = tokio::time::interval(PAUSE);
        let begun = Instant::now();
        while core.try_call("GET", "/v1/echoes/recent", &[], "").await.is_none_or(|answer| answer.status != 200) {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not serve");
            poll.tick().await;
        }
        core
    }

    async fn try_call(&self, method: &str, target: &str, own: &[(&str, &str)], body: &str) -> Option<Answer> {
        let url = format!("{}{target}", self.origin);
        let own = [&[(wire::CORE_USER, "ana")], own].concat();
        let call = Call { method, url: &url, headers: &own, body: body.as_bytes() };
        let key = EdgeKey::new("EDGE1", "a-secret").unwrap();
        let signature = signature_headers(call, &key, Region::EuWest1, clock::now()).unwrap();
        let mut request = Request::builder().method(method).uri(&url).header("content-type", "application/json");
        for (name, value) in own.into_iter().chain(signature.iter().map(|(name, value)| (&**name, &**value))) {
            request = request.header(name, value);
        }
        let begun = Instant::now();
        let response = self.client.request(request.body(Full::new(body.to_owned().into())).unwrap()).await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some(Answer { status, headers, body, took: begun.elapsed() })
    }

    /// An answer in time, and where it is 503 one that says when to come back.
    async fn call(&self, method: &str, target: &str, own: &[(&str, &str)], body: &str) -> u16 {
        let answer = self.try_call(method, target, own, body).await.expect("an answer");
        let deadline = Duration::from_millis(REQUEST_DEADLINE_MILLIS) + SLACK;
        assert!(answer.took < deadline, "{method} took {:?}", answer.took);
        if answer.status == 503 {
            let seconds = answer.headers.get("retry-after").expect("Retry-After").to_str().unwrap();
            assert!(seconds.parse::<u32>().is_ok(), "{seconds}");
            let problem: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(problem["detail"], "the store is at its limit");
        }
        answer.status
    }

    async fn create(&self, key: IdempotencyKey) -> u16 {
        self.call("POST", "/v1/echoes", &[(wire::IDEMPOTENCY_KEY, &key.to_string())], CONTENT).await
    }

    async fn edit(&self, id: EchoId) -> u16 {
        self.call("PATCH", &format!("/v1/echoes/{id}"), &[(wire::IF_MATCH, "\"1\"")], EDIT).await
    }

    async fn delete(&self, id: EchoId) -> u16 {
        self.call("DELETE", &format!("/v1/echoes/{id}"), &[], "").await
    }

    /// Creates, edits and deletes until it is told to stop; what is refused is left as it is.
    async fn write(&self, stop: watch::Receiver<bool>) -> Vec<Known> {
        let mut known = Vec::new();
        while !*stop.borrow() {
            let key = IdempotencyKey::mint(clock::now(), &rand::random());
            let mut statuses = [self.create(key).await, 0, 0];
            let id = id_of(key);
            tokio::time::sleep(PAUSE).await;
            // What was created is edited, and half of it deleted. What was refused is asked for all the same.
            statuses[1] = self.edit(id).await;
            tokio::time::sleep(PAUSE).await;
            if known.len() % 2 == 0 {
                statuses[2] = self.delete(id).await;
            }
            known.push(Known { key, statuses });
        }
        known
    }

    /// Reads until it is told to stop; how often.
    async fn read(&self, stop: watch::Receiver<bool>) -> usize {
        let mut count = 0;
        while !*stop.borrow() {
            for target in ["/v1/emotions/calm/echoes", "/v1/echoes/recent", "/v1/users/ana/echoes"] {
                assert_eq!(self.call("GET", target, &[], "").await, 200, "{target}");
                count += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
        count
    }
}

fn id_of(key: IdempotencyKey) -> EchoId {
    EchoId::derive(&"ana".parse().unwrap(), key)
}

/// What lies in a table, by one of its attributes.
async fn items(world: &World, table: &str, name: &str) -> BTreeMap<String, BTreeMap<String, AttributeValue>> {
    let mut pages = world.engine().scan().table_name(table).into_paginator().items().send();
    let mut items = BTreeMap::new();
    while let Some(item) = pages.next().await {
        let item: BTreeMap<_, _> = item.unwrap().into_iter().collect();
        items.insert(item[name].as_s().unwrap().clone(), item);
    }
    items
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttled_for_half_a_minute() {
    if soak::asked_for().is_none() {
        println!("not now: it takes a minute, and `make soak` runs it");
        return;
    }
    let world = World::with(&["one"]).await;
    let core = Core::before(&world).await;
    let (stop, stopped) = watch::channel(false);
    let weather = async {
        tokio::time::sleep(GRANTED).await;
        world.front.set(Mood::Refusing);
        tokio::time::sleep(THROTTLED).await;
        println!("{} calls were refused", world.front.refused());
        world.front.set(Mood::Granting);
        tokio::time::sleep(GRANTED).await;
        stop.send_replace(true);
    };
    let writers = std::array::from_fn::<_, WRITERS, _>(|_| core.write(stopped.clone()));
    let (writers, reads, ()) =
        tokio::join!(futures_util::future::join_all(writers), core.read(stopped.clone()), weather);
    let known: Vec<Known> = writers.into_iter().flatten().collect();
    check_what_was_answered(&known, reads);
    check_what_is_stored(&world, &known).await;
    finish(&core, &known).await;
    let living = known.iter().enumerate().filter(|(_, known)| known.statuses[2] == 0).count();
    let items = items(&world, "one-echoes", "timestamp").await;
    assert_eq!(items.values().filter(|item| !item.contains_key("deletedAt")).count(), living);
    let guards = self::items(&world, "one-local", "sk").await;
    let guarded: BTreeSet<_> =
        guards.keys().filter_map(|key| keys::of_tombstone_key(key)).map(|(_, _, id)| keys::sort_key(id)).collect();
    let graves = items.iter().filter(|(_, item)| item.contains_key("deletedAt"));
    assert_eq!(guarded, graves.map(|(key, _)| key.clone()).collect(), "every delete is guarded");
}

fn check_what_was_answered(known: &[Known], reads: usize) {
    let count = |at: usize, status| known.iter().filter(|known| known.statuses[at] == status).count();
    let [created, refused] = [201, 503].map(|status| count(0, status));
    println!("{created} creates, {refused} refused, {reads} reads");
    assert_eq!(created + refused, known.len(), "201 or 503 and nothing else");
    assert!(created > 2 * WRITERS && refused > 20 * WRITERS && reads > 100);
    for known in known {
        // An echo that was not created is not found where the look at it is granted.
        let expected: &[u16] = if known.statuses[0] == 201 { &[200, 503] } else { &[404, 503] };
        assert!(expected.contains(&known.statuses[1]), "{:?}", known.statuses);
        let expected: &[u16] = if known.statuses[0] == 201 { &[0, 204, 503] } else { &[0, 404, 503] };
        assert!(expected.contains(&known.statuses[2]), "{:?}", known.statuses);
    }
}

/// What was granted is stored whole, and what was refused not at all.
async fn check_what_is_stored(world: &World, known: &[Known]) {
    let items = items(world, "one-echoes", "timestamp").await;
    let created: Vec<_> = known.iter().filter(|known| known.statuses[0] == 201).collect();
    assert_eq!(items.len(), created.len());
    for Known { key, statuses } in created {
        let item = &items[&keys::sort_key(id_of(*key))];
        let is_deleted = item.contains_key("deletedAt");
        let version = 1 + u64::from(statuses[1] == 200) + u64::from(is_deleted);
        assert_eq!(item["version"], AttributeValue::N(version.to_string()), "{statuses:?} {item:?}");
        if statuses[2] == 204 {
            assert!(is_deleted, "{item:?}");
        } else if is_deleted {
            // The tombstone was granted and its guard was not: the caller was told to come back.
            assert_eq!(statuses[2], 503);
        }
        let transcript = if statuses[1] == 200 { "after" } else { "before" };
        let expected = AttributeValue::S(transcript.to_owned());
        assert!(is_deleted || item["transcript"] == expected, "{statuses:?} {item:?}");
    }
}

/// Whoever was refused comes back, and everything is done once.
async fn finish(core: &Core, known: &[Known]) {
    for Known { key, statuses } in known {
        let id = id_of(*key);
        if statuses[0] == 503 {
            assert_eq!(core.create(*key).await, 201, "nothing of it was there");
        }
        if statuses[1] != 200 && statuses[2] != 204 {
            let status = core.edit(id).await;
            assert!(status == 200 || statuses[2] == 503 && status == 404, "{statuses:?} {status}");
        }
        if statuses[2] != 0 {
            assert_eq!(core.delete(id).await, 204, "{statuses:?}");
        }
    }
}
