//! `echoes work dead-letters`: records of the stream that could not be applied, shown, tried again or forgotten.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use crate::app;
use crate::config::{Environment, WorkerConfig};
use crate::sinks::SinkName;
use crate::store::Store;
use crate::stream::{Letter, Retried, Sequence};

/// `echoes work dead-letters …`
#[derive(Debug, Args)]
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show them.
    List(Wanted),
    /// Give each to its sink once more, and forget it if that applies it; exit 1 if any is left.
    Retry(Wanted),
    /// Forget them: what they hold will never be applied. Needs keys, `--sink` or `--all`.
    Drop {
        #[command(flatten)]
        wanted: Wanted,
        /// All of them.
        #[arg(long, conflicts_with_all = ["keys", "sink"])]
        all: bool,
    },
}

#[derive(Debug, Args)]
struct Wanted {
    /// Those of these keys alone, as `list` shows them.
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    /// Those of one sink alone.
    #[arg(long, value_parser = sinks())]
    sink: Option<SinkName>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

fn sinks() -> impl TypedValueParser<Value = SinkName> {
    let names = PossibleValuesParser::new(SinkName::ALL.map(SinkName::as_str));
    names.try_map(|name| SinkName::parse(&name).ok_or("there is no such sink"))
}

impl Wanted {
    fn is_all(&self) -> bool {
        self.keys.is_empty() && self.sink.is_none()
    }

    /// The letters that are meant; a key that there is not is a fault of the caller's.
    async fn letters(&self, store: &Store) -> Result<Vec<Letter>, Failure> {
        let mut letters = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = store.dead_letters(after.as_deref()).await.map_err(Failure::failed)?;
            letters.extend(page.into_iter().filter(|letter| self.means(letter)));
            after = next;
            if after.is_none() {
                break;
            }
        }
        let known = |key: &String| letters.iter().any(|letter| letter.key() == *key);
        match self.keys.iter().find(|key| !known(key)) {
            Some(key) => Err(Failure::failed(format!("there is no dead letter {key}"))),
            None => Ok(letters),
        }
    }

    fn means(&self, letter: &Letter) -> bool {
        let sink = self.sink.is_none_or(|sink| letter.sink == sink);
        sink && (self.keys.is_empty() || self.keys.contains(&letter.key()))
    }
}

impl DeadLettersArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let store = super::store().await?;
        match self.command {
            Command::List(wanted) => {
                let letters = wanted.letters(&store).await?;
                print(wanted.json, &letters, |_| None);
                Ok(())
            }
            Command::Retry(wanted) => {
                let config = WorkerConfig::read(&Environment::process()).map_err(Failure::usage)?;
                let letters = wanted.letters(&store).await?;
                let outcomes = app::retry_dead_letters(config, letters).await.map_err(Failure::failed)?;
                let (letters, outcomes): (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
                print(wanted.json, &letters, |number| outcomes.get(number).map(words));
                match outcomes.iter().filter(|outcome| **outcome != Retried::Applied).count() {
                    0 => Ok(()),
                    left => Err(Failure::failed(format!("{left} of {} could not be applied", outcomes.len()))),
                }
            }
            Command::Drop { wanted, all } => {
                if wanted.is_all() && !all {
                    return Err(Failure::usage("drop needs keys, --sink or --all"));
                }
                let letters = wanted.letters(&store).await?;
                for letter in &letters {
                    store.drop_dead_letter(letter).await.map_err(Failure::failed)?;
                }
                print(wanted.json, &letters, |_| Some("dropped".to_owned()));
                Ok(())
            }
        }
    }
}

fn words(outcome: &Retried) -> String {
    match outcome {
        Retried::Applied => "applied".to_owned(),
        Retried::Kept(why) => format!("kept: {why}"),
    }
}

#[expect(clippy::print_stdout, reason = "what this command is for")]
fn print(as_json: bool, letters: &[Letter], outcome: impl Fn(usize) -> Option<String>) {
    if as_json {
        let all = letters.iter().enumerate().map(|(number, letter)| to_json(letter, outcome(number)));
        println!("{}", json!({ "deadLetters": all.collect::<Vec<_>>() }));
        return;
    }
    for (number, letter) in letters.iter().enumerate() {
        let outcome = outcome(number).map(|outcome| format!(": {outcome}")).unwrap_or_default();
        println!("{} {} {}: {}{outcome}", letter.written, letter.kind.as_str(), letter.key(), letter.reason);
    }
}

fn to_json(letter: &Letter, outcome: Option<String>) -> Value {
    json!({
        "key": letter.key(),
        "sink": letter.sink.as_str(),
        "shard": letter.shard.as_str(),
        "sequence": letter.sequence.as_ref().map(Sequence::as_str),
        "kind": letter.kind.as_str(),
        "reason": letter.reason,
        "written": letter.written.to_string(),
        "echoId": letter.record.as_ref().map(|record| record.echo.to_string()),
        "outcome": outcome,
    })
}
