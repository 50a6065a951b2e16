//! The program `echoes`: one binary, one subcommand for each role of a regional core.

use std::process::ExitCode;
use std::{io, thread};

use tikv_jemallocator::Jemalloc;
use tokio::runtime::Builder;

/// Values of tens of kilobytes come and go with every read below memory: an allocator that gives such room back to the system at once
/// spends half of the time on getting it again.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> io::Result<ExitCode> {
    // On a single processor nobody could take work from anybody, so that tasks need not be shared between threads.
    let has_one_processor = thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
    let mut runtime = if has_one_processor { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    Ok(runtime.enable_all().build()?.block_on(echoes_core::cli::run()))
}
