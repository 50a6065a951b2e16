//! The regions as clients see them: real engines in files, real HTTP through the fronts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and so do the helpers it calls"
)]

mod control;
mod faults;
mod opensearch;
mod random;
mod replication;
mod restart;
mod servers;
mod support;
