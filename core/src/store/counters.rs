//! Counters of echoes, items of `EchoesOps`: each region writes its own, and a reader sums them.

mod counter;

pub use counter::{Counter, Tally};
