//! The search suite.
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
    ($on:expr, $($case:ident)*) => {
        $(
            println!("{}", stringify!($case));
            // On the heap: all cases of a suite together are too large for a test's stack.
            Box::pin($case($on)).await;
        )*
    };
}

mod opensearch;
mod proxy;
mod reindex;
mod samples;
mod server;
mod table;

use server::Server;

/// One server for all of it: it takes ten seconds to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_opensearch() {
    let server = Server::start().await;
    opensearch::all(&server).await;
    reindex::all(&server).await;
}
