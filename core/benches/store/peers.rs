//! Creates and imports beside bare loops over the SDK: the same items, the same engine, the same concurrency.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use echoes_core::store::{NewItem, Store};
use echoes_shared::Region;
use futures_util::{StreamExt as _, stream};

use crate::engine::Engine;
use crate::load::{self, CONCURRENCY, Sample, now};
use crate::report;

/// Rounds in which the two take turns, so that a machine that grows slower is slow for both.
const ROUNDS: usize = 6;

/// Creates a second against bare PutItem calls.
pub async fn creates(time: Duration) {
    report::title("creates a second, against a bare PutItem loop of the same concurrency");
    let (engine, peer) = (Engine::start(), Engine::start());
    let (store, client) = (engine.store().await, peer.client());
    peer.store().await;
    let table = "EchoesTable";
    let (ours, theirs) = (load::fresh_samples("ours", 200_000), load::fresh_samples("peer", 200_000));
    let (mut ours, mut theirs) = (ours.iter(), theirs.iter());
    let (mut our_count, mut their_count) = (0, 0);
    let turn = time / u32::try_from(ROUNDS).unwrap();
    for _ in 0..ROUNDS {
        our_count += for_a_while(turn, &mut ours, async |sample| create(&store, sample).await).await;
        their_count += for_a_while(turn, &mut theirs, async |sample| put(&client, table, sample).await).await;
    }
    let a_second = |count: usize| count as f64 / time.as_secs_f64();
    report::ratio("creates", a_second(our_count), a_second(their_count), "a second", ">= 0.9");
}

/// `echoes import --assume-empty` against a bare BatchWriteItem loop.
pub async fn imports(count: usize) {
    report::title("import --assume-empty, against a bare BatchWriteItem loop of the same concurrency");
    let samples = load::samples("import", count);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for sample in &samples {
        serde_json::to_writer(&mut file, &sample.echo()).unwrap();
        writeln!(file).unwrap();
    }
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let engine = Engine::start();
        engine.store().await;
        let began = Instant::now();
        import(&engine.endpoint, file.path());
        times.0.push(began.elapsed());
        let peer = Engine::start();
        peer.store().await;
        let began = Instant::now();
        load::bare_batches(&peer.client(), "EchoesTable", &samples).await;
        times.1.push(began.elapsed());
    }
    let a_second = |times: Vec<Duration>| count as f64 / report::median(times).as_secs_f64();
    report::ratio(
        "imported (reading and parsing included)",
        a_second(times.0),
        a_second(times.1),
        "a second",
        ">= 0.9",
    );
}

fn import(endpoint: &str, file: &std::path::Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_echoes"))
        .args(["import".as_ref(), "--assume-empty".as_ref(), file.as_os_str()])
        .env_clear()
        .envs([
            ("ECHOES_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL_DYNAMODB", endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let progress = file.with_extension("progress");
    let _ = fs::remove_file(progress);
}

/// Works through samples for so long, several at a time; how many were done.
async fn for_a_while<'a>(
    time: Duration,
    samples: &mut impl Iterator<Item = &'a Sample>,
    write: impl AsyncFn(&'a Sample),
) -> usize {
    let (began, done) = (Instant::now(), AtomicUsize::new(0));
    let while_time = samples.take_while(|_| began.elapsed() < time);
    stream::iter(while_time)
        .for_each_concurrent(CONCURRENCY, async |sample| {
            write(sample).await;
            done.fetch_add(1, Ordering::Relaxed);
        })
        .await;
    done.into_inner()
}

pub async fn create(store: &Store, sample: &Sample) {
    let new = NewItem::new(sample.user.clone(), sample.key, sample.content.clone(), Region::EuWest1);
    store.create(&new, now()).await.unwrap();
}

async fn put(client: &Client, table: &str, sample: &Sample) {
    client.put_item().table_name(table).set_item(Some(load::item(sample))).send().await.unwrap();
}
