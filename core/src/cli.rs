//! The command line: which role a process plays. Each subcommand's arguments and words stand in a file of its own.

mod analytics;
mod dead_letters;
mod export;
mod import;
mod progress;
mod search;
mod serve;
mod shards;
mod table;
mod walk;
mod work;

use std::fmt::Display;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::config::{Environment, StoreConfig};
use crate::metrics::Metrics;
use crate::store::Store;

/// The regional core of Echoes.
///
/// Configuration comes from the environment. Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
#[derive(Debug, Parser)]
#[command(name = "echoes", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API to the edge until SIGTERM, then finish what has begun.
    ///
    /// Needs ECHOES_REGION, ECHOES_LISTEN, ECHOES_EDGE_KEYS, ECHOES_CURSOR_KEYS and ECHOES_AUDIO_BUCKET; knows
    /// ECHOES_ADMIN_LISTEN, ECHOES_TABLE, ECHOES_OPS_TABLE, ECHOES_LOCAL_TABLE, ECHOES_REGIONS, ECHOES_MAX_IN_FLIGHT, ECHOES_MAX_LIVE,
    /// ECHOES_CACHE_MEMORY_BYTES (64 MiB; 0 is off), ECHOES_REDIS_URL, ECHOES_MEMCACHED_SERVERS (host:port, with commas),
    /// ECHOES_OPENSEARCH_URL, RUST_LOG, with `--work` the variables of `echoes work`, and the AWS SDK's own.
    ///
    /// Without ECHOES_REDIS_URL one process serves a region, and a second one does not start, with or without it.
    Serve(serve::ServeArgs),
    /// Do the work beside serving until SIGTERM: read the table's stream for all that follows from a change, take echoes past 90
    /// days out of the recent index, erase people.
    ///
    /// Needs ECHOES_REGION; knows ECHOES_SWEEP_UNITS_PER_SECOND (25; units that the sweep may consume in a second, 0 is
    /// off), ECHOES_REGIONS (all four; those that an erasure waits for), ECHOES_REDIS_URL (through which it tells the serving
    /// processes what it changed), ECHOES_OPENSEARCH_URL (where it puts what they search), ECHOES_ADMIN_LISTEN (none; health,
    /// readiness and metrics), ECHOES_TABLE, ECHOES_OPS_TABLE, ECHOES_LOCAL_TABLE, RUST_LOG and the AWS SDK's own variables.
    /// Without `--once` it needs ECHOES_REDIS_URL and ECHOES_OPENSEARCH_URL as well.
    Work(work::WorkArgs),
    /// Create, describe or check this region's tables, or grow the shards of a list.
    ///
    /// Needs ECHOES_REGION; knows ECHOES_TABLE, ECHOES_OPS_TABLE, ECHOES_LOCAL_TABLE, ECHOES_REGIONS and the AWS SDK's own
    /// variables.
    Table(table::TableArgs),
    /// Build this region's search index anew, or show what it holds.
    ///
    /// With ECHOES_OPENSEARCH_URL only: a process without it has an index of its own, in its folder or its memory, and fills that
    /// by itself; to build it anew, stop the process, remove the folder and start it again.
    ///
    /// Needs ECHOES_REGION and ECHOES_OPENSEARCH_URL; knows ECHOES_TABLE, ECHOES_OPS_TABLE, ECHOES_LOCAL_TABLE, ECHOES_REGIONS and
    /// the AWS SDK's own variables.
    Search(search::SearchArgs),
    /// Store echoes from JSON lines, one echo a line as the API shows it; what is stored already is left alone.
    ///
    /// An echo is stored only where nothing lies in its place, so an import never undoes an edit or a delete, and may be repeated.
    /// Lines with the same echoId are taken in their order: the first is stored. A line that is no echo is named on stderr with
    /// its number and its fields, the rest goes on, and the exit status is 1.
    ///
    /// How far a file has been taken is kept beside it in FILE.progress; an import that was stopped or killed goes on from there
    /// when it is started again. That file is removed when the end is reached.
    ///
    /// Needs ECHOES_REGION; knows ECHOES_TABLE, ECHOES_OPS_TABLE, ECHOES_LOCAL_TABLE, ECHOES_REGIONS and the AWS SDK's own
    /// variables.
    Import(import::ImportArgs),
    /// Write every living echo as JSON lines, one a line as the API shows it, in no order.
    ///
    /// Deleted and expired echoes are left out. Where a reader ends early, as `head` does, so does the export, with status 0.
    ///
    /// Needs ECHOES_REGION; knows ECHOES_TABLE, ECHOES_OPS_TABLE, ECHOES_LOCAL_TABLE, ECHOES_REGIONS and the AWS SDK's own
    /// variables.
    Export(export::ExportArgs),
    /// Compare this region's counters with the table, or show who was active.
    ///
    /// Needs ECHOES_REGION; knows ECHOES_TABLE, ECHOES_OPS_TABLE, ECHOES_LOCAL_TABLE, ECHOES_REGIONS and the AWS SDK's own
    /// variables.
    Analytics(analytics::AnalyticsArgs),
}

/// Why a command did not do its work: the message for stderr and the exit status.
struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    fn usage(error: impl Display) -> Self {
        Self { message: error.to_string(), status: 2 }
    }

    fn failed(error: impl Display) -> Self {
        Self { message: error.to_string(), status: 1 }
    }
}

/// Reads the command line, runs the command and says how it ended.
#[expect(clippy::print_stderr, reason = "the one line on stderr that the contract promises")]
pub async fn run() -> ExitCode {
    let result = match Cli::try_parse() {
        Ok(cli) => cli.run().await,
        // Help and version are no errors; clap prints them where they belong.
        Err(error) if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            error.exit()
        }
        Err(error) => Err(Failure::usage(one_line(&error))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("echoes: {}", failure.message);
            ExitCode::from(failure.status)
        }
    }
}

/// What is wrong with the arguments, without the hints that follow it.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let what = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = what.trim_start_matches("error: ").split_whitespace().collect();
    words.join(" ")
}

impl Cli {
    async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Serve(args) => args.run().await,
            Command::Work(args) => args.run().await,
            Command::Table(args) => args.run().await,
            Command::Search(args) => args.run().await,
            Command::Import(args) => args.run().await,
            Command::Export(args) => args.run().await,
            Command::Analytics(args) => args.run().await,
        }
    }
}

/// The store that the environment names. Nobody waits for an answer within milliseconds here.
async fn store() -> Result<Store, Failure> {
    let config = StoreConfig::read(&Environment::process()).map_err(Failure::usage)?;
    Ok(Store::connect_for_bulk(config, Metrics::new().map_err(Failure::failed)?).await)
}
