//! `echoes analytics`: whether the counters are right, and who was active.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand};
use echoes_shared::Timestamp;
use serde_json::json;

use super::Failure;
use super::import::stopped;
use super::progress::{Progress, State};
use super::walk::WalkArgs;
use crate::cli;
use crate::clock;
use crate::config::{Environment, StoreConfig};
use crate::recount::{Plan, Reading, Recount, recount};
use crate::store::{Counter, Counters, Store, Tally, hour_of};

/// Between two looks at how far a recount is.
const SHOW_PERIOD: Duration = Duration::from_millis(500);
const MILLIS_PER_HOUR: u64 = 60 * 60 * 1_000;
/// Hours that are shown at most: the sets of people end after 90 days.
const MAX_HOURS: u64 = 90 * 24;

/// `echoes analytics …`
#[derive(Debug, Args)]
pub(super) struct AnalyticsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Count this region's echoes anew from the table and show every counter that differs, with exit status 1.
    ///
    /// Each region verifies its own counters, those of the echoes of which it is the origin. It may run while the region serves: what
    /// the table counts is right where it lies between the counter before and after, and what differs is counted again. It reads the
    /// whole table, and holds one line for each person in memory.
    Verify(VerifyArgs),
    /// Show how many people created echoes in each of the last hours, in all regions, and how many echoes.
    Active(ActiveArgs),
}

#[derive(Debug, Args)]
struct VerifyArgs {
    #[command(flatten)]
    walk: WalkArgs,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ActiveArgs {
    /// Hours, the present one included.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=MAX_HOURS))]
    hours: u64,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

impl AnalyticsArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Verify(args) => args.run().await,
            Command::Active(args) => args.run(&cli::store().await?, clock::now()).await,
        }
    }
}

impl VerifyArgs {
    async fn run(self) -> Result<(), Failure> {
        let region = StoreConfig::read(&Environment::process()).map_err(Failure::usage)?.region;
        let store = cli::store().await?;
        let pace = self.walk.pace();
        let plan = Plan { region, segments: self.walk.segments };
        let reading = Reading::default();
        let mut progress = Progress::new("read", None, State::default());
        let shown = async {
            let mut tick = tokio::time::interval(SHOW_PERIOD);
            loop {
                tick.tick().await;
                progress.show(State { echoes: reading.echoes(), ..State::default() });
            }
        };
        let counted = tokio::select! {
            counted = recount(&store, &pace, plan, &reading) => Some(counted),
            never = shown => never,
            () = stopped() => None,
        };
        progress.end();
        let counted = counted.ok_or_else(|| Failure::failed("stopped"))?.map_err(Failure::failed)?;
        self.show(&counted);
        match (counted.differences.len(), counted.damaged) {
            (0, 0) => Ok(()),
            (0, damaged) => Err(Failure::failed(format_args!("{damaged} items of the table are damaged"))),
            (differences, _) => Err(Failure::failed(format_args!("{differences} counts differ from the table"))),
        }
    }

    #[expect(clippy::print_stdout, reason = "what this command is for")]
    fn show(&self, counted: &Recount) {
        if self.json {
            println!("{}", json!(counted));
            return;
        }
        counted.differences.iter().for_each(|difference| println!("{difference}"));
        let Recount { echoes, counters, read_units, .. } = counted;
        println!("{echoes} echoes of this region, {counters} counters, {read_units} read units");
    }
}

impl ActiveArgs {
    #[expect(clippy::print_stdout, reason = "what this command is for")]
    async fn run(self, store: &Store, now: Timestamp) -> Result<(), Failure> {
        let mut lines = Vec::new();
        // The counters of the day that the hour is of: they come together.
        let mut day: Option<(Counters, BTreeMap<Counter, Tally>)> = None;
        for back in (0..self.hours).rev() {
            let hour = hour_of(now).minus_millis(back * MILLIS_PER_HOUR);
            let people = store.active_people(hour).await.map_err(Failure::failed)?;
            let counter = Counter::Hour(hour);
            let group = counter.group();
            let counters = match day.take() {
                Some((of, counters)) if of == group => counters,
                _ => store.counters(&group).await.map_err(Failure::failed)?,
            };
            let created = counters.get(&counter).map_or(0, |tally| tally.created.max(0));
            day = Some((group, counters));
            if self.json {
                lines.push(json!({ "hour": hour, "people": people, "created": created }));
            } else {
                println!("{hour}: {people} people, {created} echoes created");
            }
        }
        if self.json {
            println!("{}", json!({ "hours": lines }));
        }
        Ok(())
    }
}
