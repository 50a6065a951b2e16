//! The merge against a plain sorted list: any sources, copies, dead entries, page sizes, and writers at work.

use std::collections::{BTreeMap, BTreeSet};

use echoes_shared::{IdempotencyKey, UserId};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::store) struct Seen {
    pub lives: bool,
}

impl Entry for Seen {
    fn lives(&self) -> bool {
        self.lives
    }

    fn join(self, other: Self) -> Self {
        Self { lives: self.lives && other.lives }
    }
}

const DAY_MILLIS: u64 = 86_400_000;

/// An echo so many millis after the beginning, one of several in that millisecond.
fn echo(millis: u64, seed: u8) -> EchoId {
    let ana: UserId = "ana".parse().unwrap();
    EchoId::derive(&ana, IdempotencyKey::mint(Timestamp::from_millis(1_795_000_000_000 + millis), &[seed; 10]))
}

/// A partition in memory.
#[derive(Debug, Clone)]
pub(in crate::store) struct Partition {
    pub extent: Extent,
    pub entries: BTreeMap<EchoId, Seen>,
}

impl Partition {
    fn new(extent: Extent) -> Self {
        Self { extent, entries: BTreeMap::new() }
    }

    fn holds(&self, id: EchoId) -> bool {
        self.extent.ceiling.admits(id) && self.extent.floor.is_none_or(|floor| floor <= id.timestamp())
    }

    /// What DynamoDB answers: the newest entries below the ceiling, and whether a later key was given.
    fn read(&self, ceiling: Ceiling, entries: usize) -> (Vec<(EchoId, Seen)>, bool) {
        let below = self.entries.iter().rev().filter(|(id, _)| ceiling.admits(**id) && self.holds(**id));
        let found: Vec<_> = below.take(entries).map(|(id, seen)| (*id, *seen)).collect();
        let more = found.len() == entries;
        (found, more)
    }
}

#[derive(Debug, Default)]
pub(in crate::store) struct Cost {
    pub reads: usize,
    pub rounds: usize,
    pub entries: usize,
}

/// One page, as `walk` reads it.
pub(in crate::store) fn page(
    partitions: &mut [Partition],
    limit: usize,
    after: Option<EchoId>,
    cost: &mut Cost,
    mut meanwhile: impl FnMut(&mut [Partition]),
) -> (Vec<EchoId>, Option<EchoId>) {
    let mut merge = Merge::new(partitions.iter().map(|partition| partition.extent), limit, after);
    loop {
        let reads = merge.advance();
        if reads.is_empty() {
            let next = merge.next();
            return (merge.taken().drain(..).map(|(id, _)| id).collect(), next);
        }
        cost.rounds += 1;
        for read in reads {
            let (entries, more) = partitions[read.source].read(read.ceiling, read.entries);
            cost.reads += 1;
            cost.entries += entries.len();
            merge.filled(read.source, entries, more);
        }
        meanwhile(partitions);
    }
}

fn shards(count: usize) -> Vec<Partition> {
    vec![Partition::new(Extent::ALL); count]
}

/// Sources of every kind: overlapping, disjoint, rare.
fn any_extent() -> impl Strategy<Value = Extent> {
    let floor = proptest::option::of(0..40u64);
    let ceiling = proptest::option::of(0..40u64);
    (floor, ceiling, any::<bool>()).prop_map(|(floor, ceiling, rare)| {
        let time = |days| Timestamp::from_millis(1_795_000_000_000 + days * DAY_MILLIS);
        Extent {
            floor: floor.map(time),
            ceiling: ceiling.map_or(Ceiling::Open, |days| Ceiling::Time(time(days))),
            rare,
        }
    })
}

/// An entry: its time in tenths of a day, its seed, the sources that hold it (as bits), whether each copy lives.
type Written = (u64, u8, u8, bool);

fn put(partitions: &mut [Partition], (tenths, seed, places, lives): Written) -> EchoId {
    let id = echo(tenths * DAY_MILLIS / 10, seed);
    for (at, partition) in partitions.iter_mut().enumerate() {
        if places & (1 << at) != 0 && partition.holds(id) {
            partition.entries.entry(id).or_insert(Seen { lives });
        }
    }
    id
}

/// What the list shows: the ids that live in every place that holds them.
fn shown(partitions: &[Partition]) -> BTreeSet<EchoId> {
    let all: BTreeSet<EchoId> = partitions.iter().flat_map(|p| p.entries.keys().copied()).collect();
    let lives = |id: &EchoId| partitions.iter().filter_map(|p| p.entries.get(id)).all(|seen| seen.lives);
    all.into_iter().filter(lives).collect()
}

