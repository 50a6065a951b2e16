//! `echoes export`: the table as JSON lines.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::import::stopped;
use super::progress::{Progress, State};
use super::walk::WalkArgs;
use crate::cli;
use crate::clock::{self, Stopwatch};
use crate::transfer::End;
use crate::transfer::export::{Counts, Event, Plan, export};

/// `echoes export …`
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The file to write; it appears when it is complete. Standard output unless set.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    walk: WalkArgs,
    /// Read what was written a moment ago too, at twice the units.
    #[arg(long)]
    consistent: bool,
    /// Print the summary as one JSON object: on standard output with --output, else on stderr.
    #[arg(long)]
    json: bool,
}

/// What is printed in the end.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    complete: bool,
    #[serde(flatten)]
    counts: Counts,
    seconds: f64,
}

impl ExportArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let store = cli::store().await?;
        let output = self.output.as_deref().map(Output::create).transpose()?;
        let sink: Box<dyn Write + Send> = match &output {
            Some(output) => Box::new(output.file.try_clone().map_err(|error| output.failure(&error))?),
            None => Box::new(io::stdout()),
        };
        let started = Stopwatch::start();
        let mut progress = Progress::new("read", None, State::default());
        let pace = self.walk.pace();
        let plan = Plan { segments: self.walk.segments, consistent: self.consistent, clock: clock::now };
        let mut tell = |event: Event<'_>| match event {
            Event::Damaged(what) => progress.fault(what),
            Event::Progress(counts) => {
                let Counts { bytes, echoes, read_units: units, .. } = *counts;
                progress.show(State { bytes, echoes, units });
            }
        };
        let (end, counts) = export(&store, pace, plan, sink, stopped(), &mut tell).await;
        progress.end();
        match (&end, output) {
            (End::Complete, Some(output)) => output.publish()?,
            (_, Some(output)) => output.discard(),
            (_, None) => {}
        }
        if end == End::Unwanted {
            return Ok(());
        }
        self.print(&end, counts, started);
        verdict(end, &counts)
    }

    #[expect(
        clippy::print_stdout,
        clippy::print_stderr,
        reason = "the result; on stderr where stdout has the echoes"
    )]
    fn print(&self, end: &End, counts: Counts, started: Stopwatch) {
        let seconds = started.elapsed().as_secs_f64();
        let text = if self.json {
            serde_json::json!(Summary { complete: *end == End::Complete, counts, seconds }).to_string()
        } else {
            let Counts { echoes, bytes, tombstones, expired, damaged, read_units } = counts;
            format!(
                "{echoes} echoes in {bytes} bytes; left out: {tombstones} deleted, {expired} expired, {damaged} damaged; \
                 {read_units} read units in {seconds:.1} s"
            )
        };
        if self.output.is_some() { println!("{text}") } else { eprintln!("{text}") }
    }
}

fn verdict(end: End, counts: &Counts) -> Result<(), Failure> {
    match end {
        End::Complete if counts.damaged > 0 => {
            Err(Failure::failed(format_args!("{} items are damaged; all others were written", counts.damaged)))
        }
        End::Complete | End::Unwanted => Ok(()),
        End::Stopped => Err(Failure::failed(format_args!("stopped after {} echoes", counts.echoes))),
        End::Failed(why) => Err(Failure::failed(format_args!("{why}; {} echoes were written", counts.echoes))),
    }
}

/// A file that bears another name until it is complete.
struct Output {
    path: PathBuf,
    partial: PathBuf,
    file: File,
}

impl Output {
    fn create(path: &Path) -> Result<Self, Failure> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial)
            .map_err(|error| Failure::usage(format_args!("--output {}: {error}", partial.display())))?;
        Ok(Self { path: path.to_owned(), partial, file })
    }

    fn publish(self) -> Result<(), Failure> {
        let published = self.file.sync_all().and_then(|()| fs::rename(&self.partial, &self.path));
        published.map_err(|error| self.failure(&error))
    }

    fn discard(self) {
        // What cannot be removed bears a name that says what it is.
        let _ = fs::remove_file(&self.partial);
    }

    fn failure(&self, error: &io::Error) -> Failure {
        Failure::failed(format_args!("--output {}: {error}", self.path.display()))
    }
}
