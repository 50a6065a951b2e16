//! One region of the model: its clock, what its tables hold, and how the last writer wins in them.

use std::collections::BTreeMap;

use echoes_shared::{EchoId, Region, Timestamp};

use super::BASE;
use crate::store::erasure::record::Record;

pub(super) type Stamp = (u64, Region);
pub(super) type Key = (String, EchoId);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Thing {
    Living { origin: Region },
    Tombstone { deleted_at: Timestamp },
}

#[derive(Debug, Clone)]
pub(super) enum Write {
    Echo(Key, Stamp, Thing),
    Record(Region, u64, Box<Record>),
}

/// One region: its clock, its tables, and a create that is under way.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) region: Region,
    skew_millis: i64,
    pub(super) echoes: BTreeMap<Key, (Stamp, Thing)>,
    pub(super) records: BTreeMap<Region, Record>,
    pub(super) writes_of_records: BTreeMap<Region, u64>,
    pub(super) creating: Option<(u64, Key)>,
}

impl Site {
    pub(super) fn new(region: Region, skew_millis: i64) -> Self {
        let (echoes, records, writes_of_records) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { region, skew_millis, echoes, records, writes_of_records, creating: None }
    }

    pub(super) fn clock(&self, now_millis: u64) -> Timestamp {
        Timestamp::from_millis(BASE.millis().saturating_add(now_millis).saturating_add_signed(self.skew_millis))
    }

    pub(super) fn apply(&mut self, write: Write) {
        match write {
            Write::Echo(key, stamp, thing) => {
                if self.echoes.get(&key).is_none_or(|(held, _)| *held < stamp) {
                    self.echoes.insert(key, (stamp, thing));
                }
            }
            Write::Record(region, count, record) => {
                let held = self.writes_of_records.entry(region).or_default();
                if *held < count {
                    *held = count;
                    self.records.insert(region, *record);
                }
            }
        }
    }

    pub(super) fn living_up_to(&self, up_to: Timestamp) -> Vec<&Key> {
        let is_living = |(key, (_, thing)): &(&Key, &(Stamp, Thing))| {
            key.1.timestamp() <= up_to && matches!(thing, Thing::Living { .. })
        };
        self.echoes.iter().filter(is_living).map(|(key, _)| key).collect()
    }
}
