//! The mathematics of a sampling: cells of lots, how many echoes there may be, and how much to read of them.

use std::ops::RangeInclusive;

use echoes_shared::keys::LOT_BITS;
use rand::Rng;
use rand::seq::index;

/// Every lot there is.
pub(super) const ALL_LOTS: RangeInclusive<u64> = 0..=((1 << LOT_BITS) - 1);

/// Echoes that a cell holds on average, at least; at most it is twice as many, since the number of cells is a power of two.
/// Fewer would waste the rounding of each read to 4 KB, more would make the echoes of a sampling come in larger clusters.
const CELL_ECHOES: f64 = 16.0;
/// Cells that the lots are cut into at most: 2^40, so that a wrong estimate ends somewhere.
const MAX_LEVEL: u32 = 40;
/// Samplings of an edition.
const LANES: usize = 16;
/// Echoes of a sampling, nearly. Sixteen hold 2,048 together, twice what is asked for, since an echo may be in several.
const LANE_ECHOES: f64 = 128.0;
/// Times that an echo of an edition is served on average. Of a hundred, one or two are served oftener than ten times (see the
/// tests), since an empty slot elsewhere sends more draws to them.
pub(super) const SERVINGS: f64 = 7.0;
/// The growth of an emotion, between its estimate and the end of an edition, that the slots have room for.
const GROWTH: f64 = 1.0 / 16.0;
/// Standard deviations of a sampling's size, above its mean, that the slots have room for: all but one in a hundred million fit.
const DEVIATIONS: f64 = 5.2;
/// Slots besides, because the distribution of small numbers has a longer tail than the normal one.
const SPARE_SLOTS: f64 = 4.0;
/// A cell counts for so many times its expected echoes in an estimate at most, so that one that somebody stuffed does not matter.
const CELL_WEIGHT: f64 = 8.0;

/// One of the 2^level equal parts of the lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    level: u32,
    index: u64,
}

impl Cell {
    /// The cell of a level that holds a lot.
    pub(super) fn of(level: u32, lot: u64) -> Self {
        Self { level, index: lot >> (LOT_BITS - level) }
    }

    /// Its lots.
    pub(super) fn lots(self) -> RangeInclusive<u64> {
        let shift = LOT_BITS - self.level;
        let low = self.index << shift;
        low..=(low | ((1 << shift) - 1))
    }

    /// `count` different cells of a level, every such set with the same chance.
    pub(super) fn choose(level: u32, count: usize, rng: &mut impl Rng) -> Vec<Self> {
        let all = 1_usize << level;
        let chosen = index::sample(rng, all, count.min(all));
        chosen.into_iter().map(|index| Self { level, index: index as u64 }).collect()
    }
}

/// How many living echoes an emotion has, roughly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    /// The number.
    pub echoes: f64,
    /// The standard error, as a part of the number.
    pub error: f64,
}

impl Estimate {
    /// From having counted `seen` echoes in a part of the lots that is so large, where all together are 1.
    fn of(seen: f64, part: f64) -> Self {
        Self { echoes: seen / part, error: 1.0 / seen.max(1.0).sqrt() }
    }

    /// From having counted so many echoes among so many successive lots.
    pub(super) fn of_stretch(seen: usize, lots: u64) -> Self {
        Self::of(seen as f64, lots as f64 / (1_u64 << LOT_BITS) as f64)
    }

    /// From the numbers of echoes in cells that were chosen at random.
    pub(super) fn of_cells(plan: &Plan, seen: impl ExactSizeIterator<Item = usize>) -> Self {
        let cells = seen.len() as f64;
        let all = (1_u64 << plan.level) as f64;
        let most = CELL_WEIGHT * plan.members / plan.cells as f64;
        Self::of(seen.map(|echoes| (echoes as f64).min(most)).sum(), cells / all)
    }
}

/// What an edition reads and how it is laid out: fixed before any of its cells is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Plan {
    /// The lots are cut into 2^level cells.
    pub level: u32,
    /// Cells of a sampling.
    pub cells: usize,
    /// Samplings.
    pub lanes: usize,
    /// Slots of a sampling.
    pub slots: usize,
    /// Echoes that a sampling is expected to hold.
    pub members: f64,
    /// Draws that the edition is made for.
    pub draws: u64,
}

impl Plan {
    /// The plan for an emotion of so many echoes.
    pub(super) fn of(estimate: Estimate) -> Self {
        let echoes = estimate.echoes.max(1.0);
        let level = (echoes / CELL_ECHOES).log2().clamp(0.0, f64::from(MAX_LEVEL)).floor() as u32;
        let all = (1_u64 << level) as f64;
        let cells = (LANE_ECHOES * all / echoes).round().clamp(1.0, all);
        let members = echoes * cells / all;
        let deviation = (members + (members * estimate.error).powi(2)).sqrt();
        let slots = (members * (1.0 + GROWTH) + DEVIATIONS * deviation + SPARE_SLOTS).ceil();
        let draws = SERVINGS * members * LANES as f64;
        Self { level, cells: cells as usize, lanes: LANES, slots: slots as usize, members, draws: draws as u64 }
    }
}
