//! `echoes table`: this region's tables, created, shown and checked.

use clap::{Args, Subcommand, ValueEnum};

use super::Failure;
use super::shards::ShardsArgs;
use crate::store::table::Billing;

/// `echoes table …`
#[derive(Debug, Args)]
pub(super) struct TableArgs {
    #[command(subcommand)]
    command: TableCommand,
}

#[derive(Debug, Subcommand)]
enum TableCommand {
    /// Create the tables that are missing, with their indexes, streams and time to live, add the indexes that a table of an
    /// earlier version lacks, and wait until all are active. To run it again changes nothing.
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
    /// Show or raise the number of shards of an emotion's feed, or of the recent list.
    ///
    /// Without a number: shows how many shards are read and written, and what each region says it reads. With one, it takes
    /// two steps: it has every region read so many and waits until each has said so; then it has echoes go there. It can be run
    /// again at any time and goes on where it ended. A number never shrinks.
    Shards(ShardsArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BillingMode {
    OnDemand,
    Provisioned,
}

impl TableArgs {
    #[expect(clippy::print_stdout, reason = "what these commands are for")]
    pub(super) async fn run(self) -> Result<(), Failure> {
        let store = super::store().await?;
        match self.command {
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
            TableCommand::Shards(args) => args.run(&store).await,
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
}
