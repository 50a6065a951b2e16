//! Black-box tests through the running stack: the real Worker, four cores, four databases, real cache servers.
//!
//! One stack serves all trials. Those that only use it run side by side; those that break a region run after them, one at a
//! time, and mend what they broke; last the stack is stopped, which is a trial too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic: that is how it fails"
)]

mod analytics;
mod bad_input;
mod bad_query;
mod batch;
mod buckets;
mod caching;
mod convergence;
mod cors;
mod create;
mod delete;
mod echo;
mod edit;
mod emotions;
mod erasure;
mod failover;
mod feed;
mod idempotency;
mod identity;
mod live;
mod locate;
mod one_core;
mod operator;
mod outage;
mod paths;
mod random;
mod readme;
mod recent;
mod replication;
mod s3;
mod search;
mod shards;
mod signatures;
mod stack;
mod status;
mod tiers;
mod timeline;
mod timelines;
mod told;
mod transfer;
mod work;

use std::process::ExitCode;
use std::sync::Arc;

use echoes_tests::World;
use echoes_tests::stack::Stack;
use echoes_tests::verdict;
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

/// The name of a trial and what it does.
type Entry = (&'static str, fn(&World));

/// Lists a module's trials under the module's name.
macro_rules! trials {
    ($name:ident: $($trial:ident),* $(,)?) => {
        pub const $name: &[$crate::Entry] = &[$((concat!(module_path!(), "::", stringify!($trial)), $trial)),*];
    };
}
pub(crate) use trials;

/// Trials that leave every region as it is. They begin in this order: those that wait longest first, so that the others run meanwhile.
const SIDE_BY_SIDE: &[&[Entry]] = &[
    erasure::TRIALS,
    shards::TRIALS,
    emotions::TRIALS,
    analytics::TRIALS,
    feed::TRIALS,
    random::TRIALS,
    recent::TRIALS,
    echo::TRIALS,
    create::TRIALS,
    edit::TRIALS,
    delete::TRIALS,
    timeline::TRIALS,
    batch::TRIALS,
    batch::HOMES,
    timelines::TRIALS,
    work::TRIALS,
    transfer::TRIALS,
    status::TRIALS,
    live::TRIALS,
    identity::TRIALS,
    bad_input::TRIALS,
    bad_query::TRIALS,
    paths::TRIALS,
    cors::TRIALS,
    caching::TRIALS,
    locate::TRIALS,
    replication::TRIALS,
    s3::TRIALS,
    search::TRIALS,
    signatures::TRIALS,
    signatures::FORMS,
    idempotency::TRIALS,
    operator::TRIALS,
    buckets::TRIALS,
    tiers::lies::TRIALS,
    told::TRIALS,
    one_core::TRIALS,
    stack::TRIALS,
];

/// Trials that need the machine for themselves, and those that break regions and mend them.
const ONE_AT_A_TIME: &[&[Entry]] = &[
    readme::ALONE,
    bad_query::ALONE,
    analytics::ALONE,
    idempotency::ALONE,
    batch::ALONE,
    tiers::ALONE,
    tiers::lies::ALONE,
    status::FAULTS,
    replication::FAULTS,
    convergence::FAULTS,
    erasure::FAULTS,
    operator::FAULTS,
    failover::FAULTS,
    outage::FAULTS,
    batch::FAULTS,
    timelines::FAULTS,
    work::FAULTS,
    tiers::faults::FAULTS,
    live::FAULTS,
];

/// Two processors carry five servers and the Workers runtime besides.
const THREADS: usize = 4;
const STOP: &str = "stack::sigterm_stops_everything_with_exit_0";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        let listed = [SIDE_BY_SIDE, ONE_AT_A_TIME].concat().into_iter().flatten();
        let mut listed: Vec<_> = listed.map(|(name, _)| Trial::test(short(name), || Ok(()))).collect();
        listed.push(Trial::test(STOP, || Ok(())));
        return libtest_mimic::run(&arguments, listed).exit_code();
    }
    verdict::listen();
    let stack = match verdict::of(Stack::start) {
        Ok(stack) => stack,
        Err(complaint) => {
            eprintln!("{complaint}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = stack.stop_on_interrupt() {
        eprintln!("Ctrl-C will leave the stack running: {error}");
    }
    let world = Arc::new(stack.world.clone());
    let threads = arguments.test_threads.unwrap_or(THREADS);
    let mut conclusions = vec![
        run(&arguments, threads, trials_of(SIDE_BY_SIDE, &world)),
        run(&arguments, 1, trials_of(ONE_AT_A_TIME, &world)),
    ];
    let stop = move || verdict::of(|| stack.stop()).flatten().map_err(Failed::from);
    // However few trials were asked for, the stack is stopped.
    let all = Arguments { filter: None, skip: Vec::new(), exact: false, ..arguments };
    conclusions.push(run(&all, 1, vec![Trial::test(STOP, stop)]));
    let failed = conclusions.iter().any(Conclusion::has_failed);
    if failed { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn trials_of(lists: &[&[Entry]], world: &Arc<World>) -> Vec<Trial> {
    let trial = |&(name, test): &Entry| {
        let world = Arc::clone(world);
        Trial::test(short(name), move || verdict::of(|| test(&world)).map_err(Failed::from))
    };
    lists.iter().copied().flatten().map(trial).collect()
}

fn run(arguments: &Arguments, threads: usize, trials: Vec<Trial>) -> Conclusion {
    libtest_mimic::run(&Arguments { test_threads: Some(threads), ..arguments.clone() }, trials)
}

/// Without the name of this binary.
fn short(name: &str) -> &str {
    name.split_once("::").map_or(name, |(_, rest)| rest)
}
