//! The search suite: the same cases on every kind of index.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic: that is how it fails"
)]

#[macro_use]
#[path = "../store/run.rs"]
mod run;

mod cases;
mod corpus;
mod embedded;
mod opensearch;
mod proxy;
mod random;
#[path = "../program/region.rs"]
#[expect(dead_code, reason = "the suite of the program uses all of it")]
mod region;
mod reindex;
mod server;
mod table;

use std::sync::Arc;

use echoes_core::search::{Embedded, Index};
use echoes_shared::Region;
use server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_embedded_index() {
    let fresh = async || {
        Arc::new(Embedded::open(None, "eu-west-1/EchoesTable", corpus::NOW).await.unwrap()) as Arc<dyn Index>
    };
    cases::all(fresh).await;
    random::all(&*fresh().await).await;
    embedded::all().await;
}

/// One server for all of it: it takes ten seconds to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_opensearch() {
    let server = Server::start().await;
    let fresh = async || Arc::new(server.fresh(Region::EuWest1).await) as Arc<dyn Index>;
    cases::all(fresh).await;
    random::all(&*fresh().await).await;
    opensearch::all(&server).await;
    reindex::all(&server).await;
}
