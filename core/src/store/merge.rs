//! Decides how several partitions are read as one list, newest first: what to read next, how much of it, and which echo
//! comes next. It reads nothing itself.

use std::collections::VecDeque;

use echoes_shared::keys;
use echoes_shared::{EchoId, Timestamp};

/// Dead entries that one page walks past at most. Where more lie together, the page is short and its cursor goes on
/// behind them, so that a graveyard cannot hold a request for ever.
const MAX_DEAD: usize = 1_000;
/// Entries asked for at once where the dead lie thick.
const THICK_READ: usize = 100;
/// Entries first asked of a source that is expected to hold next to none.
const RARE_READ: usize = 2;
/// Entries that a source must have given before its share of the list is judged by them.
const MIN_SAMPLE: usize = 8;
/// Disjoint parts of the list opened at once at most, after parts that held too little.
const MAX_PARTS_AHEAD: usize = 8;

/// A range key above all of ours, which begin with a digit of the year.
const ABOVE_ALL: &str = ":";

/// An entry of a list: an echo, or what is left of one.
pub(super) trait Entry: Sized {
    /// Whether it is shown.
    fn lives(&self) -> bool;
    /// One of two entries of the same id, found in two places.
    #[must_use]
    fn join(self, other: Self) -> Self;
}

/// Where the unread part of a source begins: all its keys lie below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ceiling {
    /// Anywhere.
    Open,
    /// Before this time.
    Time(Timestamp),
    /// Older than this echo.
    Echo(EchoId),
}

impl Ceiling {
    /// A number that grows with the place.
    fn height(self) -> u128 {
        match self {
            Self::Open => u128::MAX,
            Self::Time(time) => height_of(time),
            Self::Echo(id) => u128::from_be_bytes(*id.as_bytes()),
        }
    }

    fn admits(self, id: EchoId) -> bool {
        Self::Echo(id).height() < self.height()
    }

    /// The greatest range key below it, as text.
    pub(super) fn key(self) -> String {
        match self {
            Self::Open => ABOVE_ALL.to_owned(),
            // Keys of that very time go on after it, and so stand above.
            Self::Time(time) => time.to_string(),
            Self::Echo(id) => keys::below_sort_key(id),
        }
    }
}

/// The height of a time's first echo: an id begins with the 48 bits of its millisecond.
fn height_of(time: Timestamp) -> u128 {
    u128::from(time.millis()) << 80
}

/// The part of a list that one source may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Nothing older is in it.
    pub floor: Option<Timestamp>,
    /// Nothing from here on is in it.
    pub ceiling: Ceiling,
    /// Whether it is expected to hold next to nothing, so that it is asked for little at first.
    pub rare: bool,
}

impl Extent {
    /// All of time.
    pub(super) const ALL: Self = Self { floor: None, ceiling: Ceiling::Open, rare: false };
}

/// One source on its way.
#[derive(Debug)]
struct Lane<T> {
    extent: Extent,
    /// Read and not yet given, newest first.
    buffer: VecDeque<(EchoId, T)>,
    exhausted: bool,
    reads: u32,
    given: usize,
}

impl<T> Lane<T> {
    fn new(mut extent: Extent, after: Option<EchoId>) -> Self {
        if let Some(after) = after.map(Ceiling::Echo).filter(|after| after.height() < extent.ceiling.height()) {
            extent.ceiling = after;
        }
        let mut lane = Self { extent, buffer: VecDeque::new(), exhausted: false, reads: 0, given: 0 };
        lane.exhausted = lane.extent.ceiling.height() <= lane.floor();
        lane
    }

    fn floor(&self) -> u128 {
        self.extent.floor.map_or(0, height_of)
    }

    /// Whether it must be read before anything else of it can be given.
    fn is_dry(&self) -> bool {
        self.buffer.is_empty() && !self.exhausted
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.extent.ceiling.height() > other.floor() && other.extent.ceiling.height() > self.floor()
    }
}

/// A read to be done: so many entries of a source, below a ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    /// The source's place in the list of sources.
    pub source: usize,
    /// All of them lie below.
    pub ceiling: Ceiling,
    /// So many.
    pub entries: usize,
}

/// One page of a list on its way.
#[derive(Debug)]
pub(super) struct Merge<T> {
    lanes: Vec<Lane<T>>,
    limit: usize,
    /// The living entries found, newest first.
    taken: Vec<(EchoId, T)>,
    /// The living entry after a full page.
    beyond: Option<(EchoId, T)>,
    last: Option<EchoId>,
    popped: usize,
    dead: usize,
    /// Times that nothing was left of what had been read.
    droughts: usize,
    is_spent: bool,
}

impl<T: Entry> Merge<T> {
    /// A page of up to `limit` living entries older than `after`.
    pub(super) fn new(extents: impl IntoIterator<Item = Extent>, limit: usize, after: Option<EchoId>) -> Self {
        let lanes = extents.into_iter().map(|extent| Lane::new(extent, after)).collect();
        let (beyond, last) = (None, None);
        Self { lanes, limit, taken: Vec::new(), beyond, last, popped: 0, dead: 0, droughts: 0, is_spent: false }
    }

