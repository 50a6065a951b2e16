//! The program `echoes`: one binary, one subcommand for each role of a regional core.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    echoes_core::cli::run().await
}
