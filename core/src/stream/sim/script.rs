//! A table and its stream, as DynamoDB may behave: shards split late, records are merged, pages are empty, repeated or refused,
//! and what is older than a day is gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use echoes_shared::{Echo, EchoId, Emotion, IdempotencyKey, Region, Timestamp};
use futures_util::future::BoxFuture;

use super::machine::Machine;
use crate::samples::content;
use crate::store::StoreError;
use crate::stream::{
    Damaged, Entry, Image, Listed, Listing, Page, Record, Sequence, ShardId, Source, SourceError, Start, Tombstone,
    What,
};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;
/// An iterator lives so long.
const ITERATOR_MILLIS: u64 = 15 * 60 * 1_000;
/// A child is listed up to so long after its parent has ended.
const LATE_MILLIS: usize = 5_000;
/// Places for items; one that is gone makes place for another, since an id is never used again.
pub const PLACES: usize = 12;
pub const HERE: Region = Region::EuWest1;

/// The table and its stream. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Script {
    machine: Machine,
    state: Arc<Mutex<State>>,
    /// Nothing fails any more.
    pub calm: Arc<std::sync::atomic::AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    table: BTreeMap<usize, Image>,
    /// The item of each place.
    places: BTreeMap<usize, usize>,
    shards: Vec<Shard>,
    next: u64,
    edits: u64,
}

#[derive(Debug)]
struct Shard {
    id: ShardId,
    parent: Option<ShardId>,
    /// The items whose records it takes: those of this remainder by this divisor.
    divisor: usize,
    remainder: usize,
    closed_millis: Option<u64>,
    listed_millis: u64,
    entries: Vec<Arc<Entry>>,
}

