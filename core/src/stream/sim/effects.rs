//! Model sinks over state that outlasts every worker: counters by the real rule, an index, a cache, one that refuses, one that
//! goes away. Each is called as if over a network: late, in part, or without an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use echoes_shared::echo::edition::GONE;
use echoes_shared::{EchoId, Timestamp};
use futures_util::future::BoxFuture;

use super::machine::Machine;
use super::script::{HERE, Script, id};
use crate::sinks::analytics::rule;
use crate::sinks::{Batch, Refused, Sink, SinkName, Unavailable};
use crate::store::{Counter, Tally};
use crate::stream::{Image, Record, Sequence, ShardId};

/// What the sinks have made. Cheap to clone.
#[derive(Debug, Clone)]
pub struct World {
    pub machine: Machine,
    pub script: Script,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
pub struct State {
    pub counters: BTreeMap<Counter, (Tally, BTreeMap<ShardId, Sequence>)>,
    pub index: BTreeMap<EchoId, u64>,
    /// What each item was when it was loaded.
    pub cache: BTreeMap<usize, Option<Image>>,
    /// What each sink has been given, in the order of the first time.
    pub given: BTreeMap<SinkName, Vec<(ShardId, Sequence)>>,
    known: BTreeSet<(SinkName, ShardId, Sequence)>,
    /// Records of a letter's own shard that were applied.
    pub insisted: BTreeSet<ShardId>,
    /// Who gave what to which sink, for whoever looks for a fault.
    pub history: Vec<String>,
    /// Which sinks were told of a loss in which shard.
    pub told_of_loss: BTreeSet<(SinkName, ShardId)>,
    /// Until when a sink is away.
    pub away: BTreeMap<SinkName, u64>,
}

impl World {
    pub fn new(machine: &Machine, script: &Script) -> Self {
        Self { machine: machine.clone(), script: script.clone(), state: Arc::default() }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sinks of a worker.
    pub fn sinks(&self, worker: usize) -> Vec<Arc<dyn Sink>> {
        let model = |name| Arc::new(Model { name, worker, world: self.clone() }) as Arc<dyn Sink>;
        SinkName::ALL.into_iter().map(model).collect()
    }

    /// Fills the cache with an item as it is now.
    pub fn load(&self, item: usize) {
        let image = self.script.read(item);
        self.state().cache.insert(item, image);
    }

    /// Whether a sink always refuses a record.
    pub fn is_poison(record: &Record) -> bool {
        record.sequence.as_str().ends_with("33")
    }
}

#[derive(Debug)]
struct Model {
    name: SinkName,
    worker: usize,
    world: World,
}

impl Model {
    async fn run(&self, batch: &Batch) -> Result<Vec<Refused>, Unavailable> {
        let (machine, script) = (&self.world.machine, &self.world.script);
        let gives_up = || !script.is_calm() && machine.one_in(12);
        let failure = || Err(Unavailable("as scripted".to_owned()));
        machine.dawdle().await;
        let away = self.world.state().away.get(&self.name).copied().unwrap_or_default();
        if machine.millis() < away || gives_up() {
            return failure();
        }
        // What is not applied when it fails may be any part from the front.
        let count = if gives_up() { machine.below(batch.records.len() + 1) } else { batch.records.len() };
        let (records, rest) = batch.records.split_at(count);
        let mut refused = Vec::new();
        self.note(batch, records);
        match self.name {
            SinkName::Analytics => self.count(&batch.shard, records).await,
            SinkName::Search => self.index(records),
            SinkName::Invalidation => self.invalidate(records),
            SinkName::Live => {}
            SinkName::Repair => refused = self.refuse(&batch.shard, records),
        }
        machine.dawdle().await;
        if !rest.is_empty() || gives_up() { failure() } else { Ok(refused) }
    }

    /// Remembers what was given, and that it came in its order.
    fn note(&self, batch: &Batch, records: &[Arc<Record>]) {
        assert!(records.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "a batch is in order");
        let mut state = self.world.state();
        let places: Vec<_> = records.iter().map(|record| record.sequence.as_str()).collect();
        let (millis, worker) = (self.world.machine.millis(), self.worker);
        state.history.push(format!("{millis} {} worker {worker} {} {}", self.name, batch.shard, places.join(" ")));
        if batch.shard.as_str().starts_with("letter:") {
            state.insisted.insert(batch.shard.clone());
            return;
        }
        for record in records {
            let name = (self.name, batch.shard.clone(), record.sequence.clone());
            if state.known.insert(name) {
                let given = state.given.entry(self.name).or_default();
                given.push((batch.shard.clone(), record.sequence.clone()));
            }
        }
    }

    /// As the counters do: read, sum, and write where nothing has changed since.
    async fn count(&self, shard: &ShardId, records: &[Arc<Record>]) {
        for (counter, effects) in rule::effects(records, HERE) {
            loop {
                let seen =
                    |state: &State| state.counters.get(&counter).and_then(|(_, seen)| seen.get(shard).cloned());
                let remembered = seen(&self.world.state());
                self.world.machine.dawdle().await;
                let Some(due) = rule::due(remembered.as_ref(), &effects) else { break };
                let mut state = self.world.state();
                if seen(&state) == remembered {
                    let (tally, known) = state.counters.entry(counter.clone()).or_default();
                    tally.add(&due.sum);
                    known.insert(shard.clone(), due.last);
                    break;
                }
            }
        }
    }

    /// By external versions, of which the highest stays.
    fn index(&self, records: &[Arc<Record>]) {
        let mut state = self.world.state();
        for record in records {
            let edition = record.new_echo().map_or(GONE, echoes_shared::Echo::edition);
            let entry = state.index.entry(record.echo).or_default();
            *entry = edition.max(*entry);
        }
    }

    fn invalidate(&self, records: &[Arc<Record>]) {
        let mut state = self.world.state();
        state.cache.retain(|item, _| !records.iter().any(|record| record.echo == id(*item)));
    }

    fn refuse(&self, shard: &ShardId, records: &[Arc<Record>]) -> Vec<Refused> {
        let insists = shard.as_str().starts_with("letter:");
        // Half of what is refused at first goes the second time.
        let refuses = |record: &&Arc<Record>| {
            World::is_poison(record) || (!insists && record.sequence.as_str().ends_with("66"))
        };
        let refused =
            |record: &Arc<Record>| Refused { sequence: record.sequence.clone(), reason: "poison".to_owned() };
        records.iter().filter(refuses).map(refused).collect()
    }
}

impl Sink for Model {
    fn name(&self) -> SinkName {
        self.name
    }

    fn lost<'a>(&'a self, shard: &'a ShardId, _: Timestamp) -> BoxFuture<'a, Result<(), Unavailable>> {
        self.world.state().told_of_loss.insert((self.name, shard.clone()));
        Box::pin(std::future::ready(Ok(())))
    }

    fn apply<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Refused>, Unavailable>> {
        Box::pin(self.run(batch))
    }
}
