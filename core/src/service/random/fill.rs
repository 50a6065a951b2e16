//! Reads what draws are made from: an emotion as a whole where that is small, else an edition of samplings.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use echoes_shared::Echo;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use rand::{Rng, RngExt as _};

use super::cells::{ALL_LOTS, Cell, Estimate, Plan};
use super::sampling::Edition;
use super::source::Source;
use super::whole::{MAX_ITEMS, Whole};
use crate::store::{Lots, StoreError};

/// An emotion is held whole up to so many echoes: no more than the samplings would hold.
pub(super) const WHOLE_ECHOES: f64 = 2_000.0;
/// Items of a first look, from which the size is estimated: enough for an error of 6 %, at about 20 units.
const LOOK_ITEMS: usize = 256;
/// Items of one cell that are read at most: thirty times what there should be.
const MAX_CELL_ITEMS: usize = 1_000;
/// Cells read at the same time.
const CONCURRENT_CELLS: usize = 8;
/// Plans that are tried where what is read shows that the estimate was far off.
const MAX_PLANS: usize = 3;

/// Reads lots, so many items at most. See `Store::lots`.
pub(super) trait Read: Fn(RangeInclusive<u64>, usize) -> Self::Answer + Send + Sync {
    /// What a read comes to.
    type Answer: Future<Output = Result<Lots, StoreError>> + Send;
}

impl<F, A> Read for F
where
    F: Fn(RangeInclusive<u64>, usize) -> A + Send + Sync,
    A: Future<Output = Result<Lots, StoreError>> + Send,
{
    type Answer = A;
}

/// Reads a source, by what is known of the emotion's size, and what that shows of it.
pub(super) async fn source(
    known: Option<Estimate>,
    read: &impl Read,
    rng: &mut (impl Rng + Send),
) -> Result<(Source, Estimate), StoreError> {
    let mut estimate = match known {
        Some(estimate) => estimate,
        None => match look(read, rng).await? {
            Look::All(echoes) => return Ok(whole(echoes)),
            Look::About(estimate) => estimate,
        },
    };
    let mut plans = 0;
    loop {
        plans += 1;
        let last_plan = plans >= MAX_PLANS;
        if estimate.echoes <= WHOLE_ECHOES {
            let Lots { echoes, cut_at } = read(ALL_LOTS, MAX_ITEMS).await?;
            let Some(last) = cut_at else { return Ok(whole(echoes)) };
            estimate = Estimate::of_stretch(echoes.len(), last.saturating_add(1));
            if estimate.echoes <= WHOLE_ECHOES || last_plan {
                tracing::warn!(living = echoes.len(), "too many expired echoes wait to be swept to read past them");
                return Ok(whole(echoes));
            }
        } else {
            let plan = Plan::of(estimate);
            let read = edition(&plan, read, rng).await?;
            let shrunk = read.size.echoes < estimate.echoes / 2.0;
            let grown = read.overfull * 2 >= plan.lanes;
            estimate = read.size;
            // Neither happens by chance (see the parent module): the emotion is of another size.
            if !(shrunk || grown) || last_plan {
                return Ok((Source::Sampled(read.edition), estimate));
            }
        }
    }
}

fn whole(echoes: Vec<Echo>) -> (Source, Estimate) {
    let estimate = Estimate { echoes: echoes.len() as f64, error: 0.0 };
    (Source::Whole(Whole::new(echoes.into_iter().map(Arc::new))), estimate)
}

/// What a first look shows.
enum Look {
    All(Vec<Echo>),
    About(Estimate),
}

/// Reads on from a lot chosen at random, round the circle of lots: how close they lie tells how many there are. Nobody can
/// stuff a place that is not known before.
async fn look(read: &impl Read, rng: &mut (impl Rng + Send)) -> Result<Look, StoreError> {
    let (first, last) = (*ALL_LOTS.start(), *ALL_LOTS.end());
    let start = rng.random_range(ALL_LOTS);
    let Lots { mut echoes, cut_at } = read(start..=last, LOOK_ITEMS).await?;
    if let Some(cut_at) = cut_at {
        let lots = cut_at.saturating_sub(start).saturating_add(1);
        return Ok(Look::About(Estimate::of_stretch(echoes.len(), lots)));
    }
    if start > first {
        let rest = read(first..=start - 1, LOOK_ITEMS).await?;
        echoes.extend(rest.echoes);
        if let Some(cut_at) = rest.cut_at {
            let lots = (last - start).saturating_add(cut_at).saturating_add(2);
            return Ok(Look::About(Estimate::of_stretch(echoes.len(), lots)));
        }
    }
    Ok(Look::All(echoes))
}

/// An edition as it was read.
pub(super) struct Sampled {
    pub edition: Edition,
    /// How many echoes there are, by the cells that were read.
    pub size: Estimate,
    /// Samplings that had more echoes than slots.
    pub overfull: usize,
}

/// Chooses the cells of every sampling and reads each cell that occurs, once.
pub(super) async fn edition(
    plan: &Plan,
    read: &impl Read,
    rng: &mut (impl Rng + Send),
) -> Result<Sampled, StoreError> {
    let chosen: Vec<_> = (0..plan.lanes).map(|_| Cell::choose(plan.level, plan.cells, rng)).collect();
    let distinct: BTreeSet<Cell> = chosen.iter().flatten().copied().collect();
    let contents: BTreeMap<Cell, Vec<Arc<Echo>>> = stream::iter(distinct)
        .map(|cell| async move {
            let lots = read(cell.lots(), MAX_CELL_ITEMS).await?;
            Ok::<_, StoreError>((cell, lots.echoes.into_iter().map(Arc::new).collect()))
        })
        .buffer_unordered(CONCURRENT_CELLS)
        .try_collect()
        .await?;
    let size = Estimate::of_cells(plan, contents.values().map(Vec::len));
    let mut sampled = Sampled { edition: Edition::new(*plan), size, overfull: 0 };
    for cells in chosen {
        let echoes = cells.iter().filter_map(|cell| contents.get(cell).cloned()).collect();
        if !sampled.edition.add(cells, echoes, rng) {
            sampled.overfull += 1;
        }
    }
    Ok(sampled)
}
