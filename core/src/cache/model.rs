//! Every order of reads, writes and misfortunes in a small world of two processes, one Redis, one Memcached and a store whose
//! index lags: nowhere is anything shown that is older than [`super`] says.
//!
//! The decisions are those that serve ([`super::walk`], [`super::flights::Order`], [`super::memory::Times`], envelopes); what is in
//! here only stands around them. The worlds are small and whole: every event that can happen next is tried in every state, each
//! state once. Whether the model sees anything at all is shown by breaking the rules one at a time: each time it must find a lie.

mod flight;
mod likeness;
mod rule;
mod server;
mod stream;
mod world;

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use rule::{Budget, Event, Fault, Rule};
use world::World;

/// States looked at by one exploration at most, so that a model that grew says so.
const MAX_STATES: usize = 6_000_000;

struct Explorer {
    seen: HashSet<u64>,
    hasher: RandomState,
    path: Vec<Event>,
}

impl Explorer {
    /// Tries everything that can follow; the events that led to a lie, if there is one.
    fn explore(&mut self, world: &World) -> Result<(), String> {
        if !self.seen.insert(self.hasher.hash_one(world)) {
            return Ok(());
        }
        assert!(self.seen.len() < MAX_STATES, "the model has grown");
        for event in world.possible() {
            let mut next = world.clone();
            self.path.push(event);
            next.happen(event).map_err(|lie| format!("{lie} after {:?}", self.path))?;
            self.explore(&next)?;
            self.path.pop();
        }
        Ok(())
    }
}

fn explore(budget: Budget, broken: Option<Rule>) -> Result<usize, String> {
    let mut explorer = Explorer { seen: HashSet::new(), hasher: RandomState::new(), path: Vec::new() };
    explorer.explore(&World::new(budget, broken)).map(|()| explorer.seen.len())
}

const fn budget(flights: [u8; 2], faults: &'static [Fault], seconds: u64) -> Budget {
    Budget { flights, writes: 1, faults, filled: true, streams: false, seconds }
}

const fn streamed(flights: [u8; 2], faults: &'static [Fault], seconds: u64) -> Budget {
    Budget { streams: true, ..budget(flights, faults, seconds) }
}

const LOST: Budget = budget([0, 2], &[Fault::Lose], 6);
const EMPTY: Budget = Budget { filled: false, ..budget([0, 2], &[Fault::Lose], 5) };
const EMPTY_BOTH: Budget = Budget { filled: false, ..budget([1, 1], &[], 3) };
const WRITER_CUT: Budget = budget([0, 2], &[Fault::Cut(0)], 6);
const READER_CUT: Budget = budget([0, 2], &[Fault::Cut(1)], 6);
const UNCOUNTED: Budget = budget([2, 0], &[Fault::Cut(0), Fault::Uncounted], 4);
const RESTORED: Budget = budget([0, 2], &[Fault::Restore], 5);
const DIED: Budget = streamed([0, 2], &[Fault::Die], 7);

fn nothing_old_is_shown(budgets: &[Budget]) {
    for budget in budgets {
        let states = explore(*budget, None).unwrap();
        assert!(states > 1_000, "{budget:?}: only {states} states: the exploration is broken");
        println!("{budget:?}: {states} states");
    }
}

#[test]
fn nothing_old_is_shown_in_any_order_of_events() {
    let both = budget([1, 1], &[Fault::Lose], 5);
    let twice = Budget { writes: 2, ..budget([0, 2], &[], 4) };
    nothing_old_is_shown(&[LOST, EMPTY, EMPTY_BOTH, both, twice]);
}

#[test]
fn nothing_old_is_shown_where_a_process_does_not_reach_redis() {
    nothing_old_is_shown(&[WRITER_CUT, READER_CUT, UNCOUNTED]);
}

#[test]
fn nothing_old_is_shown_where_redis_loses_its_memory_or_gets_an_old_one() {
    let (flushed, own) = (budget([1, 1], &[Fault::Flush], 3), budget([2, 0], &[Fault::Restore], 4));
    nothing_old_is_shown(&[RESTORED, flushed, own]);
}

#[test]
fn nothing_old_is_shown_for_longer_than_until_the_stream_tells_of_it() {
    let (own, lost) = (streamed([2, 0], &[Fault::Die], 6), streamed([0, 2], &[Fault::Die, Fault::Lose], 9));
    let (told_twice, cut) = (streamed([1, 1], &[], 5), streamed([0, 1], &[Fault::Die, Fault::Cut(0)], 7));
    nothing_old_is_shown(&[DIED, own, lost, told_twice, cut]);
}

#[test]
fn without_any_one_rule_something_old_is_shown() {
    for (rule, budget) in [
        (Rule::FillsAreRefused, EMPTY),
        (Rule::StampsAreCompared, LOST),
        (Rule::LivesDiffer, RESTORED),
        (Rule::CountsDiffer, WRITER_CUT),
        (Rule::UntoldIsCounted, WRITER_CUT),
        (Rule::CountIsFollowed, WRITER_CUT),
        (Rule::NewsIsDoubt, WRITER_CUT),
        (Rule::NewsIsYoung, WRITER_CUT),
        (Rule::YoungIsBrief, LOST),
        (Rule::BirthIsChange, EMPTY),
        (Rule::LivesBeginYoung, RESTORED),
        (Rule::AwayIsBrief, READER_CUT),
        (Rule::FlightsAreDetached, LOST),
        (Rule::MemoryIsForgottenTwice, EMPTY_BOTH),
        (Rule::MessagesAreHeard, LOST),
        (Rule::GapIsDoubt, READER_CUT),
        (Rule::ToldBeforeRead, UNCOUNTED),
        (Rule::StreamTells, DIED),
    ] {
        let lie = explore(budget, Some(rule)).expect_err(&format!("nothing depends on {rule:?}"));
        println!("{rule:?}: {lie}");
    }
}
