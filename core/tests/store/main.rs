//! The store's suite, the same against two real engines: dynoxide and AWS's own DynamoDB Local.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic: that is how it fails"
)]

mod batch;
mod buckets;
mod bulk;
mod cases;
mod engine;
mod proxy;
mod shards;
mod random;
mod timelines;

use engine::Engine;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_dynoxide() {
    all(&Engine::dynoxide().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_dynamodb_local() {
    all(&Engine::dynamodb_local().await).await;
}

async fn all(engine: &Engine) {
    cases::all(engine).await;
    buckets::all(engine).await;
    batch::all(engine).await;
    timelines::all(engine).await;
    shards::all(engine).await;
    random::all(engine).await;
}
