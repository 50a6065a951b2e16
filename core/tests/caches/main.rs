//! Several cores of one region over real Redis, Memcached and DynamoDB engines that come and go, while people write and read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic: that is how it fails"
)]

mod caller;
mod chaos;
mod history;
mod people;
#[path = "../program/region.rs"]
#[expect(dead_code, reason = "the tests of the program use all of it")]
mod region;
mod servers;
mod tls;
