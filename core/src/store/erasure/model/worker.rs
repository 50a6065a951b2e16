//! The worker of one region of the model: the real decisions, on tables that are none.

use echoes_shared::{Region, Timestamp, keys};
use rand::RngExt as _;

use super::World;
use super::site::{Key, Thing};
use crate::store::erasure::decision::{Erasure, Step};
use crate::store::erasure::record::{Place, Record, Walk};
use crate::store::erasure::tally::Grave;

impl World {
    /// One turn of a region's worker, which may die anywhere in it.
    pub(super) fn work(&mut self, at: usize, dies: bool) {
        let site = &self.sites[at];
        let (now, records) = (site.clock(self.now_millis), site.records.clone());
        let erasure = Erasure { own: site.region, regions: &Region::ALL, records: &records };
        match erasure.next(now) {
            Step::Rest | Step::Close(_) => {}
            Step::See(seen) => self.write_record(at, |record| {
                *record =
                    Record { requested: record.requested, done: record.done, seen: Some(seen), ..Record::default() };
            }),
            Step::Walk(mut walk) => {
                let over = self.walk(at, &mut walk, &erasure, dies);
                if !dies && !over {
                    self.write_record(at, |record| record.walk = Some(walk));
                } else if !dies {
                    let finding = erasure.conclude(&walk, now);
                    self.write_record(at, |record| (record.walk, record.finding) = (None, Some(finding)));
                }
            }
            Step::Agree(agreed) => self.write_record(at, |record| record.agreed = Some(agreed)),
            Step::Finish(up_to) => {
                self.write_record(at, |record| record.done = Some(up_to));
                self.done = self.done.max(Some(up_to));
                self.check_done("just when it was said to be done");
            }
        }
    }

    /// A few items of a walk, in the order of the real one.
    fn walk(&mut self, at: usize, walk: &mut Walk, erasure: &Erasure<'_>, dies: bool) -> bool {
        let now = self.sites[at].clock(self.now_millis);
        let duty = erasure.duty(now);
        for _ in 0..self.rng.random_range(1..4) {
            let is_next = |(hash, id): &&Key| {
                let place = (walk.place.hash.as_deref().unwrap_or_default(), walk.place.after);
                id.timestamp() <= walk.up_to
                    && (hash.as_str() > place.0
                        || hash == place.0 && Some(keys::sort_key(*id)) < place.1.map(keys::sort_key))
            };
            let echoes = &self.sites[at].echoes;
            let next = echoes.keys().filter(is_next).min_by_key(|(hash, id)| (hash.clone(), std::cmp::Reverse(*id)));
            let Some(key) = next.cloned() else { return true };
            match self.sites[at].echoes[&key].1.clone() {
                Thing::Living { origin } if duty.includes(origin) => {
                    self.write_echo(at, key.clone(), Thing::Tombstone { deleted_at: now });
                    // Dead before it is written down.
                    if dies && self.rng.random_bool(0.5) {
                        return false;
                    }
                    tally(walk, &key, now, now);
                }
                Thing::Living { .. } => walk.tally.living += 1,
                Thing::Tombstone { deleted_at } => tally(walk, &key, deleted_at, now),
            }
            walk.place = Place { hash: Some(key.0), after: Some(key.1) };
        }
        false
    }
}

fn tally(walk: &mut Walk, key: &Key, deleted_at: Timestamp, now: Timestamp) {
    let ttl = now.plus_days(7).epoch_seconds();
    let grave = Grave { hash: &key.0, id: key.1, deleted_at: &deleted_at.to_string(), ttl };
    walk.tally.add(grave, walk.up_to);
}
