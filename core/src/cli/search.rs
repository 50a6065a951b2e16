//! `echoes search`: the search server's index of this region, shown and built anew.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Failure;
use super::import::stopped;
use super::progress::{Progress, State};
use super::walk::WalkArgs;
use crate::cli;
use crate::clock::{self, Stopwatch};
use crate::config::{Environment, OpenSearchUrl, StoreConfig};
use crate::search::fill::{Counts, End, Event, Plan, fill};
use crate::search::opensearch::OpenSearch;
use crate::search::{Index as _, SearchUnavailable};

/// `echoes search …`
#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    #[command(subcommand)]
    command: SearchCommand,
}

#[derive(Debug, Subcommand)]
enum SearchCommand {
    /// Build a new index from the table while searches and the stream go on, then put it in the place of the old one.
    ///
    /// Until then searches find what the old one holds, and what is written meanwhile goes to both. It may be stopped or killed at
    /// any time and run again, from the beginning. Only one should run at a time: a second one takes the first one's place.
    Reindex(ReindexArgs),
    /// Show which index is searched and what it holds; exit 1 if echoes of the table may be missing in it.
    Status {
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// `echoes search reindex …`
#[derive(Debug, Args)]
struct ReindexArgs {
    #[command(flatten)]
    walk: WalkArgs,
    /// Shards of the new index: one for each 30 GB.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=128))]
    shards: u16,
    /// Print the summary as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is printed in the end.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    complete: bool,
    index: &'a str,
    #[serde(flatten)]
    counts: Counts,
    seconds: f64,
}

impl SearchArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let environment = Environment::process();
        let region = StoreConfig::read(&environment).map_err(Failure::usage)?.region;
        let url = OpenSearchUrl::required(&environment).map_err(Failure::usage)?;
        let server = OpenSearch::new(url, region).map_err(failed)?;
        match self.command {
            SearchCommand::Reindex(args) => args.run(&server).await,
            SearchCommand::Status { json } => status(&server, json).await,
        }
    }
}

fn failed(error: SearchUnavailable) -> Failure {
    Failure::failed(format_args!("OpenSearch: {error}"))
}

impl ReindexArgs {
    async fn run(self, server: &OpenSearch) -> Result<(), Failure> {
        let store = cli::store().await?;
        let started = Stopwatch::start();
        let (name, index) = server.build(self.shards).await.map_err(failed)?;
        let index = Arc::new(index);
        let mut progress = Progress::new("read", None, State::default());
        let pace = self.walk.pace();
        let plan = Plan { segments: self.walk.segments, patience: self.walk.patience(), clock: clock::now };
        let mut tell = |event: Event<'_>| match event {
            Event::Damaged(what) => progress.fault(what),
            Event::Refused(refused) => {
                progress.fault(format_args!("{} is refused: {}", refused.id, refused.reason));
            }
            Event::Progress(counts) => {
                let Counts { echoes, gone, read_units: units, .. } = *counts;
                progress.show(State { bytes: 0, echoes: echoes + gone, units });
            }
        };
        let (end, counts) = fill(&store, pace, plan, index.clone(), stopped(), &mut tell).await;
        progress.end();
        let end = match end {
            // What was written last is found in the moment in which the new index takes its place.
            End::Complete => match index.refresh().await {
                Ok(()) => server.replace_by(&name).await.map_err(failed),
                Err(error) => Err(failed(error)),
            },
            End::Stopped => Err(Failure::failed("stopped; the old index stays, run this again to begin anew")),
            End::Failed(why) => Err(Failure::failed(format_args!("{why}; the old index stays"))),
        };
        if end.is_err() {
            // What is left of it would take every write from now on; the next build would remove it too.
            server.give_up(&name).await.unwrap_or_default();
        }
        self.print(&Summary {
            complete: end.is_ok(),
            index: &name,
            counts,
            seconds: started.elapsed().as_secs_f64(),
        });
        end?;
        match counts.damaged + counts.refused {
            0 => Ok(()),
            left_out => Err(Failure::failed(format_args!("{left_out} items are not in the index; all others are"))),
        }
    }

    #[expect(clippy::print_stdout, reason = "the result")]
    fn print(&self, summary: &Summary<'_>) {
        if self.json {
            println!("{}", serde_json::json!(summary));
            return;
        }
        let Summary { complete, index, counts, seconds } = summary;
        let Counts { echoes, gone, expired, damaged, refused, read_units } = counts;
        let became = if *complete { "is searched now" } else { "was given up" };
        println!(
            "{index} {became}: {echoes} echoes, {gone} deleted ones remembered; left out: {expired} expired, {damaged} damaged, \
             {refused} refused; {read_units} read units in {seconds:.1} s"
        );
    }
}

#[expect(clippy::print_stdout, reason = "what this command is for")]
async fn status(server: &OpenSearch, json: bool) -> Result<(), Failure> {
    let status = server.status().await.map_err(failed)?;
    if json {
        println!("{}", serde_json::json!(status));
    } else {
        match &status.index {
            Some(index) => println!(
                "{index}: {} echoes, {} deleted ones remembered, {} bytes",
                status.echoes, status.gone, status.bytes
            ),
            None => println!("no index yet: the first record of the stream makes one"),
        }
        if let Some(building) = &status.building {
            println!("{building} is being built, or was left behind by a build that was killed");
        }
    }
    if status.filled {
        return Ok(());
    }
    Err(Failure::failed("echoes of the table may be missing in the index: run `echoes search reindex`"))
}
