//! What the stream's work takes, beside a straightforward poller in Python with the same sinks: `make bench-stream` (or sections of
//! it: throughput lag).
//!
//! The engine, the OpenSearch and the Redis are the same for both. `echoes serve --work` is measured as a process, from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may panic: that is how it fails"
)]

mod core;
#[path = "../store/engine.rs"]
mod engine;
mod lag;
mod listener;
#[path = "../store/load.rs"]
#[expect(dead_code, reason = "the store's benchmark uses all of it")]
mod load;
#[path = "../cache/programs.rs"]
mod programs;
#[path = "../store/report.rs"]
#[expect(dead_code, reason = "the store's benchmark uses all of it")]
mod report;
mod servers;
mod throughput;

fn main() {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match words.as_slice() {
        [engine::ROLE, folder] => runtime.block_on(engine::serve(folder.as_ref())),
        sections => {
            let wants = |section: &str| sections.is_empty() || sections.contains(&section);
            runtime.block_on(async {
                let servers = servers::Servers::start();
                if wants("throughput") {
                    throughput::compare(&servers).await;
                }
                if wants("lag") {
                    lag::measure(&servers).await;
                }
            });
        }
    }
}
