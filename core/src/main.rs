//! The program `echoes`: one binary, one subcommand for each role of a regional core.

use std::process::ExitCode;

use clap::Parser;
use echoes_core::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().run().await
}
