//! The pump in virtual time, over a scripted stream, with workers that are killed, frozen and stopped at any await.
//!
//! After each run the counters, the index and the cache are what the table implies, records came to each sink in the order of
//! their item, and whatever a sink has not had stands in a letter. `make sim SEEDS=n` runs more than the tests do.

mod effects;
mod machine;
mod script;
mod shelf;
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use echoes_shared::echo::edition::GONE;
use echoes_shared::{EchoId, Emotion};
use tokio::sync::watch;

use super::{Entry, Image, Letter, LetterKind, Progress, Pump, Sequence, ShardId, State, Until, What};
use crate::metrics::Metrics;
use crate::sinks::SinkName;
use crate::sinks::analytics::rule;
use crate::store::{Counter, Tally};
use effects::World;
use machine::{Machine, NOBODY};
use script::{HERE, PLACES, Script, id};
use shelf::Shelf;

const HOUR_MILLIS: u64 = 60 * 60 * 1_000;

/// A run's parts. Cheap to clone.
#[derive(Clone)]
struct Run {
    machine: Machine,
    script: Script,
    shelf: Shelf,
    world: World,
    crew: Arc<Mutex<Crew>>,
}

/// The workers that live, and the ways to stop any that has lived: a worker that is killed is not told to stop.
#[derive(Default)]
struct Crew {
    living: BTreeMap<usize, watch::Sender<bool>>,
    gone: Vec<watch::Sender<bool>>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let machine = Machine::new(seed);
        let script = Script::new(&machine);
        let shelf = Shelf::new(&machine, &script);
        let world = World::new(&machine, &script);
        Self { machine, script, shelf, world, crew: Arc::default() }
    }

    /// A new worker.
    fn hire(&self) {
        let host = self.machine.host();
        let worker = host.worker;
        let (source, rows) = (Arc::new(self.script.clone()), Arc::new(self.shelf.clone()));
        let progress = Progress::new(Metrics::new().unwrap());
        let name = format!("worker-{worker}");
        let pump = Pump::on(Arc::new(host), name, source, rows, self.world.sinks(worker), progress);
        let (stop, stopped) = watch::channel(false);
        let run = self.clone();
        let task = Box::pin(async move {
            pump.run(Until::Stopped, stopped).await.unwrap();
            run.crew.lock().unwrap().living.remove(&worker);
        });
        // The worker runs on its own; what would end it is kept for ever.
        std::mem::forget(self.machine.spawn(worker, task));
        self.crew.lock().unwrap().living.insert(worker, stop);
    }

    fn kill(&self, worker: usize) {
        self.machine.kill(worker);
        let mut crew = self.crew.lock().unwrap();
        if let Some(stop) = crew.living.remove(&worker) {
            crew.gone.push(stop);
        }
    }

    fn living(&self) -> Vec<usize> {
        self.crew.lock().unwrap().living.keys().copied().collect()
    }

    /// What happened, for whoever looks for a fault.
    fn history(&self) -> String {
        let state = self.world.state();
        let rows = self.shelf.all_rows();
        let letters = self.shelf.letters();
        format!("{}\n{rows:#?}\n{letters:?}\n{:?}", state.history.join("\n"), self.script)
    }

    /// Does something to one of the workers.
    fn disturb(&self) {
        let living = self.living();
        let any = |living: &[usize]| living[self.machine.below(living.len())];
        match self.machine.below(10) {
            _ if living.is_empty() => self.hire(),
            0..=2 if living.len() < 3 => self.hire(),
            3..=4 => self.kill(any(&living)),
            5..=6 => self.machine.freeze(any(&living), 1_000 * self.machine.below(30) as u64),
            7 => {
                let _ = self.crew.lock().unwrap().living[&any(&living)].send(true);
            }
            8 => {
                let sink = SinkName::ALL[self.machine.below(SinkName::ALL.len())];
                let until = self.machine.millis() + 5_000 + self.machine.below(40_000) as u64;
                self.world.state().away.insert(sink, until);
            }
            _ => {}
        }
    }

    /// Some writes, and what happens meanwhile.
    async fn live(&self, writes: usize, disturbed: bool) {
        for _ in 0..writes {
            self.machine.sleep(self.machine.below(1_000) as u64).await;
            self.script.write(self.machine.below(PLACES));
            if self.machine.one_in(25) {
                self.script.split();
            }
            if self.machine.one_in(3) {
                let items = self.script.items();
                self.world.load(self.machine.below(items));
            }
            if disturbed && self.machine.one_in(6) {
                self.disturb();
            }
        }
    }

    /// Nobody works for more than a day, so that records go unread; they begin again with a stream that has gone on.
    async fn stay_away(&self) {
        self.living().into_iter().for_each(|worker| self.kill(worker));
        self.live(3, false).await;
        self.script.split();
        self.machine.sleep(20 * HOUR_MILLIS).await;
        self.live(3, false).await;
        self.machine.sleep(5 * HOUR_MILLIS).await;
        self.live(3, false).await;
    }
}

