//! The command line of `echoes-local`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The embedded cloud of Echoes: four regions on one machine.
#[derive(Debug, Parser)]
#[command(name = "echoes-local", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything, say `ready`, and stop everything on Ctrl-C or SIGTERM
    Up(Up),
    /// Load one region's sample echoes; `up` runs this with the region's variables
    #[command(hide = true)]
    LoadSamples {
        /// The moment as of which they are made, in milliseconds since 1970: the same for every region
        #[arg(long, value_name = "MILLIS")]
        now: u64,
    },
}

/// The options of `up`.
#[derive(Debug, Args)]
pub struct Up {
    /// Forget the data of earlier runs first
    #[arg(long)]
    pub fresh: bool,
    /// Load no sample echoes into an empty stack
    #[arg(long)]
    pub empty: bool,
    /// Add a real Redis and two real Memcached servers to each region, and one real OpenSearch for all
    #[arg(long)]
    pub full: bool,
    /// The folder of the stack's data, secrets and addresses
    #[arg(long, value_name = "DIR", default_value = ".echoes")]
    pub state: PathBuf,
    /// The core's program
    #[arg(long, value_name = "PATH", default_value = "target/release/echoes")]
    pub binary: PathBuf,
    /// Where the edge reads its secrets, beside wrangler.toml; written when an edge is started
    #[arg(long, value_name = "PATH", default_value = ".dev.vars")]
    pub dev_vars: PathBuf,
    /// The folder of OpenSearch's jars, for `--full`; `infra/setup/setup.sh full` fetches them
    #[arg(long, value_name = "DIR", default_value = ".cache/opensearch/lib")]
    pub opensearch: PathBuf,
    /// The command that starts the edge, after `--`; without one no edge is started
    #[arg(last = true, value_name = "EDGE COMMAND")]
    pub edge: Vec<String>,
}