proptest! {
    #[test]
    fn a_walk_with_writers_at_work_skips_and_repeats_nothing(
        extents in proptest::collection::vec(any_extent(), 1..7),
        before in proptest::collection::vec((0..400u64, 0..3u8, any::<u8>(), proptest::bool::weighted(0.7)), 0..200),
        during in proptest::collection::vec((0..400u64, 3..6u8, any::<u8>(), any::<bool>()), 0..60),
        limits in proptest::collection::vec(1..30usize, 1..6),
        grows_at in 0..10usize,
    ) {
        let mut partitions: Vec<_> = extents.into_iter().map(Partition::new).collect();
        before.iter().for_each(|written| { put(&mut partitions, *written); });
        let existed = shown(&partitions);
        let mut writes = during.into_iter();
        let mut found: Vec<EchoId> = Vec::new();
        let mut after = None;
        for round in 0.. {
            if round == grows_at {
                partitions.push(Partition::new(Extent::ALL));
            }
            let limit = limits[round % limits.len()];
            let (echoes, next) = page(&mut partitions, limit, after, &mut Cost::default(), |partitions| {
                writes.by_ref().take(2).for_each(|written| { put(partitions, written); });
            });
            prop_assert!(echoes.len() <= limit);
            // An empty page says that the list ends: these graveyards are small.
            prop_assert!(!echoes.is_empty() || next.is_none());
            found.extend(echoes);
            after = next;
            if next.is_none() {
                break;
            }
        }
        prop_assert!(found.windows(2).all(|pair| pair[0] > pair[1]), "order, and nothing twice");
        let found: BTreeSet<_> = found.into_iter().collect();
        prop_assert!(existed.is_subset(&found), "{:?}", existed.difference(&found).collect::<Vec<_>>());
    }

    #[test]
    fn shards_read_about_one_page_in_all(shards_of in 2..17u16, limit in 10..101usize, count in 300..600u64) {
        let mut partitions = shards(shards_of.into());
        for at in 0..count {
            let id = echo(at * 1_000, 1);
            let shard = keys::shard_of(id, shards_of);
            partitions[usize::from(shard)].entries.insert(id, Seen { lives: true });
        }
        let mut cost = Cost::default();
        let (echoes, _) = page(&mut partitions, limit, None, &mut cost, |_| {});
        prop_assert_eq!(echoes.len(), limit);
        let each = usize::from(shards_of);
        // The page, one more, and for each shard the root of its share, at most twice over; never a page a shard.
        prop_assert!(cost.entries <= 2 * (limit + 1) + 4 * each, "{cost:?} of {limit} in {each}");
    }
}

#[test]
fn just_after_a_growth_the_old_shard_is_read_twice() {
    let mut partitions = shards(8);
    for at in 0..500 {
        partitions[0].entries.insert(echo(at * 1_000, 1), Seen { lives: true });
    }
    let mut cost = Cost::default();
    let (echoes, next) = page(&mut partitions, 100, None, &mut cost, |_| {});
    assert_eq!((echoes.len(), next), (100, echoes.last().copied()));
    assert!(cost.rounds <= 3 && cost.entries <= 130, "{cost:?}");
}

#[test]
fn a_graveyard_ends_a_page_early_and_the_cursor_goes_on_behind_it() {
    let mut partitions = shards(2);
    for at in 0..5_000 {
        partitions[at as usize % 2].entries.insert(echo(at * 1_000, 1), Seen { lives: at == 0 });
    }
    let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let mut cost = Cost::default();
        let (echoes, next) = page(&mut partitions, 20, after, &mut cost, |_| {});
        assert!(cost.rounds < 40, "{cost:?}");
        found.extend(echoes);
        (after, pages) = (next, pages + 1);
        if next.is_none() {
            break;
        }
    }
    assert_eq!(found, [echo(0, 1)]);
    assert!((4..=6).contains(&pages), "{pages}");
}

#[test]
fn months_are_opened_as_they_are_needed() {
    let month = |days: u64| {
        let time = |days| Timestamp::from_millis(1_795_000_000_000 + days * DAY_MILLIS);
        Extent { floor: Some(time(days)), ceiling: Ceiling::Time(time(days + 30)), rare: false }
    };
    let mut partitions: Vec<_> = (0..40).rev().map(|at| Partition::new(month(at * 30))).collect();
    for (at, partition) in partitions.iter_mut().rev().enumerate() {
        let newest_is_full = if at == 39 { 100 } else { 1 };
        for echo_at in 0..newest_is_full {
            partition.entries.insert(echo(at as u64 * 30 * DAY_MILLIS + echo_at, 1), Seen { lives: true });
        }
    }
    let mut cost = Cost::default();
    let (echoes, next) = page(&mut partitions, 20, None, &mut cost, |_| {});
    assert_eq!((echoes.len(), cost.reads, cost.rounds), (20, 1, 1), "one month fills the page");
    // Then forty months of one echo each: no round for each of them.
    let mut after = next;
    for _ in 0..4 {
        after = page(&mut partitions, 20, after, &mut cost, |_| {}).1;
    }
    let mut cost = Cost::default();
    let (echoes, _) = page(&mut partitions, 20, after, &mut cost, |_| {});
    assert_eq!(echoes.len(), 20);
    assert!(cost.rounds <= 6 && cost.reads <= 24, "{cost:?}");
}

#[test]
fn a_rare_source_is_asked_for_little() {
    let mut partitions = vec![Partition::new(Extent::ALL), Partition::new(Extent { rare: true, ..Extent::ALL })];
    for at in 0..200 {
        partitions[0].entries.insert(echo(at, 1), Seen { lives: true });
    }
    partitions[1].entries.insert(echo(150, 2), Seen { lives: true });
    let mut cost = Cost::default();
    let (echoes, _) = page(&mut partitions, 100, None, &mut cost, |_| {});
    assert!(echoes.contains(&echo(150, 2)));
    assert_eq!((cost.entries, cost.rounds), (102, 1), "{cost:?}");
}
