//! The rows of a region in memory, whose calls fail before they are made, after, or are made twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;

use super::machine::Machine;
use super::script::Script;
use crate::store::StoreError;
use crate::stream::{Claim, Kept, Letter, Row, Rows, ShardId, WorkerBeat};

/// The rows, the workers and the letters. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shelf {
    machine: Machine,
    script: Script,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<ShardId, Row>,
    workers: BTreeMap<String, u64>,
    letters: BTreeMap<String, Letter>,
}

impl Shelf {
    pub fn new(machine: &Machine, script: &Script) -> Self {
        Self { machine: machine.clone(), script: script.clone(), state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn all_rows(&self) -> Vec<Row> {
        self.state().rows.values().cloned().collect()
    }

    pub fn letters(&self) -> Vec<Letter> {
        self.state().letters.values().cloned().collect()
    }

    /// A call that may fail before or after it is made, or be made twice because its first answer was lost.
    async fn call<T>(&self, change: impl Fn(&mut State) -> T) -> Result<T, StoreError> {
        let failure = || StoreError::Unreachable { operation: "shelf", cause: "as scripted".to_owned() };
        self.machine.dawdle().await;
        let calm = self.script.is_calm();
        if !calm && self.machine.one_in(20) {
            return Err(failure());
        }
        let mut done = change(&mut self.state());
        if !calm && self.machine.one_in(30) {
            self.machine.dawdle().await;
            done = change(&mut self.state());
        }
        self.machine.dawdle().await;
        if !calm && self.machine.one_in(20) { Err(failure()) } else { Ok(done) }
    }
}

impl Rows for Shelf {
    fn rows<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        Box::pin(self.call(|state| state.rows.values().cloned().collect()))
    }

    fn begin<'a>(&'a self, _: &'a str, row: &'a Row) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.call(|state| {
            let free = !state.rows.contains_key(&row.shard);
            if free {
                state.rows.insert(row.shard.clone(), row.clone());
            }
            free
        }))
    }

    fn take<'a>(&'a self, _: &'a str, seen: &'a Row, owner: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.call(|state| match state.rows.get_mut(&seen.shard) {
            Some(row) if (row.fence, row.beat) == (seen.fence, seen.beat) => {
                row.owner = Some(owner.to_owned());
                row.fence += 1;
                row.beat += 1;
                true
            }
            _ => false,
        }))
    }

    fn keep<'a>(&'a self, _: &'a str, claim: &'a Claim, kept: &'a Kept) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.call(|state| match state.rows.get_mut(&claim.shard) {
            Some(row) if row.owner.as_ref() == Some(&claim.owner) && row.fence == claim.fence => {
                for (sink, before) in &row.positions {
                    assert!(kept.positions.get(sink) >= Some(before), "{sink} goes back in {}", claim.shard);
                }
                row.state = kept.state;
                row.positions = kept.positions.clone();
                row.caught_up = kept.caught_up.or(row.caught_up);
                row.beat += 1;
                if kept.free {
                    row.owner = None;
                }
                true
            }
            _ => false,
        }))
    }

    fn remove<'a>(&'a self, _: &'a str, seen: &'a Row) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.call(|state| {
            if state.rows.get(&seen.shard).is_some_and(|row| row.beat == seen.beat) {
                state.rows.remove(&seen.shard);
            }
        }))
    }

    fn workers(&self) -> BoxFuture<'_, Result<Vec<WorkerBeat>, StoreError>> {
        let beat = |(worker, beat): (&String, &u64)| WorkerBeat { worker: worker.clone(), beat: *beat };
        Box::pin(self.call(move |state| state.workers.iter().map(beat).collect()))
    }

    fn beat<'a>(&'a self, worker: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.call(|state| *state.workers.entry(worker.to_owned()).or_default() += 1))
    }

    fn leave<'a>(&'a self, worker: &'a str, beat: Option<u64>) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.call(move |state| {
            if beat.is_none_or(|beat| state.workers.get(worker) == Some(&beat)) {
                state.workers.remove(worker);
            }
        }))
    }

    fn set_aside<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.call(|state| {
            state.letters.insert(letter.key(), letter.clone());
        }))
    }
}