fn simulate(seed: u64) {
    let run = Run::new(seed);
    let over = Arc::new(AtomicBool::new(false));
    run.hire();
    let (driven, told) = (run.clone(), Arc::clone(&over));
    let driver = run.machine.spawn(
        NOBODY,
        Box::pin(async move {
            driven.live(40 + driven.machine.below(60), true).await;
            if seed.is_multiple_of(4) {
                driven.stay_away().await;
                driven.live(20, true).await;
            }
            told.store(true, Ordering::Relaxed);
        }),
    );
    while !over.load(Ordering::Relaxed) {
        run.machine.run(run.machine.millis() + 10_000);
    }
    drop(driver);
    run.script.calm.store(true, Ordering::Relaxed);
    // Some go on with whoever lived to the end, some with new ones.
    if run.machine.one_in(2) {
        run.living().into_iter().for_each(|worker| run.kill(worker));
    }
    run.hire();
    run.machine.run(run.machine.millis() + 150_000);
    let fault = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&run, seed)));
    if let Err(fault) = fault {
        println!("{}", run.history());
        std::panic::resume_unwind(fault);
    }
}

fn check(run: &Run, seed: u64) {
    let written = run.script.written();
    let letters = run.shelf.letters();
    let state = run.world.state();
    let mut lost: BTreeSet<EchoId> = BTreeSet::new();
    let empty = Vec::new();
    for sink in SinkName::ALL {
        let given = state.given.get(&sink).unwrap_or(&empty);
        let known: BTreeSet<_> = given.iter().cloned().collect();
        for (shard, entry) in &written {
            let letter =
                |kind| letters.iter().filter(move |one| one.sink == sink && one.shard == *shard && one.kind == kind);
            let own = |kind| letter(kind).any(|one| one.sequence.as_ref() == Some(&entry.sequence));
            let missed = letter(LetterKind::Trimmed).any(|one| one.sequence.as_ref() < Some(&entry.sequence))
                || came_and_went(&letters, sink, shard);
            match &entry.what {
                What::Damaged(_) => {
                    assert!(own(LetterKind::Damaged) || missed, "seed {seed}: {sink} {shard} {entry:?}")
                }
                What::Record(record) if known.contains(&(shard.clone(), entry.sequence.clone())) => {
                    let refused = sink == SinkName::Repair && World::is_poison(record);
                    let fits = own(LetterKind::Refused) == refused || (refused && missed);
                    assert!(fits, "seed {seed}: {sink} {shard} {entry:?}");
                }
                What::Record(record) => {
                    assert!(missed, "seed {seed}: {sink} never had {shard} {entry:?}, and no letter says so");
                    lost.insert(record.echo);
                }
            }
        }
        in_order(given, &written, seed, sink);
    }
    let trimmed = letters.iter().filter(|letter| letter.kind == LetterKind::Trimmed);
    let trimmed: BTreeSet<_> = trimmed.map(|letter| (letter.sink, letter.shard.clone())).collect();
    assert!(state.told_of_loss.is_superset(&trimmed), "seed {seed}: {trimmed:?}, {:?}", state.told_of_loss);
    if !seed.is_multiple_of(4) {
        assert!(!letters.iter().any(|letter| letter.kind == LetterKind::Trimmed), "seed {seed}: nothing was trimmed");
    }

    // What was in hand when records were lost may have been counted in part.
    let counts = !letters.iter().any(|one| one.sink == SinkName::Analytics && one.kind == LetterKind::Trimmed);
    let analytics = state.given.get(&SinkName::Analytics).unwrap_or(&empty);
    if counts {
        assert_eq!(counted(&state.counters), implied(analytics, &written), "seed {seed}: counters");
    }
    let mut living: BTreeMap<Emotion, i64> = BTreeMap::new();
    for item in 0..run.script.items() {
        let image = run.script.read(item);
        if let Some(Image::Echo(echo)) =
            image.as_ref().filter(|image| image.echo().is_some_and(|echo| echo.origin == HERE))
        {
            *living.entry(echo.emotion).or_default() += 1;
        }
        if lost.contains(&id(item)) {
            continue;
        }
        if let Some(indexed) = state.index.get(&id(item)) {
            let edition = image.as_ref().and_then(Image::echo).map_or(GONE, |echo| echo.edition());
            assert_eq!(*indexed, edition, "seed {seed}: item {item} in the index");
        } else {
            assert!(image.is_none_or(|image| image.echo().is_none()), "seed {seed}: item {item} is not in the index");
        }
        if let Some(cached) = state.cache.get(&item) {
            assert_eq!(*cached, run.script.read(item), "seed {seed}: item {item} in the cache");
        }
    }
    if counts {
        let all = counted(&state.counters).remove(&Counter::All).unwrap_or_default();
        assert_eq!(all.living, living, "seed {seed}: the counters say what the table says");
    }
    at_the_end(run, seed);
}

