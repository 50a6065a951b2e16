//! The store's suite, the same against two real engines: dynoxide and AWS's own DynamoDB Local.

mod cases;
mod engine;

use engine::Engine;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_dynoxide() {
    cases::all(&Engine::dynoxide().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_dynamodb_local() {
    cases::all(&Engine::dynamodb_local().await).await;
}
