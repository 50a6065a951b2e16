//! The program `echoes`: one binary, one subcommand for each role of a regional core.

use std::process::ExitCode;
use std::{io, thread};

use tokio::runtime::Builder;

fn main() -> io::Result<ExitCode> {
    // On a single processor nobody could take work from anybody, so that tasks need not be shared between threads.
    let has_one_processor = thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
    let mut runtime = if has_one_processor { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    Ok(runtime.enable_all().build()?.block_on(echoes_core::cli::run()))
}