impl Script {
    pub fn new(machine: &Machine) -> Self {
        let root = Shard {
            id: ShardId::new("shard-0"),
            parent: None,
            divisor: 1,
            remainder: 0,
            closed_millis: None,
            listed_millis: 0,
            entries: Vec::new(),
        };
        let state = State { shards: vec![root], next: 1_000, ..State::default() };
        Self { machine: machine.clone(), state: Arc::new(Mutex::new(state)), calm: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn fails(&self, times: u32) -> bool {
        !self.is_calm() && self.machine.one_in(times)
    }

    /// What lies under an item's key.
    pub fn read(&self, item: usize) -> Option<Image> {
        self.state().table.get(&item).cloned()
    }

    /// Every record that has been written, by shard.
    pub fn written(&self) -> Vec<(ShardId, Arc<Entry>)> {
        let state = self.state();
        let of = |shard: &Shard| {
            shard.entries.iter().map(|entry| (shard.id.clone(), Arc::clone(entry))).collect::<Vec<_>>()
        };
        state.shards.iter().flat_map(of).collect()
    }

    /// The last record of each open shard, if it is still kept.
    pub fn open_ends(&self) -> Vec<(ShardId, Option<Sequence>)> {
        let state = self.state();
        let open = state.shards.iter().filter(|shard| shard.closed_millis.is_none());
        let last =
            |shard: &Shard| shard.entries.get(self.horizon(shard)..)?.last().map(|entry| entry.sequence.clone());
        open.map(|shard| (shard.id.clone(), last(shard))).collect()
    }

    /// How many items there have been at most.
    pub fn items(&self) -> usize {
        self.state().places.values().max().map_or(0, |item| item + 1)
    }

    /// Writes the item of a place once or several times, which the stream may show as one record; that item's number.
    pub fn write(&self, place: usize) -> usize {
        let item = *self.state().places.entry(place).or_insert(place);
        self.write_item(item);
        if self.read(item).is_none() {
            self.state().places.insert(place, item + PLACES);
        }
        item
    }

    fn write_item(&self, item: usize) {
        let times = 1 + self.machine.below(3);
        let merged = self.machine.one_in(2);
        let mut old = self.read(item);
        let first = old.clone();
        for time in 0..times {
            let new = self.next_image(item, old.clone());
            match &new {
                Some(image) => self.state().table.insert(item, image.clone()),
                None => self.state().table.remove(&item),
            };
            if !merged {
                self.append(item, old, new.clone());
            } else if time + 1 == times && new.is_some() {
                self.append(item, first.clone(), new.clone());
            }
            old = new;
            if old.is_none() {
                if merged {
                    self.append(item, first, None);
                }
                return;
            }
        }
    }

    fn next_image(&self, item: usize, old: Option<Image>) -> Option<Image> {
        let now = self.machine.now();
        let choice = self.machine.below(4);
        let mut state = self.state();
        state.edits += 1;
        match old {
            None => Some(Image::Echo(Box::new(echo(item, state.edits, now)))),
            Some(Image::Tombstone(tombstone)) if choice > 0 => Some(Image::Tombstone(tombstone)),
            Some(Image::Tombstone(_)) => None,
            Some(Image::Echo(_)) if choice == 0 => None,
            Some(Image::Echo(echo)) if choice == 1 => {
                Some(Image::Tombstone(Tombstone { deleted_at: now, was: Some(echo.emotion) }))
            }
            Some(Image::Echo(mut echo)) => {
                // An evacuation is an edit too.
                if choice == 2 {
                    echo.origin = if echo.origin == HERE { Region::UsEast1 } else { HERE };
                }
                echo.version += 1;
                echo.updated_at = now;
                Some(Image::Echo(echo))
            }
        }
    }

    fn append(&self, item: usize, old: Option<Image>, new: Option<Image>) {
        let at = Timestamp::from_millis(self.machine.now().millis() / 1_000 * 1_000);
        // One that changes nothing, so that nobody misses it.
        let damaged = old == new && self.machine.one_in(3);
        let mut state = self.state();
        state.next += 7;
        let sequence = sequence(state.next);
        let record = Record {
            sequence: sequence.clone(),
            at,
            hash: "ana".to_owned(),
            echo: id(item),
            old,
            new,
            expired: false,
        };
        let what = if damaged {
            What::Damaged(Damaged { reason: "broken".to_owned(), raw: "{}".to_owned() })
        } else {
            What::Record(Arc::new(record))
        };
        let open = state
            .shards
            .iter_mut()
            .find(|shard| shard.closed_millis.is_none() && item % shard.divisor == shard.remainder);
        open.expect("every item has an open shard").entries.push(Arc::new(Entry {
            sequence,
            at,
            bytes: 1_000,
            what,
        }));
    }

    /// Ends an open shard, which two others go on from, or one.
    pub fn split(&self) {
        let (millis, late, halves) =
            (self.machine.millis(), self.machine.below(LATE_MILLIS) as u64, self.machine.one_in(2));
        let pick = self.machine.below(8);
        let mut state = self.state();
        let open: Vec<_> =
            (0..state.shards.len()).filter(|index| state.shards[*index].closed_millis.is_none()).collect();
        let index = open[pick % open.len()];
        let number = state.shards.len();
        let parent = &mut state.shards[index];
        parent.closed_millis = Some(millis);
        let (divisor, remainder, parent) = (parent.divisor, parent.remainder, parent.id.clone());
        let parts = if halves && divisor < 4 { vec![remainder, remainder + divisor] } else { vec![remainder] };
        let divisor = divisor * parts.len();
        for (part, remainder) in parts.into_iter().enumerate() {
            state.shards.push(Shard {
                id: ShardId::new(format!("shard-{}", number + part)),
                parent: Some(parent.clone()),
                divisor,
                remainder,
                closed_millis: None,
                listed_millis: millis + late,
                entries: Vec::new(),
            });
        }
    }

    /// The first record that is still kept.
    fn horizon(&self, shard: &Shard) -> usize {
        let oldest = self.machine.now().millis().saturating_sub(DAY_MILLIS);
        shard.entries.partition_point(|entry| entry.at.millis() < oldest)
    }

    /// Whether a shard is listed: until a day after its end.
    fn is_kept(&self, shard: &Shard) -> bool {
        let millis = self.machine.millis();
        shard.closed_millis.is_none_or(|closed| millis.saturating_sub(closed) < DAY_MILLIS)
    }

    fn describe(&self) -> Listing {
        let millis = self.machine.millis();
        let state = self.state();
        let seen = state.shards.iter().filter(|shard| shard.listed_millis <= millis && self.is_kept(shard));
        let listed = |shard: &Shard| Listed { id: shard.id.clone(), parent: shard.parent.clone() };
        Listing { label: "stream".to_owned(), shards: seen.map(listed).collect() }
    }

    fn find(&self, shard: &ShardId, start: &Start) -> Result<String, SourceError> {
        let state = self.state();
        let known =
            state.shards.iter().find(|known| known.id == *shard && self.is_kept(known)).ok_or(SourceError::Gone)?;
        let horizon = self.horizon(known);
        let index = match start {
            Start::Oldest => horizon,
            Start::After(after) => {
                let index = known.entries.partition_point(|entry| entry.sequence <= *after);
                if index > 0 && index <= horizon {
                    return Err(SourceError::Trimmed);
                }
                index
            }
        };
        Ok(format!("{shard}|{index}|{}", self.machine.millis()))
    }

    fn turn(&self, iterator: &str) -> Result<Page, SourceError> {
        let mut parts = iterator.split('|');
        let shard = ShardId::new(parts.next().unwrap_or_default());
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok()).unwrap_or_default();
        let (index, born) = (number() as usize, number());
        if self.machine.millis() - born > ITERATOR_MILLIS || self.fails(80) {
            return Err(SourceError::Expired);
        }
        let (empty, repeats, limit) = (self.fails(10), self.fails(15), 1 + self.machine.below(9));
        let state = self.state();
        let known =
            state.shards.iter().find(|known| known.id == shard && self.is_kept(known)).ok_or(SourceError::Gone)?;
        if self.horizon(known) > index {
            return Err(SourceError::Trimmed);
        }
        let end = if empty { index } else { known.entries.len().min(index + limit) };
        let from = if repeats && end > index { index.saturating_sub(3).max(self.horizon(known)) } else { index };
        let entries = known.entries[from..end].to_vec();
        let ended = known.closed_millis.is_some() && end == known.entries.len();
        Ok(Page { entries, next: (!ended).then(|| format!("{shard}|{end}|{}", self.machine.millis())) })
    }
}

fn unavailable() -> StoreError {
    StoreError::Unreachable { operation: "script", cause: "as scripted".to_owned() }
}

impl Source for Script {
    fn listing(&self) -> BoxFuture<'_, Result<Listing, StoreError>> {
        Box::pin(async move {
            self.machine.dawdle().await;
            if self.fails(15) { Err(unavailable()) } else { Ok(self.describe()) }
        })
    }

