//! What the store costs, beside the same work done without it, in one run: `make bench-store` (`--large` adds a million echoes).
//!
//! The engine is the embedded one in a process of its own. Peers use the same SDK, the same concurrency and the same engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may panic: that is how it fails"
)]

mod boto;
mod engine;
mod load;
mod peers;
mod reads;
mod report;

use std::time::Duration;

/// What the command line asks for.
struct Options {
    /// Tables of so many echoes are compared.
    sizes: Vec<usize>,
    /// Only the sections of these names; all where there are none.
    sections: Vec<String>,
}

impl Options {
    fn wants(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|wanted| wanted == section)
    }
}

fn main() {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let [role, folder] = arguments.as_slice()
        && role == engine::ROLE
    {
        return runtime.block_on(engine::serve(folder.as_ref()));
    }
    let large = arguments.iter().any(|argument| argument == "--large");
    let sizes = if large { vec![10_000, 100_000, 1_000_000] } else { vec![10_000, 100_000] };
    let sections = arguments.into_iter().filter(|argument| !argument.starts_with("--")).collect();
    runtime.block_on(run(&Options { sizes, sections }));
}

async fn run(options: &Options) {
    if options.wants("writes") {
        peers::creates(Duration::from_secs(6)).await;
        peers::imports(20_000).await;
    }
    if options.wants("cpu") {
        boto::compare(4_000).await;
    }
    if options.wants("sizes") {
        reads::compare(&options.sizes).await;
    }
}
