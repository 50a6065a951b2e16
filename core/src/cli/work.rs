//! `echoes work`: the jobs beside serving, for ever or for one round, and what they could not do.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

use super::Failure;
use super::dead_letters::DeadLettersArgs;
use crate::app;
use crate::config::{Environment, WorkerConfig};
use crate::work::{Ended, Round};

/// `echoes work`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct WorkArgs {
    #[command(subcommand)]
    command: Option<WorkCommand>,
    /// Run one full round of every job, say what each did, and exit.
    #[arg(long)]
    once: bool,
    /// One JSON object instead of text; with `--once` only.
    #[arg(long, requires = "once")]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum WorkCommand {
    /// Records of the stream that were set aside because they could not be applied.
    DeadLetters(DeadLettersArgs),
}

impl WorkArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if let Some(WorkCommand::DeadLetters(args)) = self.command {
            return args.run().await;
        }
        if !self.once {
            let config = WorkerConfig::read_for_ever(&Environment::process()).map_err(Failure::usage)?;
            app::log_as_json(EnvFilter::new(&config.log_filter));
            return app::work(config).await.map_err(Failure::failed);
        }
        let config = WorkerConfig::read(&Environment::process()).map_err(Failure::usage)?;
        let rounds = app::work_once(config).await.map_err(Failure::failed)?;
        print(&rounds, self.json);
        for round in &rounds {
            match &round.ended {
                Ended::Done => {}
                Ended::Stopped => return Err(Failure::failed(format!("{} was stopped before its end", round.job))),
                Ended::Failed(error) => return Err(Failure::failed(format!("{}: {error}", round.job))),
            }
        }
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "what this command is for")]
fn print(rounds: &[Round], json: bool) {
    if json {
        let jobs: Vec<Value> = rounds.iter().map(as_json).collect();
        println!("{}", json!({ "jobs": jobs }));
    } else {
        rounds.iter().for_each(|round| println!("{}: {}", round.job, round.did.text));
    }
}

fn as_json(round: &Round) -> Value {
    json!({
        "job": round.job,
        "done": round.ended == Ended::Done,
        "readUnits": round.units.read,
        "writeUnits": round.units.write,
        "did": round.did.figures,
    })
}
