//! Four regions in a box: creates, edits, deletes, requests, crashes, partitions and wrong clocks in any order, with the real
//! decisions in between. Whatever happened, what is said to be done stays done, and once all is quiet it is said.

mod site;
mod worker;

use std::collections::BTreeSet;

use echoes_shared::{EchoId, IdempotencyKey, Region, Timestamp};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::decision::{Erasure, FRESH_KEY_MILLIS, Step};
use super::record::Record;
use site::{Key, Site, Thing, Write};

const BASE: Timestamp = Timestamp::from_millis(1_795_388_393_000);
const HASHES: [&str; 2] = ["ana", "ana#202611"];
/// A create may take so long from its look to its write.
const IN_FLIGHT_MILLIS: u64 = 4_000;

/// A region that replication does not reach.
#[derive(Debug, Clone, Copy)]
struct Cut {
    at: usize,
    until_millis: u64,
    /// The tables replicate each for itself: the echoes alone may lag.
    echoes_alone: bool,
}

struct World {
    rng: ChaCha8Rng,
    seed: u64,
    now_millis: u64,
    sites: Vec<Site>,
    /// Writes under way, each to one site.
    messages: Vec<(usize, usize, Write)>,
    cut: Option<Cut>,
    created: BTreeSet<Key>,
    deleted: BTreeSet<EchoId>,
    /// Up to when somebody said that it is done.
    done: Option<Timestamp>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // The clocks of every other world are good.
        let wrong_millis = if seed.is_multiple_of(2) { 300_000 } else { 1_000 };
        let site = |region| Site::new(region, rng.random_range(-wrong_millis..wrong_millis));
        let sites = Region::ALL.map(site).to_vec();
        Self {
            rng,
            seed,
            now_millis: 0,
            sites,
            messages: Vec::new(),
            cut: None,
            created: BTreeSet::new(),
            deleted: BTreeSet::new(),
            done: None,
        }
    }

    fn write_echo(&mut self, at: usize, key: Key, thing: Thing) {
        let held = self.sites[at].echoes.get(&key).map_or(0, |((stamp, _), _)| stamp + 1);
        // The clocks by which the last writer wins are better than ours, but no two are the same.
        let clock = 1_000 + self.now_millis + self.rng.random_range(0..500);
        let stamp = (held.max(clock), self.sites[at].region);
        self.replicate(at, Write::Echo(key, stamp, thing));
    }

    fn write_record(&mut self, at: usize, change: impl FnOnce(&mut Record)) {
        let region = self.sites[at].region;
        let mut record = self.sites[at].records.get(&region).cloned().unwrap_or_default();
        change(&mut record);
        let count = self.sites[at].writes_of_records.get(&region).map_or(1, |count| count + 1);
        self.replicate(at, Write::Record(region, count, Box::new(record)));
    }

    fn replicate(&mut self, from: usize, write: Write) {
        self.sites[from].apply(write.clone());
        let others = (0..self.sites.len()).filter(|to| *to != from);
        self.messages.extend(others.map(|to| (from, to, write.clone())));
    }

    fn deliver(&mut self) {
        if self.messages.is_empty() {
            return;
        }
        let index = self.rng.random_range(0..self.messages.len());
        let (from, to, write) = &self.messages[index];
        let is_cut = self.cut.is_some_and(|cut| {
            let concerns = !cut.echoes_alone || matches!(write, Write::Echo(..));
            self.now_millis < cut.until_millis && concerns && [*from, *to].contains(&cut.at)
        });
        if !is_cut {
            let (_, to, write) = self.messages.swap_remove(index);
            self.sites[to].apply(write);
        }
    }

    /// A process looks whether the person was erased, and writes a little later.
    fn begin_create(&mut self, at: usize) {
        let age_millis = self.rng.random_range(0..120_000);
        let ahead_millis = if self.seed.is_multiple_of(2) { 60_000 } else { 2_000 };
        let key_time = BASE.plus_millis(ahead_millis + self.now_millis).minus_millis(age_millis);
        let key = IdempotencyKey::mint(key_time, &self.rng.random());
        let id = EchoId::derive(&"ana".parse().unwrap(), key);
        let hash = HASHES[self.rng.random_range(0..HASHES.len())];
        let site = &mut self.sites[at];
        let now = site.clock(self.now_millis);
        let is_fresh = now.millis_since(key_time) < FRESH_KEY_MILLIS;
        let up_to = site.records.values().filter_map(|record| record.requested).max();
        if (is_fresh || Some(key_time) > up_to) && site.creating.is_none() {
            let lasts_millis = self.rng.random_range(0..IN_FLIGHT_MILLIS);
            site.creating = Some((self.now_millis + lasts_millis, (hash.to_owned(), id)));
        }
    }

    fn end_creates(&mut self) {
        for at in 0..self.sites.len() {
            if let Some((due, key)) = self.sites[at].creating.take_if(|(due, _)| *due <= self.now_millis) {
                let origin = self.sites[at].region;
                assert!(due <= self.now_millis && !self.sites[at].echoes.contains_key(&key));
                self.created.insert(key.clone());
                self.write_echo(at, key, Thing::Living { origin });
            }
        }
    }

    /// An edit, or an ordinary delete, taken by any region for any home.
    fn change(&mut self, at: usize) {
        let living: Vec<_> = self.sites[at].living_up_to(BASE.plus_days(1)).into_iter().cloned().collect();
        if living.is_empty() {
            return;
        }
        let key = living[self.rng.random_range(0..living.len())].clone();
        let Thing::Living { origin } = self.sites[at].echoes[&key].1 else { unreachable!() };
        if self.rng.random_bool(0.7) {
            self.write_echo(at, key, Thing::Living { origin });
        } else {
            let deleted_at = self.sites[at].clock(self.now_millis);
            self.deleted.insert(key.1);
            self.write_echo(at, key, Thing::Tombstone { deleted_at });
        }
    }

    fn request(&mut self, at: usize) {
        let now = self.sites[at].clock(self.now_millis);
        let newest = self.sites[at].echoes.keys().map(|(_, id)| id.timestamp());
        let up_to = newest.filter(|time| *time <= now.plus_millis(600_000)).fold(now, Ord::max);
        self.write_record(at, |record| record.requested = record.requested.max(Some(up_to)));
    }

    /// Nothing that was erased lives anywhere, or could come to life by what is still under way.
    fn check_done(&self, when: &str) {
        let Some(up_to) = self.done else { return };
        for site in &self.sites {
            let late = site.creating.iter().filter(|(_, (_, id))| id.timestamp() <= up_to);
            assert_eq!(late.count(), 0, "seed {}: {when}: a create is under way", self.seed);
            assert_eq!(site.living_up_to(up_to), Vec::<&Key>::new(), "seed {}: {when}: {}", self.seed, site.region);
        }
        for (_, to, write) in &self.messages {
            if let Write::Echo(key, stamp, Thing::Living { .. }) = write {
                let held = self.sites[*to].echoes.get(key);
                let wins = key.1.timestamp() <= up_to && held.is_none_or(|(held, _)| held < stamp);
                assert!(!wins, "seed {}: {when}: {key:?} is on its way", self.seed);
            }
        }
    }

    fn anything(&mut self) {
        self.now_millis += self.rng.random_range(0..400);
        self.end_creates();
        let at = self.rng.random_range(0..self.sites.len());
        match self.rng.random_range(0..100) {
            0..40 => (0..self.rng.random_range(0..12)).for_each(|_| self.deliver()),
            40..75 => {
                for _ in 0..self.rng.random_range(1..4) {
                    let dies = self.rng.random_bool(0.2);
                    self.work(at, dies);
                }
            }
            75..81 => self.begin_create(at),
            81..90 => self.change(at),
            90..92 if self.now_millis < 20_000 || self.rng.random_bool(0.05) => self.request(at),
            90..92 => {}
            92..98 if self.cut.is_none_or(|cut| self.now_millis >= cut.until_millis) => {
                let until_millis = self.now_millis + self.rng.random_range(0..150_000);
                self.cut = Some(Cut { at, until_millis, echoes_alone: self.rng.random_bool(0.7) });
            }
            92..98 => {}
            // Some time passes.
            _ => self.now_millis += self.rng.random_range(0..10_000),
        }
        self.check_done("after that");
    }

    /// Everything works from here on; how long until it is done.
    fn quiet(&mut self) -> u64 {
        const LONGEST_MILLIS: u64 = 1_000_000;
        self.cut = None;
        let begun_millis = self.now_millis;
        let is_done = |site: &Site| {
            let erasure = Erasure { own: site.region, regions: &Region::ALL, records: &site.records };
            matches!(erasure.next(BASE), Step::Close(_)) || erasure.request().is_none()
        };
        while !self.messages.is_empty() || !self.sites.iter().all(is_done) {
            self.now_millis += 250;
            self.end_creates();
            for _ in 0..self.messages.len().min(20) {
                self.deliver();
            }
            for at in 0..self.sites.len() {
                self.work(at, false);
            }
            self.check_done("when all was quiet");
            let took_millis = self.now_millis - begun_millis;
            assert!(took_millis < LONGEST_MILLIS, "seed {}: not done: {:#?}", self.seed, self.sites[0].records);
        }
        self.now_millis - begun_millis
    }

    /// What was created after the last request lives everywhere.
    fn check_new_life(&self) {
        let up_to = self.sites[0].records.values().filter_map(|record| record.requested).max();
        for key in self.created.iter().filter(|(_, id)| Some(id.timestamp()) > up_to && !self.deleted.contains(id)) {
            for site in &self.sites {
                let held = &site.echoes[key].1;
                assert!(matches!(held, Thing::Living { .. }), "seed {}: {key:?} at {}", self.seed, site.region);
            }
        }
    }
}

#[test]
fn done_is_done_whatever_happened() {
    let (mut erased, mut erased_early, mut longest_millis) = (0, 0, 0);
    for seed in 0..50 {
        let mut world = World::new(seed);
        for _ in 0..1_000 {
            world.anything();
        }
        erased_early += usize::from(world.done.is_some());
        longest_millis = longest_millis.max(world.quiet());
        world.check_new_life();
        erased += usize::from(world.done.is_some());
    }
    println!(
        "{erased} erased, {erased_early} of them in spite of everything, the others within {longest_millis} ms of quiet"
    );
    assert!(erased > 40 && erased_early > 10, "{erased} {erased_early}");
}
