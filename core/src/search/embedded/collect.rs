//! Chooses the hits of a page among what the words of a search fit: filters by columns, and keeps the best.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use echoes_shared::query::{Bounds, Near, Sort};
use echoes_shared::{Location, Timestamp};
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::{DocAddress, DocId, Score, SegmentOrdinal, SegmentReader};

use super::schema::{BITS_AFTER_MILLIS, column, halves};
use crate::search::{Position, Query};

/// Scores are multiples of one part in this: the words of a search are summed in an order that differs between segments, and the
/// last bits of the sum with it, which would move a cursor's place.
const SCORE_STEPS: f32 = 4_096.0;

/// A place in the order of hits; the first hit is the greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rank {
    pub score: f32,
    high: u64,
    low: u64,
}

impl Rank {
    fn of(position: Position, sort: Sort) -> Self {
        let (high, low) = halves(position.id);
        let score = if sort == Sort::Relevance { position.score } else { 0.0 };
        Self { score, high, low }
    }
}

impl Eq for Rank {}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mine, its) = ((self.high, self.low), (other.high, other.low));
        self.score.total_cmp(&other.score).then_with(|| mine.cmp(&its))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Collects the first hits of a search, one more than its limit.
#[derive(Debug, Clone)]
pub(super) struct Page {
    filter: Filter,
    sort: Sort,
    after: Option<Rank>,
    wanted: usize,
}

#[derive(Debug, Clone)]
struct Filter {
    now_seconds: u64,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    near: Option<(Near, Bounds)>,
}

impl Page {
    pub fn of(query: &Query, now: Timestamp) -> Self {
        let near = query.near.map(|near| (near, near.bounds()));
        let filter = Filter { now_seconds: now.epoch_seconds(), from: query.from, to: query.to, near };
        let after = query.after.map(|position| Rank::of(position, query.sort));
        Self { filter, sort: query.sort, after, wanted: query.limit.saturating_add(1) }
    }
}

impl Collector for Page {
    type Fruit = Vec<(Rank, DocAddress)>;
    type Child = Segment;

    fn for_segment(&self, ordinal: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Segment> {
        let columns = reader.fast_fields();
        let place = match self.filter.near {
            Some(_) => Some((columns.f64(column::LAT)?, columns.f64(column::LNG)?)),
            None => None,
        };
        Ok(Segment {
            page: self.clone(),
            ordinal,
            high: columns.u64(column::ID_HIGH)?,
            low: columns.u64(column::ID_LOW)?,
            ends: columns.u64(column::ENDS)?,
            place,
            best: BinaryHeap::with_capacity(self.wanted.saturating_add(1)),
        })
    }

    fn requires_scoring(&self) -> bool {
        self.sort == Sort::Relevance
    }

    fn merge_fruits(&self, segments: Vec<Self::Fruit>) -> tantivy::Result<Self::Fruit> {
        let mut all: Self::Fruit = segments.into_iter().flatten().collect();
        all.sort_unstable_by_key(|(rank, _)| Reverse(*rank));
        all.truncate(self.wanted);
        Ok(all)
    }
}

/// The best of one segment.
pub(super) struct Segment {
    page: Page,
    ordinal: SegmentOrdinal,
    high: Column<u64>,
    low: Column<u64>,
    ends: Column<u64>,
    place: Option<(Column<f64>, Column<f64>)>,
    /// The last of them on top.
    best: BinaryHeap<Reverse<(Rank, DocId)>>,
}

impl Segment {
    /// Where a document stands, if it is found at all.
    fn rank(&self, document: DocId, score: Score) -> Option<Rank> {
        let filter = &self.page.filter;
        let score = if self.page.sort == Sort::Relevance { (score * SCORE_STEPS).round() / SCORE_STEPS } else { 0.0 };
        let rank = Rank { score, high: self.high.first(document)?, low: self.low.first(document)? };
        if self.page.after.is_some_and(|after| rank >= after) {
            return None;
        }
        if self.best.len() >= self.page.wanted && self.best.peek().is_some_and(|Reverse((last, _))| rank < *last) {
            return None;
        }
        let millis = rank.high >> BITS_AFTER_MILLIS;
        let in_time =
            filter.from.is_none_or(|from| from.millis() <= millis) && filter.to.is_none_or(|to| millis < to.millis());
        let lives = self.ends.first(document)? > filter.now_seconds;
        (in_time && lives && self.is_near(document)).then_some(rank)
    }

    fn is_near(&self, document: DocId) -> bool {
        let (Some((near, bounds)), Some((lat, lng))) = (&self.page.filter.near, &self.place) else { return true };
        let place = lat.first(document).zip(lng.first(document));
        place.is_some_and(|(lat, lng)| {
            let place = Location { lat, lng };
            bounds.hold(place) && near.covers(place)
        })
    }
}

impl SegmentCollector for Segment {
    type Fruit = Vec<(Rank, DocAddress)>;

    fn collect(&mut self, document: DocId, score: Score) {
        if let Some(rank) = self.rank(document, score) {
            self.best.push(Reverse((rank, document)));
            if self.best.len() > self.page.wanted {
                self.best.pop();
            }
        }
    }

    fn harvest(self) -> Self::Fruit {
        let address = |document| DocAddress::new(self.ordinal, document);
        self.best.into_iter().map(|Reverse((rank, document))| (rank, address(document))).collect()
    }
}

/// Collects the ids of what is of no use any more, up to a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub now: Timestamp,
    pub most: usize,
}

/// What of one segment is of no use any more.
pub(super) struct EndedIn {
    of: Ended,
    high: Column<u64>,
    low: Column<u64>,
    ends: Column<u64>,
    ids: Vec<u128>,
}

impl Collector for Ended {
    type Fruit = Vec<u128>;
    type Child = EndedIn;

    fn for_segment(&self, _: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<EndedIn> {
        let columns = reader.fast_fields();
        let (high, low) = (columns.u64(column::ID_HIGH)?, columns.u64(column::ID_LOW)?);
        Ok(EndedIn { of: *self, high, low, ends: columns.u64(column::ENDS)?, ids: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Vec<u128>>) -> tantivy::Result<Vec<u128>> {
        let mut all: Vec<u128> = segments.into_iter().flatten().collect();
        all.truncate(self.most);
        Ok(all)
    }
}

impl SegmentCollector for EndedIn {
    type Fruit = Vec<u128>;

    fn collect(&mut self, document: DocId, _: Score) {
        let ended = self.ends.first(document).is_some_and(|ends| ends <= self.of.now.epoch_seconds());
        if ended
            && self.ids.len() < self.of.most
            && let Some((high, low)) = self.high.first(document).zip(self.low.first(document))
        {
            self.ids.push(u128::from(high) << 64 | u128::from(low));
        }
    }

    fn harvest(self) -> Vec<u128> {
        self.ids
    }
}
