//! The loop that every job runs in: when the next step is due, what a failure does to it, and how it ends.

use std::time::Duration;

use echoes_shared::Timestamp;
use rand::RngExt as _;
use serde_json::Value;
use tokio::sync::watch;

use crate::clock;
use crate::store::StoreError;
use crate::units::{self, Units};

/// The first pause after a failure is a random part of this; it doubles with each failure after that.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// And does not grow beyond this.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// Failures in a row after which a single round gives up. Each has been tried three times by the SDK.
const MAX_FAILURES: u32 = 4;
/// No step asks for a longer pause than this: the largest one there is, at one unit a second.
const MAX_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The first step of a job comes within this, so that processes which start together do not work together.
const MAX_FIRST_WAIT: Duration = Duration::from_secs(2);

/// When a job's next step is due, as its last one says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// There is more to do, after the pause that the set rate asks for; zero is at once.
    After(Duration),
    /// Nothing is left for now: the job's interval begins.
    Later,
}

/// A job's name in the log and its usual interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cadence {
    pub job: &'static str,
    pub every: Duration,
}

/// Takes steps until `stop` is told or dropped, which is looked at between steps and during waits.
///
/// A failure is logged when it begins and when it is over, not each time; it delays this job alone.
pub(super) async fn rounds<F, S>(cadence: Cadence, mut stop: watch::Receiver<bool>, mut step: F)
where
    F: FnMut(Timestamp) -> S,
    S: Future<Output = Result<Again, StoreError>>,
{
    let Cadence { job, every } = cadence;
    let mut wait = part_of(MAX_FIRST_WAIT.min(every));
    let mut failures = 0_u32;
    let mut round = Units::default();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(wait) => {}
        }
        // On the heap, as in every loop here: the calls of a step are large, and a thread's stack is not.
        let (outcome, units) = units::counted(Box::pin(step(clock::now()))).await;
        round += units;
        match &outcome {
            Ok(again) => {
                if failures > 0 {
                    tracing::info!(job, failures, "works again");
                }
                failures = 0;
                if *again == Again::Later {
                    tracing::debug!(job, %round, "a round is over");
                    round = Units::default();
                }
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(job, %error, "fails, and is tried again");
                }
                failures = failures.saturating_add(1);
            }
        }
        wait = pause(outcome.ok(), failures, every);
    }
}

/// Waits until `stop` is told. A sender that is gone is a stop as well.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// How a job's round ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is left for now.
    Done,
    /// The process was told to stop; the next round goes on from there.
    Stopped,
    /// So many failures in a row, this the last.
    Failed(StoreError),
}

/// What a round of a job did, in the job's own words and figures.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Did {
    /// One line for people.
    pub text: String,
    /// One object for machines.
    pub figures: Value,
}

/// What one round of a job came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// The job's name.
    pub job: &'static str,
    /// How it ended.
    pub ended: Ended,
    /// What it consumed in this region.
    pub units: Units,
    /// What it did.
    pub did: Did,
}

