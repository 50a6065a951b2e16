//! The `echoes-local` program: reads the command line and hands over to the supervisor.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use echoes_local::cli::{Cli, Command};
use echoes_local::front::ENGINE_CALLS;
use echoes_local::samples::load::load;
use echoes_local::supervisor;
use echoes_shared::Region;
use tracing_subscriber::EnvFilter;

/// More than there are cores: an engine works on the thread that took its call, and one that is busy must not hold up
/// the other three, the fronts or the control API.
const WORKERS: usize = 12;
const _: () = assert!(WORKERS > ENGINE_CALLS * Region::ALL.len(), "busy engines would occupy every thread");

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    start_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let outcome = match command {
        Command::Up(options) => runtime.block_on(supervisor::up(options)),
        Command::LoadSamples { now } => runtime.block_on(load(now)).map(|_total| ExitCode::SUCCESS),
    };
    // Whatever still blocks a thread is not worth waiting for: the engines' files survive a killed process.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| failed(&error))
}

/// Warnings of this program itself, in the form of every other part's lines.
fn start_log() {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,echoes_local=info,dynoxide=error,s3s=error,s3s_fs=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stdout().is_terminal())
        .without_time()
        .init();
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Nothing is left to tell when standard error is gone.
    let _written = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}
