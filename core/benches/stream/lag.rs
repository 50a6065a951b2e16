//! How long after a write its effects are seen, at a steady fifty writes a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use echoes_shared::IdempotencyKey;
use http_body_util::BodyExt as _;
use rand::Rng as _;
use serde_json::json;
use tokio::task::JoinSet;

use crate::core::{Core, LOOK};
use crate::engine::Engine;
use crate::listener;
use crate::report;
use crate::servers::Servers;

const WRITES_A_SECOND: u64 = 50;
const WRITES: u64 = 1_000;
/// One write in so many is followed until its count is seen, and another until it is found.
const FOLLOWED: u64 = 5;
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn measure(servers: &Servers) {
    report::title("from the sending of a write to its effect, 50 writes a second");
    let engine = Engine::start();
    engine.store().await;
    let core = Arc::new(Core::start(&engine.endpoint, servers));
    core.await_ready().await;
    let heard = listener::listen(&core).await;
    let (mut counts, mut finds, mut writes) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / WRITES_A_SECOND));
    for number in 0..WRITES {
        ticks.tick().await;
        let (core, person) = (Arc::clone(&core), format!("lag-{number}"));
        match number % FOLLOWED {
            0 => drop(counts.spawn(count_seen(core, person))),
            1 => drop(finds.spawn(found(core, person))),
            _ => drop(writes.spawn(async move { write(&core, &person).await })),
        }
    }
    let mut sent: Vec<(Instant, String)> = writes.join_all().await;
    let seen = |followed: Vec<(Instant, String, Duration)>, sent: &mut Vec<(Instant, String)>| -> Vec<Duration> {
        followed
            .into_iter()
            .map(|(at, id, lag)| {
                sent.push((at, id));
                lag
            })
            .collect()
    };
    let counts = seen(counts.join_all().await, &mut sent);
    let finds = seen(finds.join_all().await, &mut sent);
    let heard = heard.lock().unwrap();
    let live: Vec<Duration> =
        sent.iter().filter_map(|(at, id)| Some(heard.get(id)?.saturating_duration_since(*at))).collect();
    println!("{} of {} echoes came to the listener", live.len(), sent.len());
    print("a person's counters", counts, "500 ms");
    print("live", live, "500 ms");
    print("search", finds, "its refresh interval + 500 ms");
}

/// Posts an echo; answers when it was sent and what its id is.
async fn write(core: &Core, person: &str) -> (Instant, String) {
    let mut bits = [0; 10];
    rand::rng().fill_bytes(&mut bits);
    let key = IdempotencyKey::mint(echoes_core::clock::now(), &bits).to_string();
    let body = json!({ "emotion": "happy", "transcript": "the rain has stopped", "tags": ["rain"] });
    let headers = [("x-echoes-user", person), ("idempotency-key", &key), ("content-type", "application/json")];
    let began = Instant::now();
    let answer = core.call("POST", "/v1/echoes", &headers, body.to_string().into_bytes()).await;
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
    let echo: serde_json::Value = serde_json::from_slice(&body).unwrap();
    (began, echo["echoId"].as_str().unwrap().to_owned())
}

async fn count_seen(core: Arc<Core>, person: String) -> (Instant, String, Duration) {
    let (began, id) = write(&core, &person).await;
    let path = format!("/v1/users/{person}/emotions");
    let is_counted = |emotions: &serde_json::Value| {
        emotions["emotions"].as_array().unwrap().iter().any(|emotion| emotion["echoes"] == 1)
    };
    while !is_counted(&core.read(&path).await) {
        assert!(began.elapsed() < PATIENCE, "{person} was not counted");
        tokio::time::sleep(LOOK).await;
    }
    (began, id, began.elapsed())
}

async fn found(core: Arc<Core>, person: String) -> (Instant, String, Duration) {
    let (began, id) = write(&core, &person).await;
    let path = format!("/v1/search?userId={person}");
    while core.read(&path).await["results"].as_array().unwrap().is_empty() {
        assert!(began.elapsed() < PATIENCE, "{person}'s echo was not found");
        tokio::time::sleep(LOOK).await;
    }
    (began, id, began.elapsed())
}

fn print(what: &str, mut lags: Vec<Duration>, goal: &str) {
    lags.sort_unstable();
    let at = |part: f64| lags[((lags.len() - 1) as f64 * part).round() as usize].as_secs_f64() * 1e3;
    println!(
        "{what:<30} {:>5} followed   p50 {:>7.1} ms   p99 {:>7.1} ms   goal: p99 <= {goal}",
        lags.len(),
        at(0.5),
        at(0.99)
    );
}
