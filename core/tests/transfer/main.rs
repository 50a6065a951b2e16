//! `echoes import`, `echoes export` and `echoes serve` as programs, over a real engine that can be made to refuse.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic: that is how it fails"
)]

mod faults;
mod front;
mod interruptions;
mod round_trip;
mod samples;
mod serving;
#[path = "../shared/soak.rs"]
mod soak;
mod throttling;
mod world;