/// Whether a later shard was found unread and gone: then this one may have been, which nobody has ever seen.
fn came_and_went(letters: &[Letter], sink: SinkName, shard: &ShardId) -> bool {
    let number = |shard: &ShardId| shard.as_str().trim_start_matches("shard-").parse::<usize>().unwrap();
    let unread = |one: &&Letter| one.sink == sink && one.kind == LetterKind::Trimmed && one.sequence.is_none();
    letters.iter().filter(unread).any(|letter| number(&letter.shard) > number(shard))
}

/// Every open shard is read to its end, and every row of a shard that has ended is done.
fn at_the_end(run: &Run, seed: u64) {
    let rows: BTreeMap<ShardId, _> = run.shelf.all_rows().into_iter().map(|row| (row.shard.clone(), row)).collect();
    let open: BTreeMap<_, _> = run.script.open_ends().into_iter().collect();
    for (shard, last) in &open {
        let row = rows.get(shard).unwrap_or_else(|| panic!("seed {seed}: {shard} has no row"));
        assert!(row.owner.is_some(), "seed {seed}: nobody reads {shard}");
        for sink in SinkName::ALL {
            let at = row.positions.get(sink.as_str());
            assert!(at == last.as_ref() || last.is_none(), "seed {seed}: {sink} of {shard}: {at:?} of {last:?}");
        }
    }
    for row in rows.values().filter(|row| !open.contains_key(&row.shard)) {
        assert_eq!(row.state, State::Done, "seed {seed}: {row:?}");
    }
}

/// A sink had each item's records in their order, whatever came twice.
fn in_order(given: &[(ShardId, Sequence)], written: &[(ShardId, Arc<Entry>)], seed: u64, sink: SinkName) {
    let items: BTreeMap<_, _> = written
        .iter()
        .filter_map(|(_, entry)| match &entry.what {
            What::Record(record) => Some((entry.sequence.as_str(), record.echo)),
            What::Damaged(_) => None,
        })
        .collect();
    let mut last: BTreeMap<EchoId, &Sequence> = BTreeMap::new();
    for (shard, sequence) in given {
        let before = last.insert(items[sequence.as_str()], sequence);
        assert!(before < Some(sequence), "seed {seed}: {sink} had {before:?} before {sequence} of {shard}");
    }
}

fn counted(counters: &BTreeMap<Counter, (Tally, BTreeMap<ShardId, Sequence>)>) -> BTreeMap<Counter, Tally> {
    let counted = counters.iter().map(|(counter, (tally, _))| (counter.clone(), tally.clone()));
    counted.filter(|(_, tally)| !tally.is_zero()).collect()
}

/// What the records that were given imply, each of them once.
fn implied(given: &[(ShardId, Sequence)], written: &[(ShardId, Arc<Entry>)]) -> BTreeMap<Counter, Tally> {
    let given: BTreeSet<&str> = given.iter().map(|(_, sequence)| sequence.as_str()).collect();
    let mut tallies: BTreeMap<Counter, Tally> = BTreeMap::new();
    for (_, entry) in written.iter().filter(|(_, entry)| given.contains(entry.sequence.as_str())) {
        let What::Record(record) = &entry.what else { continue };
        for (counter, effects) in rule::effects(&[Arc::clone(record)], HERE) {
            effects.iter().for_each(|effect| tallies.entry(counter.clone()).or_default().add(&effect.change));
        }
    }
    tallies.retain(|_, tally| !tally.is_zero());
    tallies
}
