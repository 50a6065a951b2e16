//! What a core does beside serving: jobs that run side by side, each in a loop of its own (`echoes work`, `serve --work`).
//!
//! A job is a type with `async fn pass(&self, now) -> Result<Again, StoreError>`: one small bounded step that can be killed
//! between any two lines and is then taken again. Everything that waits, for an interval, a rate or the end of a failure, is
//! in `rounds`, so that a job never sleeps and stops promptly.

mod beats;
mod erasure;
mod guard;
mod raises;
mod rounds;
mod sweep;

use std::time::Duration;

use echoes_shared::policy::TOMBSTONE_DAYS;
use tokio::sync::watch;

use crate::cache::Cache;
use crate::config::WorkConfig;
use crate::store::Store;
use crate::stream::{Pump, Until};
use crate::units;
use beats::Beats;
use erasure::Erasures;
use guard::Guard;
use raises::Raises;
use rounds::{Cadence, once, rounds};
use sweep::Sweep;

pub use rounds::{Again, Did, Ended, Round, stopped};

const SWEEP: Cadence = Cadence {
    job: "sweep",
    // Nothing older than 90 days is shown, swept or not, so it need not be prompt.
    every: Duration::from_secs(6 * 60 * 60),
};

const ERASURES: Cadence = Cadence {
    job: "erasures",
    // Half a read unit; people wait for it, and the last region's word for a minute besides.
    every: Duration::from_secs(1),
};

const BEATS: Cadence = Cadence {
    job: "beats",
    // Half a read unit, and one write unit in each region for the beat itself every ten seconds.
    every: beats::LOOK,
};

// Half a read unit. Rarely is anything asked, and searches alone wait for it.
const RAISES: Cadence = Cadence { job: "raises", every: Duration::from_secs(60) };

// The stream shows at once where an edit has won over a delete (`sinks/repair.rs`), unless both came as one record: for those, and
// for a stream that stands still, there are two walks over tombstones. A delete is looked at 10 times by the first and 168 times by
// the second: about 90 read units in its week, at half a unit a look.
const YOUNG_MILLIS: u64 = 10 * 60 * 1_000;
const YOUNG_TOMBSTONES: Cadence = Cadence { job: "young-tombstones", every: Duration::from_secs(60) };
const TOMBSTONES: Cadence = Cadence { job: "tombstones", every: Duration::from_secs(60 * 60) };
/// As long as a tombstone lives.
const TOMBSTONE_MILLIS: u64 = TOMBSTONE_DAYS as u64 * 24 * 60 * 60 * 1_000;

/// Every job of one process.
#[derive(Debug)]
struct Jobs {
    /// `None` where its rate is zero.
    sweep: Option<Sweep>,
    erasures: Erasures,
    raises: Raises,
    young_tombstones: Guard,
    tombstones: Guard,
}

impl Jobs {
    fn new(store: &Store, cache: &Cache, config: &WorkConfig) -> Self {
        let sweep = (config.sweep_units_per_second > 0).then(|| Sweep::new(store.clone(), config));
        let guard = |age_millis| Guard::new(store.clone(), cache.clone(), age_millis);
        let erasures = Erasures::new(store.clone(), cache.clone());
        Self {
            sweep,
            erasures,
            raises: Raises::new(store.clone(), cache.clone()),
            young_tombstones: guard(YOUNG_MILLIS),
            tombstones: guard(TOMBSTONE_MILLIS),
        }
    }
}

/// Runs every job and the stream's effects until `stop` is told; what they change is told to `cache`. Then each ends after its
/// present step.
pub async fn run(store: Store, cache: Cache, config: WorkConfig, pump: Pump, stop: watch::Receiver<bool>) {
    let jobs = Jobs::new(&store, &cache, &config);
    let beats = Beats::new(store.clone(), pump.progress().clone());
    let sweep = async {
        if let Some(sweep) = &jobs.sweep {
            rounds(SWEEP, stop.clone(), |now| sweep.pass(now)).await;
        }
    };
    let erasures = rounds(ERASURES, stop.clone(), |now| jobs.erasures.pass(now));
    let beats = rounds(BEATS, stop.clone(), |now| beats.pass(now));
    let raises = rounds(RAISES, stop.clone(), |_| jobs.raises.pass());
    let young = rounds(YOUNG_TOMBSTONES, stop.clone(), |now| jobs.young_tombstones.pass(now));
    let all = rounds(TOMBSTONES, stop.clone(), |now| jobs.tombstones.pass(now));
    // One that runs until it is stopped has nothing to fail with.
    let streams = async {
        let _ = pump.run(Until::Stopped, stop.clone()).await;
    };
    tokio::join!(sweep, erasures, beats, raises, young, all, streams);
}

/// Runs one full round of every job, one after the other, then drains the stream where there is one to read, and says what each
/// did; all are tried, whichever fails.
pub async fn run_once(
    store: Store,
    cache: Cache,
    config: WorkConfig,
    pump: Option<Pump>,
    stop: watch::Receiver<bool>,
) -> Vec<Round> {
    let jobs = Jobs::new(&store, &cache, &config);
    let mut rounds = Vec::new();
    if let Some(sweep) = &jobs.sweep {
        let mut round = once(SWEEP.job, stop.clone(), |now| sweep.pass(now)).await;
        round.did = sweep.did();
        rounds.push(round);
    }
    // The young ones are among all. A beat says that somebody works here from now on, so one round has none.
    let mut round = once(TOMBSTONES.job, stop.clone(), |now| jobs.tombstones.pass(now)).await;
    round.did = jobs.tombstones.did();
    rounds.push(round);
    let mut round = once(ERASURES.job, stop.clone(), |now| jobs.erasures.pass(now)).await;
    round.did = jobs.erasures.did();
    rounds.push(round);
    let mut round = once(RAISES.job, stop.clone(), |_| jobs.raises.pass()).await;
    round.did = jobs.raises.did();
    rounds.push(round);
    if let Some(pump) = pump {
        rounds.push(drain(&pump, stop).await);
    }
    rounds
}

/// Applies all that the stream holds now, as far as no other worker does.
async fn drain(pump: &Pump, stop: watch::Receiver<bool>) -> Round {
    let (drained, units) = units::counted(Box::pin(pump.run(Until::Drained, stop.clone()))).await;
    let ended = match drained {
        Err(error) => Ended::Failed(error),
        Ok(()) if *stop.borrow() => Ended::Stopped,
        Ok(()) => Ended::Done,
    };
    let did = Did { text: "the stream was read".to_owned(), figures: serde_json::json!({}) };
    Round { job: "streams", ended, units, did }
}
