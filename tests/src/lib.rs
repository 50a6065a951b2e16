//! What the black-box tests stand on: a running stack, plain HTTP towards each of its parts, and words for what is expected.
//!
//! Nothing here knows how a part works inside. Every request goes over a socket of its own and is sent byte for byte as
//! written, so that a test can say what no well-behaved client would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "support of tests: what goes wrong here is a test that failed"
)]

pub mod batches;
pub mod caches;
pub mod cities;
pub mod clock;
pub mod control;
pub mod cores;
pub mod dynamodb;
pub mod exchange;
pub mod fresh;
pub mod keys;
pub mod live;
pub mod metrics;
pub mod one_more;
pub mod people;
pub mod process;
pub mod programs;
pub mod request;
pub mod response;
pub mod settings;
pub mod shape;
pub mod stack;
pub mod verdict;
pub mod waiting;
pub mod world;

pub use echoes_shared::{EchoId, Emotion, IdempotencyKey, Region, Timestamp};
pub use people::Person;
pub use request::Request;
pub use response::Response;
pub use serde_json::{Value, json};
pub use world::World;
