//! The store's suite, the same against two real engines: dynoxide and AWS's own DynamoDB Local.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic: that is how it fails"
)]

#[macro_use]
mod run;

mod batch;
mod buckets;
mod bulk;
mod cases;
mod counters;
mod counts;
mod edits;
mod engine;
mod erasure;
mod indexes;
mod proxy;
mod random;
mod raw;
mod repairs;
mod shards;
mod sole;
mod stream;
mod sweep;
mod timelines;
mod told;
mod tombstones;
mod transfer;
mod wire;

use engine::Engine;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_dynoxide() {
    stores(&Engine::dynoxide().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_dynamodb_local() {
    stores(&Engine::dynamodb_local().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_on_dynoxide() {
    services(&Engine::dynoxide().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_on_dynamodb_local() {
    services(&Engine::dynamodb_local().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasures_on_dynoxide() {
    erasure::all(&Engine::dynoxide().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasures_on_dynamodb_local() {
    erasure::all(&Engine::dynamodb_local().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repairs_on_dynoxide() {
    repairs::all(&Engine::dynoxide().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repairs_on_dynamodb_local() {
    repairs::all(&Engine::dynamodb_local().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_on_dynoxide() {
    indexes::all(&Engine::dynoxide().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_on_dynoxide() {
    stream::all(&Engine::dynoxide().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_on_dynamodb_local() {
    stream::all(&Engine::dynamodb_local().await).await;
}

/// An engine of its own: DynamoDB Local does its background work on ten threads, of which each table with a time to live takes
/// one for good, and with seven such tables it never fills an index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_on_dynamodb_local() {
    indexes::all(&Engine::dynamodb_local().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_on_dynoxide() {
    counts_and_counters(&Engine::dynoxide().await).await;
}

/// An engine of its own, for the sake of its ten threads: see [`indexes_on_dynamodb_local`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_on_dynamodb_local() {
    counts_and_counters(&Engine::dynamodb_local().await).await;
}

async fn counts_and_counters(engine: &Engine) {
    counters::all(engine).await;
    counts::all(engine).await;
}

async fn stores(engine: &Engine) {
    cases::all(engine).await;
    buckets::all(engine).await;
    shards::all(engine).await;
    sweep::all(engine).await;
    sole::all(engine).await;
    transfer::all(engine).await;
    edits::all(engine).await;
    tombstones::all(engine).await;
}

async fn services(engine: &Engine) {
    batch::all(engine).await;
    timelines::all(engine).await;
    told::all(engine).await;
    random::all(engine).await;
    wire::all(engine).await;
}
