//! Records a second and processor time a record, from the oldest record to the last effect.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::core::Core;
use crate::engine::Engine;
use crate::programs::{SERVERS, pinned};
use crate::servers::Servers;
use crate::{load, report};

/// Records that ours is given.
const RECORDS: usize = 20_000;
/// Records that the peer is given, which takes about as long.
const PEER_RECORDS: usize = 1_000;
/// Echoes of one person among them (seed, line 11: five a day).
const ECHOES_OF_A_PERSON: usize = 5;

pub async fn compare(servers: &Servers) {
    report::title("records of a stream: index, counters, caches, listeners; one processor for the reader");
    let (rate, micros) = ours(servers).await;
    let Some((peer_rate, peer_micros)) = peer(servers).await else { return };
    report::ratio("records a second, end to end", rate, peer_rate, "a second", ">= 10");
    report::ratio("processor time of one record", micros, peer_micros, "us", "(less is better)");
}

/// What people post within a few seconds.
fn samples(prefix: &str, count: usize) -> Vec<load::Sample> {
    let mut samples = load::fresh_samples(prefix, count);
    for (number, sample) in samples.iter_mut().enumerate() {
        sample.user = format!("{prefix}-{}", number % (count / ECHOES_OF_A_PERSON)).parse().unwrap();
    }
    samples
}

/// The rate, from the start of the process on, and the processor microseconds of one record.
async fn ours(servers: &Servers) -> (f64, f64) {
    let engine = Engine::start();
    engine.store().await;
    load::bare_batches(&engine.client(), "EchoesTable", &samples("ours", RECORDS)).await;
    let began = Instant::now();
    let core = Core::start(&engine.endpoint, servers);
    core.await_records(RECORDS as u64).await;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = core.program.cpu().as_secs_f64();
    println!("{:<44} {seconds:>10.1} s, {cpu:.1} s of a processor", format!("ours took, for {RECORDS} records,"));
    (RECORDS as f64 / seconds, cpu * 1e6 / RECORDS as f64)
}

#[expect(clippy::disallowed_methods, reason = "where `make bench-stream` has installed boto3 and the others")]
async fn peer(servers: &Servers) -> Option<(f64, f64)> {
    let Some(python) = std::env::var_os("ECHOES_PYTHON") else {
        println!("the peer is left out: ECHOES_PYTHON names no Python; `make bench-stream` sets it");
        return None;
    };
    let engine = Engine::start();
    engine.store().await;
    load::bare_batches(&engine.client(), "EchoesTable", &samples("peer", PEER_RECORDS)).await;
    let mut command: Command = pinned(SERVERS, python);
    command.args([concat!(env!("CARGO_MANIFEST_DIR"), "/benches/stream/poller.py"), &engine.endpoint]);
    command.args([&servers.opensearch, &servers.redis_port.to_string(), &PEER_RECORDS.to_string()]);
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "the peer failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let figures: Vec<f64> = text.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    let (seconds, cpu) = (figures[0], figures[1]);
    println!("{:<44} {seconds:>10.1} s, {cpu:.1} s of a processor", format!("the peer, for {PEER_RECORDS} records,"));
    Some((PEER_RECORDS as f64 / seconds, cpu * 1e6 / PEER_RECORDS as f64))
}
