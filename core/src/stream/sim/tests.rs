//! The runs: each seed is a run of its own, and there are as many at a time as there are processors.

use std::num::NonZero;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::simulate;

/// Runs in the unit tests.
const SEEDS: u64 = 200;

/// The seed that `ECHOES_SIM_SEED` names alone, or else the first 200, or as many as `ECHOES_SIM_SEEDS` says.
#[expect(clippy::disallowed_methods, reason = "the test's own environment, set by `make sim`")]
fn seeds() -> Range<u64> {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    match number("ECHOES_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ECHOES_SIM_SEEDS").unwrap_or(SEEDS),
    }
}

#[test]
fn every_record_is_applied_once_in_effect_whatever_happens() {
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    let run = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            if std::panic::catch_unwind(|| simulate(seed)).is_err() {
                println!("seed {seed} failed; alone: make sim SEED={seed}");
                failed.lock().unwrap().push(seed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(run);
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    assert!(
        failed.is_empty(),
        "{} of {} seeds, each alone by make sim SEED=…: {failed:?}",
        failed.len(),
        seeds.end - seeds.start
    );
}
