//! The program `echoes` as a process, over an engine inside the test: how it starts, works, is killed and goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic: that is how it fails"
)]

mod erasure;
mod letters;
mod region;
#[path = "../shared/soak.rs"]
mod soak;
mod sole;
mod start;
mod stream;
mod sweep;
