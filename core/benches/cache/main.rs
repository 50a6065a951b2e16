//! What the caches give, beside well-known peers in the same run: `make bench-cache` (or sections of it: served shared stampede).
//!
//! One processor is the server's, another the load's. Peers answer the very same bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may panic: that is how it fails"
)]

#[path = "../store/engine.rs"]
mod engine;
#[path = "../store/load.rs"]
#[expect(dead_code, reason = "the store's benchmark uses all of it")]
mod load;
mod peers;
mod programs;
#[path = "../store/report.rs"]
#[expect(dead_code, reason = "the store's benchmark uses all of it")]
mod report;
mod served;
mod shared;
mod stampede;
mod wrk;

use tikv_jemallocator::Jemalloc;

/// The program's.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut builder = match words.as_slice() {
        [peers::HYPER_ROLE | shared::ROLE, ..] => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    match words.as_slice() {
        [peers::HYPER_ROLE, port, file] => runtime.block_on(peers::serve_hyper(port.parse().unwrap(), file)),
        [shared::ROLE, port] => runtime.block_on(shared::read(port.parse().unwrap())),
        [engine::ROLE, folder] => runtime.block_on(engine::serve(folder.as_ref())),
        [stampede::ROLE, redis, callers] => {
            runtime.block_on(stampede::one_of_several(redis, callers.parse().unwrap()))
        }
        sections => {
            let wants = |section: &str| sections.is_empty() || sections.contains(&section);
            runtime.block_on(async {
                if wants("served") {
                    served::compare().await;
                }
                if wants("shared") {
                    shared::compare();
                }
                if wants("stampede") {
                    stampede::compare().await;
                }
            });
        }
    }
}
