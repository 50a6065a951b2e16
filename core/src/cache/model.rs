//! Every order of reads, writes and misfortunes in a small world of two processes, one Redis, one Memcached and a store whose
//! index lags: nowhere is anything shown that is older than [`super`] says.
//!
//! The decisions are those that serve ([`super::walk`], [`super::flights::Order`], [`super::memory::Times`], envelopes); `world.rs` has only what
//! stands around them. The world is small and whole: every event that can happen next is tried in every state, each state once.
//! Whether the model sees anything at all is shown by breaking the rules one at a time: each time it must find a lie.

mod world;

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use world::{Budget, Event, Rule, World};

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
    // Depth is bounded by the budget, but a test's thread has a small stack.
    let run = move || {
        let mut explorer = Explorer { seen: HashSet::new(), hasher: RandomState::new(), path: Vec::new() };
        explorer.explore(&World::new(budget, broken)).map(|()| explorer.seen.len())
    };
    std::thread::Builder::new().stack_size(256 << 20).spawn(run).unwrap().join().unwrap()
}

/// Reads on both sides of a write that is told, or not.
const WRITES: Budget = Budget { reads: [0, 2], writes: 1, misfortunes: 0, seconds: 3 };
/// The same with one misfortune of Redis.
const MISFORTUNES: Budget = Budget { reads: [0, 1], writes: 1, misfortunes: 1, seconds: 6 };
/// One process that writes and goes on reading.
const ALONE: Budget = Budget { reads: [2, 0], writes: 1, misfortunes: 1, seconds: 2 };

#[test]
#[ignore = "takes minutes without optimisation"]
fn nothing_old_is_shown_in_any_order_of_events() {
    for budget in [WRITES, MISFORTUNES, ALONE] {
        let began = crate::clock::Stopwatch::start();
        let states = explore(budget, None).unwrap();
        eprintln!("{:?}", began.elapsed());
        assert!(states > 1_000, "{budget:?}: only {states} states: the exploration is broken");
        eprintln!("{budget:?}: {states} states");
    }
}

#[test]
#[ignore = "takes minutes without optimisation"]
fn without_any_one_rule_something_old_is_shown() {
    for rule in Rule::ALL {
        let lie = [WRITES, MISFORTUNES, ALONE].into_iter().find_map(|budget| explore(budget, Some(*rule)).err());
        eprintln!("{rule:?}: {lie:?}");
        assert!(lie.is_some(), "nothing depends on {rule:?}");
    }
}