/// Takes steps until nothing is left for now, at the same pace as [`rounds`].
pub(super) async fn once<F, S>(job: &'static str, mut stop: watch::Receiver<bool>, mut step: F) -> Round
where
    F: FnMut(Timestamp) -> S,
    S: Future<Output = Result<Again, StoreError>>,
{
    let mut round = Round { job, ended: Ended::Done, units: Units::default(), did: Did::default() };
    let mut failures = 0_u32;
    loop {
        let (outcome, units) = units::counted(Box::pin(step(clock::now()))).await;
        round.units += units;
        let wait = match outcome {
            Ok(Again::Later) => return round,
            Ok(again) => {
                failures = 0;
                pause(Some(again), failures, Duration::ZERO)
            }
            Err(error) => {
                failures += 1;
                if failures >= MAX_FAILURES {
                    round.ended = Ended::Failed(error);
                    return round;
                }
                pause(None, failures, Duration::ZERO)
            }
        };
        tokio::select! {
            biased;
            () = stopped(&mut stop) => {
                round.ended = Ended::Stopped;
                return round;
            }
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// How long to wait before the next step. `again` is `None` after the `failures`-th failure in a row.
fn pause(again: Option<Again>, failures: u32, every: Duration) -> Duration {
    match again {
        Some(Again::After(pause)) => pause.min(MAX_PAUSE),
        // Half to one and a half of it: processes of one region drift apart.
        Some(Again::Later) => every / 2 + part_of(every),
        None => part_of(backoff(failures)),
    }
}

/// The longest pause after the `failures`-th failure in a row.
fn backoff(failures: u32) -> Duration {
    let doubled = 2_u32.checked_pow(failures.saturating_sub(1)).and_then(|times| FIRST_BACKOFF.checked_mul(times));
    doubled.unwrap_or(MAX_BACKOFF).min(MAX_BACKOFF)
}

/// A random part of `whole`.
fn part_of(whole: Duration) -> Duration {
    whole.mul_f64(rand::rng().random_range(0.0..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn pauses_are_jittered_and_bounded() {
        assert_eq!(pause(Some(Again::After(Duration::ZERO)), 0, HOUR), Duration::ZERO);
        assert_eq!(pause(Some(Again::After(Duration::MAX)), 0, HOUR), MAX_PAUSE);
        for failures in [1, 2, 7, 40, u32::MAX] {
            assert!(backoff(failures) <= MAX_BACKOFF);
            assert!(pause(None, failures, HOUR) <= MAX_BACKOFF);
        }
        assert_eq!(backoff(1), FIRST_BACKOFF);
        assert_eq!(backoff(3), FIRST_BACKOFF * 4);
        for _ in 0..100 {
            let later = pause(Some(Again::Later), 0, HOUR);
            assert!(later >= HOUR / 2 && later <= HOUR * 3 / 2);
        }
    }

    fn failing() -> StoreError {
        StoreError::Throttled { operation: "Query" }
    }

    #[tokio::test]
    async fn a_job_that_fails_disturbs_no_other_and_all_stop_promptly() {
        let (stop, stopped) = watch::channel(false);
        let (good, bad) = (AtomicU32::new(0), AtomicU32::new(0));
        let cadence = |job| Cadence { job, every: Duration::from_millis(1) };
        let working = rounds(cadence("good"), stopped.clone(), async |_| {
            good.fetch_add(1, Ordering::Relaxed);
            Ok(Again::After(Duration::ZERO))
        });
        let failed = rounds(cadence("bad"), stopped.clone(), async |_| {
            bad.fetch_add(1, Ordering::Relaxed);
            Err(failing())
        });
        // A job between two rounds has hours to wait, and yet ends at once.
        let idle = rounds(Cadence { job: "idle", every: HOUR }, stopped, async |_| Ok(Again::Later));
        let ends = async {
            while good.load(Ordering::Relaxed) < 100 || bad.load(Ordering::Relaxed) < 1 {
                tokio::task::yield_now().await;
            }
            stop.send(true).unwrap();
        };
        let all = futures_util::future::join4(working, failed, idle, ends);
        tokio::time::timeout(Duration::from_secs(30), all).await.unwrap();
        assert!(bad.load(Ordering::Relaxed) < good.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_single_round_ends_when_nothing_is_left_or_too_much_fails() {
        let (_stop, stopped) = watch::channel(false);
        let mut left = 3;
        let round = once("counts", stopped.clone(), |_| {
            left -= 1;
            std::future::ready(Ok(if left > 0 { Again::After(Duration::ZERO) } else { Again::Later }))
        });
        assert_eq!((round.await.ended, left), (Ended::Done, 0));
    }

    #[tokio::test]
    async fn a_job_whose_owner_is_gone_stops() {
        let (stop, stopped) = watch::channel(false);
        drop(stop);
        let never = async |_| -> Result<Again, StoreError> { unreachable!("it was stopped before its first step") };
        rounds(Cadence { job: "orphan", every: HOUR }, stopped, never).await;
    }
}
