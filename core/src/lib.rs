//! The regional core of Echoes.
//!
//! Data flows one way: `main → cli → app → {http → service, work} → store`. `http` knows no AWS type, `store` no HTTP type;
//! only `config` reads the environment and only `clock` the time.

// What the tests in `tests/` share with those in here names the crate as they do.
#[cfg(test)]
extern crate self as echoes_core;

pub mod app;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod live;
pub mod metrics;
pub mod pace;
pub mod prices;
pub mod recount;
#[cfg(test)]
mod samples;
pub mod search;
pub mod service;
pub mod sinks;
pub mod store;
pub mod stream;
pub mod transfer;
pub mod units;
pub mod work;
