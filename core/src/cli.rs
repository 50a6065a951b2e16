//! The command line: which role a process plays.

use std::fmt::Display;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::app;
use crate::config::{Environment, ServeConfig, StoreConfig};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::table::Billing;

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
    /// ECHOES_ADMIN_LISTEN, ECHOES_TABLE, ECHOES_OPS_TABLE, ECHOES_LOCAL_TABLE, ECHOES_MAX_IN_FLIGHT, RUST_LOG and
    /// the AWS SDK's own variables.
    Serve,
    /// Create, describe or check this region's tables.
    ///
    /// Needs ECHOES_REGION; knows ECHOES_TABLE, ECHOES_OPS_TABLE, ECHOES_LOCAL_TABLE and the AWS SDK's own variables.
    Table(TableArgs),
}

#[derive(Debug, Args)]
struct TableArgs {
    #[command(subcommand)]
    command: TableCommand,
}

#[derive(Debug, Subcommand)]
enum TableCommand {
    /// Create the tables that are missing, with their indexes, streams and time to live, and wait until they are active.
    Create {
        /// How reads and writes are paid for.
        #[arg(long, value_enum, default_value_t = BillingMode::OnDemand)]
        billing: BillingMode,
        /// Read units a second, for each table and each index; with `--billing provisioned` only.
        #[arg(long, value_name = "N", required_if_eq("billing", "provisioned"), value_parser = clap::value_parser!(i64).range(1..))]
        read: Option<i64>,
        /// Write units a second, for each table and each index; with `--billing provisioned` only.
        #[arg(long, value_name = "N", required_if_eq("billing", "provisioned"), value_parser = clap::value_parser!(i64).range(1..))]
        write: Option<i64>,
    },
    /// Show the tables as DynamoDB sees them.
    Describe {
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Compare the tables with the design; exit 1 and name each difference if there is one.
    Check {
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BillingMode {
    OnDemand,
    Provisioned,
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
            Command::Serve => serve().await,
            Command::Table(args) => table(args.command).await,
        }
    }
}

async fn serve() -> Result<(), Failure> {
    let config = ServeConfig::read(&Environment::process()).map_err(Failure::usage)?;
    app::log_as_json(EnvFilter::new(&config.log_filter));
    app::serve(config).await.map_err(Failure::failed)
}

#[expect(clippy::print_stdout, reason = "what these commands are for")]
async fn table(command: TableCommand) -> Result<(), Failure> {
    let config = StoreConfig::read(&Environment::process()).map_err(Failure::usage)?;
    let store = Store::connect(config, Metrics::new().map_err(Failure::failed)?).await;
    match command {
        TableCommand::Create { billing, read, write } => {
            let billing = match (billing, read, write) {
                (BillingMode::OnDemand, None, None) => Billing::OnDemand,
                (BillingMode::Provisioned, Some(read_units), Some(write_units)) => {
                    Billing::Provisioned { read_units, write_units }
                }
                _ => return Err(Failure::usage("--read and --write go with --billing provisioned")),
            };
            store.create_tables(billing, |line| println!("{line}")).await.map_err(Failure::failed)
        }
        TableCommand::Describe { json } => {
            let tables = store.describe_tables().await.map_err(Failure::failed)?;
            if json {
                println!("{}", serde_json::json!({ "tables": tables }));
            } else {
                tables.iter().for_each(|table| println!("{table}"));
            }
            Ok(())
        }
        TableCommand::Check { json } => {
            let differences = store.check_tables().await.map_err(Failure::failed)?;
            if json {
                println!("{}", serde_json::json!({ "differences": differences }));
            } else {
                differences.iter().for_each(|difference| println!("{difference}"));
            }
            match differences.len() {
                0 => Ok(()),
                count => Err(Failure::failed(format!("{count} differences from the design"))),
            }
        }
    }
}