    /// Walks on as far as what was read reaches, and says what to read next, all of it at once; nothing when the page is done.
    ///
    /// Every answer goes to [`Merge::filled`]. The rounds are bounded: each is followed by an entry of the page, by one of
    /// at most [`MAX_DEAD`] dead ones, or by the end of a source.
    pub(super) fn advance(&mut self) -> Vec<Read> {
        if let Some(beyond) = self.beyond.take() {
            self.take(beyond);
        }
        while self.beyond.is_none() && !self.is_spent {
            let candidate = self.lanes.iter().filter_map(|lane| lane.buffer.front()).map(|(id, _)| *id).max();
            let due = match candidate {
                Some(id) => self.dry(|lane| lane.extent.ceiling.admits(id)),
                None => self.newest_unread(),
            };
            match candidate {
                _ if !due.is_empty() && self.dead >= MAX_DEAD => self.is_spent = true,
                _ if !due.is_empty() => return due.into_iter().map(|lane| self.read(lane)).collect(),
                Some(id) => self.pop(id),
                None => return Vec::new(),
            }
        }
        Vec::new()
    }

    /// Takes what a source gave, newest first, and whether it has more.
    pub(super) fn filled(&mut self, source: usize, entries: Vec<(EchoId, T)>, more: bool) {
        let Some(lane) = self.lanes.get_mut(source) else { return };
        lane.reads += 1;
        // Without a filter DynamoDB gives nothing only where nothing is left.
        lane.exhausted = !more || entries.is_empty();
        for (id, entry) in entries {
            lane.buffer.push_back((id, entry));
            lane.extent.ceiling = Ceiling::Echo(id);
        }
    }

    /// The living entries found.
    pub(super) fn taken(&mut self) -> &mut Vec<(EchoId, T)> {
        &mut self.taken
    }

    /// Wants so many more living entries, after those found were taken out.
    pub(super) fn want(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Whether [`Merge::advance`] would find more if more were wanted.
    pub(super) fn can_go_on(&self) -> bool {
        self.beyond.is_some()
    }

    /// The cursor's echo, once the page is done; `None` at the list's end.
    pub(super) fn next(&self) -> Option<EchoId> {
        self.last.filter(|_| self.is_spent || self.beyond.is_some())
    }

    fn dry(&self, wanted: impl Fn(&Lane<T>) -> bool) -> Vec<usize> {
        let due = self.lanes.iter().enumerate().filter(|(_, lane)| lane.is_dry() && wanted(lane));
        due.map(|(at, _)| at).collect()
    }

    /// What to open where nothing is left of what was read: the newest part of the list, that is every source that overlaps
    /// its newest one. Where parts held too little twice, two parts at once, then four: many thin months cost few rounds.
    fn newest_unread(&mut self) -> Vec<usize> {
        let parts = (1 << self.droughts.saturating_sub(1).min(8)).min(MAX_PARTS_AHEAD);
        let mut floor = u128::MAX;
        for _ in 0..parts {
            let above = |lane: &&Lane<T>| lane.is_dry() && !lane.extent.rare && lane.extent.ceiling.height() <= floor;
            let newest = self.lanes.iter().filter(above).max_by_key(|lane| lane.extent.ceiling.height());
            floor = newest.map_or(0, Lane::floor);
        }
        let due = self.dry(|lane| lane.extent.ceiling.height() > floor);
        self.droughts += usize::from(!due.is_empty());
        due
    }

    fn read(&self, source: usize) -> Read {
        let ceiling = self.lanes.get(source).map_or(Ceiling::Open, |lane| lane.extent.ceiling);
        Read { source, ceiling, entries: self.lanes.get(source).map_or(1, |lane| self.wanted(lane)) }
    }

    /// How much to ask of a source: its share of what is missing, and a little more where it has siblings, so that several
    /// shards together read about one page.
    fn wanted(&self, lane: &Lane<T>) -> usize {
        // One more than is shown tells whether there is a next page.
        let missing = self.limit + 1 - self.taken.len();
        let living = self.popped - self.dead;
        let missing = match self.dead {
            0 => missing,
            _ => (missing * self.popped).checked_div(living).unwrap_or(THICK_READ).min(THICK_READ).max(missing),
        };
        if lane.extent.rare {
            return missing.min(RARE_READ << lane.reads.min(8));
        }
        let siblings = |other: &&Lane<T>| !other.extent.rare && !other.exhausted && other.overlaps(lane);
        let share = if lane.given >= MIN_SAMPLE {
            (missing * lane.given).div_ceil(self.popped)
        } else {
            missing.div_ceil(self.lanes.iter().filter(siblings).count().max(1))
        };
        // The number that falls to one of many shards varies by about its root.
        (share + share.isqrt()).clamp(1, missing)
    }

    /// Takes the entry of this id out of every source that holds it.
    fn pop(&mut self, id: EchoId) {
        let mut found: Option<T> = None;
        for lane in &mut self.lanes {
            while let Some((_, entry)) = lane.buffer.pop_front_if(|(front, _)| *front == id) {
                lane.given += 1;
                found = Some(match found {
                    Some(other) => other.join(entry),
                    None => entry,
                });
            }
        }
        self.popped += 1;
        match found {
            Some(entry) if entry.lives() => self.take((id, entry)),
            _ => {
                self.dead += 1;
                self.last = Some(id);
            }
        }
    }

    fn take(&mut self, (id, entry): (EchoId, T)) {
        if self.taken.len() < self.limit {
            self.last = Some(id);
            self.taken.push((id, entry));
        } else {
            self.beyond = Some((id, entry));
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
