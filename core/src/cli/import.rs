//! `echoes import`: JSON lines into the table.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::progress::{Progress, State};
use crate::clock::{self, Stopwatch};
use crate::config::{Environment, StoreConfig};
use crate::pace::{Budget, Kind, Pace, Window};
use crate::transfer::End;
use crate::transfer::checkpoint::{Checkpoint, Job};
use crate::transfer::import::{Event, Import, Mode, Plan, Report};
use crate::transfer::lines::Source;
use crate::transfer::mark::{Counts, Reached};
use crate::{app, cli};

/// Calls at a time before the table has shown what it grants.
const FIRST_CALLS: u16 = 4;

/// How long the counts of people are waited for in the end: each is a call or two.
const COUNTS_WAIT: Duration = Duration::from_secs(5);

/// `echoes import …`
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The file to read; `-` is standard input.
    #[arg(value_name = "FILE|-")]
    source: PathBuf,
    /// Write twenty-five echoes a call over whatever is there, edits and deletes included: faster, and only for a table that
    /// holds nothing and that nobody else writes to. Of lines with the same echoId the last one stays.
    #[arg(long)]
    assume_empty: bool,
    /// Write units a second at most, those of indexes included; without it, as fast as the table grants.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    units_per_second: Option<u32>,
    /// Calls at a time at most. There are fewer while the table refuses some.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// How long one call may be refused before the import ends with status 1; a later one goes on there.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    patience: u64,
    /// Where to keep how far the import came: FILE.progress unless set; for standard input nowhere unless set.
    #[arg(long, value_name = "PATH")]
    checkpoint: Option<PathBuf>,
    /// Begin with the first line whatever the checkpoint says.
    #[arg(long)]
    restart: bool,
    /// Print the summary as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is printed in the end.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    complete: bool,
    lines: u64,
    bytes: u64,
    #[serde(flatten)]
    counts: Counts,
    /// Lines that earlier runs had taken.
    resumed_after_line: u64,
    write_units: f64,
    seconds: f64,
}

impl ImportArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let config = StoreConfig::read(&Environment::process()).map_err(Failure::usage)?;
        let (source, checkpoint, reached) = self.open(&config)?;
        let started = Stopwatch::start();
        let mut progress = Progress::new("write", source.bytes(), state(&reached, 0.0));
        if reached.lines > 0 {
            progress.say(format_args!("goes on after line {}", reached.lines));
        }
        let store = cli::store().await?;
        let budget = self.units_per_second.map_or(Budget::unlimited(), |n| Budget::per_second(Kind::Write, n));
        let window = Window::new(FIRST_CALLS, self.concurrency);
        let pace = Pace::new(budget, window, Duration::from_secs(self.patience));
        let plan = Plan { mode: self.mode(), calls: self.concurrency, clock: clock::now };
        let lines = source.lines(reached.start(), clock::now);
        let mut tell = |event: Event<'_>| match event {
            Event::Faulty(line, errors) => {
                for error in errors {
                    progress.fault(format_args!("line {line}: {}: {}", error.field, error.detail));
                }
            }
            Event::Differs(line, id) => {
                progress.fault(format_args!("line {line}: {id} is stored with other content, which is left alone"));
            }
            Event::Progress(reached, units) => progress.show(state(reached, units)),
        };
        let resumable = checkpoint.is_some();
        let import = Import::new(store.clone(), pace, plan, reached, checkpoint, &mut tell);
        let report = import.run(lines, stopped()).await;
        // People are counted off the way of the writes, and some may be on their way yet; a count that hangs is left out.
        let _ = tokio::time::timeout(COUNTS_WAIT, store.settled()).await;
        // All that caches of the region hold from before counts no more, as after a write that Redis was not told of.
        if let Err(error) = store.count_untold().await {
            progress.fault(format_args!(
                "the caches were not told, and may show for a while what was there before: {error}"
            ));
        }
        progress.end();
        self.print(&report, &reached, started);
        verdict(&report, resumable)
    }

    fn mode(&self) -> Mode {
        if self.assume_empty { Mode::AssumeEmpty } else { Mode::Conditional }
    }

    /// The source, its checkpoint and how far that came.
    fn open(&self, config: &StoreConfig) -> Result<(Source, Option<Checkpoint>, Reached), Failure> {
        let name = self.source.display();
        let is_stream = self.source == Path::new("-");
        let source = if is_stream { Source::stdin() } else { Source::file(&self.source) };
        let source = source.map_err(|error| Failure::usage(format_args!("{name}: {error}")))?;
        let beside = || (!is_stream && source.bytes().is_some()).then(|| beside(&self.source));
        let Some(path) = self.checkpoint.clone().or_else(beside) else {
            return Ok((source, None, Reached::default()));
        };
        let job = Job {
            source: source.fingerprint(),
            mode: self.mode(),
            table: config.echoes.as_str().to_owned(),
            region: config.region.to_string(),
        };
        let opened = Checkpoint::open(path.clone(), job, self.restart);
        let (checkpoint, reached) = opened.map_err(|error| {
            let path = path.display();
            Failure::usage(format_args!("--checkpoint {path}: {error}; --restart begins with the first line"))
        })?;
        Ok((source, Some(checkpoint), reached))
    }

    #[expect(clippy::print_stdout, reason = "the result")]
    fn print(&self, report: &Report, resumed: &Reached, started: Stopwatch) {
        let Reached { lines, bytes, counts } = report.reached;
        let seconds = started.elapsed().as_secs_f64();
        if self.json {
            let summary = Summary {
                complete: report.end == End::Complete,
                lines,
                bytes,
                counts,
                resumed_after_line: resumed.lines,
                write_units: report.units,
                seconds,
            };
            println!("{}", serde_json::json!(summary));
            return;
        }
        let Counts { stored, present, differs, deleted, expired, faulty, blank } = counts;
        println!(
            "{lines} lines: {stored} stored, {present} there already, {differs} with other content left alone, \
             {deleted} deleted left so, {expired} expired, {faulty} faulty, {blank} empty; {} write units in {seconds:.1} s",
            report.units
        );
    }
}

fn verdict(report: &Report, resumable: bool) -> Result<(), Failure> {
    let Reached { lines, counts, .. } = report.reached;
    let again = if resumable { "; the same command goes on there" } else { "" };
    match &report.end {
        End::Complete if counts.faulty > 0 => Err(Failure::failed(format_args!(
            "{} of {lines} lines are no echoes; all others were taken",
            counts.faulty
        ))),
        End::Complete => Ok(()),
        End::Stopped | End::Unwanted => Err(Failure::failed(format_args!("stopped after line {lines}{again}"))),
        End::Failed(why) => Err(Failure::failed(format_args!("{why}; done up to line {lines}{again}"))),
    }
}

/// `FILE.progress`.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".progress");
    name.into()
}

/// Ends with SIGTERM or Ctrl-C.
pub(super) async fn stopped() {
    if app::termination().await.is_err() {
        // No signal can be heard, so none is waited for.
        std::future::pending::<()>().await;
    }
}

fn state(reached: &Reached, units: f64) -> State {
    let Counts { stored, present, .. } = reached.counts;
    State { bytes: reached.bytes, echoes: stored + present, units }
}
