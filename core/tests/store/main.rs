//! The store's suite, the same against two real engines: dynoxide and AWS's own DynamoDB Local.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic: that is how it fails"
)]

/// Runs cases one after another and names each.
macro_rules! run {
    ($engine:expr, $($case:ident)*) => {
        $(
            println!("{}", stringify!($case));
            // On the heap: all cases of a suite together are too large for a test's stack.
            Box::pin($case($engine)).await;
        )*
    };
}

mod buckets;
mod cases;
mod engine;
mod sweep;

use engine::Engine;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_dynoxide() {
    let engine = Engine::dynoxide().await;
    cases::all(&engine).await;
    buckets::all(&engine).await;
    sweep::all(&engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_dynamodb_local() {
    let engine = Engine::dynamodb_local().await;
    cases::all(&engine).await;
    buckets::all(&engine).await;
    sweep::all(&engine).await;
}