    fn iterator<'a>(&'a self, shard: &'a ShardId, start: &'a Start) -> BoxFuture<'a, Result<String, SourceError>> {
        Box::pin(async move {
            self.machine.dawdle().await;
            if self.fails(20) { Err(SourceError::Unavailable(unavailable())) } else { self.find(shard, start) }
        })
    }

    fn page<'a>(&'a self, iterator: &'a str) -> BoxFuture<'a, Result<Page, SourceError>> {
        Box::pin(async move {
            self.machine.dawdle().await;
            let page =
                if self.fails(20) { Err(SourceError::Unavailable(unavailable())) } else { self.turn(iterator) };
            self.machine.dawdle().await;
            page
        })
    }
}

fn sequence(number: u64) -> Sequence {
    Sequence::parse(&number.to_string()).expect("a number")
}

/// The id of an item's echo.
pub fn id(item: usize) -> EchoId {
    let key = IdempotencyKey::mint(Timestamp::from_millis(super::machine::EPOCH_MILLIS), &entropy(item));
    EchoId::derive(&"ana".parse().expect("a name"), key)
}

fn entropy(item: usize) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&(item as u64).to_be_bytes());
    bytes
}

fn echo(item: usize, version: u64, now: Timestamp) -> Echo {
    let content = content(Emotion::ALL[item % 5]);
    let key = IdempotencyKey::mint(Timestamp::from_millis(super::machine::EPOCH_MILLIS), &entropy(item));
    let echo = Echo::create("ana".parse().expect("a name"), key, content, HERE);
    Echo { version, updated_at: now, ..echo }
}
