//! Several samplings of one emotion and the draws from them: an edition. The proof stands in the parent module.

use std::sync::Arc;

use echoes_shared::{Echo, EchoId, Timestamp, keys};
use rand::seq::{IteratorRandom as _, SliceRandom as _};
use rand::{Rng, RngExt as _};

use super::cells::{Cell, Plan};

/// One sampling: all echoes of some cells, in slots of which some stay empty.
#[derive(Debug)]
struct Lane {
    cells: Vec<Cell>,
    slots: Vec<Option<Arc<Echo>>>,
}

/// Independent samplings under one plan, and how many draws they have served.
#[derive(Debug)]
pub(super) struct Edition {
    plan: Plan,
    lanes: Vec<Lane>,
    /// Draws so far, whatever came of them: all that decides which slots the next one looks at.
    taken: u64,
}

impl Edition {
    /// An edition without a sampling yet.
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, lanes: Vec::with_capacity(plan.lanes), taken: 0 }
    }

    /// Adds a sampling: its cells and the echoes of each. Says whether all of them found a slot.
    ///
    /// Where they are too many, echoes of the fullest cell go first, and which of them is left to chance; so a cell that somebody
    /// stuffed takes nothing away from the others.
    pub(super) fn add(&mut self, cells: Vec<Cell>, mut contents: Vec<Vec<Arc<Echo>>>, rng: &mut impl Rng) -> bool {
        let mut left_out = contents.iter().map(Vec::len).sum::<usize>().saturating_sub(self.plan.slots);
        let fits = left_out == 0;
        while left_out > 0
            && let Some(fullest) = contents.iter_mut().max_by_key(|echoes| echoes.len())
            && !fullest.is_empty()
        {
            fullest.swap_remove(rng.random_range(..fullest.len()));
            left_out -= 1;
        }
        let mut slots: Vec<_> = contents.into_iter().flatten().map(Some).collect();
        slots.resize(self.plan.slots, None);
        slots.shuffle(rng);
        self.lanes.push(Lane { cells, slots });
        fits
    }

    /// One draw; none where every sampling showed an empty slot.
    ///
    /// The `n`-th draw begins with sampling `n` modulo their number, so that in each round every sampling is the first once, and
    /// each round goes one slot on. Later tries look elsewhere in their samplings, by steps that grow, so that an echo which one
    /// serves does not come again soon and two tries of the same slot do not depend on the same empty one before it. After a pass
    /// over all slots they are shuffled anew.
    pub(super) fn draw(&mut self, now: Timestamp, rng: &mut impl Rng) -> Option<Arc<Echo>> {
        let (lanes, slots) = (self.plan.lanes.max(1), self.plan.slots.max(1));
        let first = (self.taken % lanes as u64) as usize;
        let round = (self.taken / lanes as u64 % slots as u64) as usize;
        if self.taken > 0 && first == 0 && round == 0 {
            self.lanes.iter_mut().for_each(|lane| lane.slots.shuffle(rng));
        }
        self.taken += 1;
        let stride = slots / lanes;
        let looks = (0..lanes).map(|attempt| {
            let ahead = attempt * (attempt + 1) / 2 * stride;
            ((first + attempt) % lanes, (round + ahead) % slots)
        });
        let mut seen = looks.filter_map(|(lane, slot)| self.lanes.get(lane)?.slots.get(slot)?.as_ref());
        seen.find(|echo| echo.lives_at(now)).cloned()
    }

    /// Any living echo that it holds.
    pub(super) fn any(&self, now: Timestamp, rng: &mut impl Rng) -> Option<Arc<Echo>> {
        self.held().filter(|echo| echo.lives_at(now)).choose(rng).cloned()
    }

    /// Everything in its slots; an echo may be in several samplings.
    fn held(&self) -> impl Iterator<Item = &Arc<Echo>> {
        self.lanes.iter().flat_map(|lane| lane.slots.iter().flatten())
    }

    /// Whether all slots are empty.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.slots.iter().all(Option::is_none))
    }

    /// Whether it has served the draws that it was made for.
    pub(super) fn is_spent(&self) -> bool {
        self.taken >= self.plan.draws
    }

    /// Takes in an echo as it is now: in the place of its older version, or, in samplings of its cell, in a slot that is empty.
    pub(super) fn note(&mut self, echo: &Arc<Echo>, rng: &mut impl Rng) {
        for lane in lanes_of(&mut self.lanes, self.plan.level, echo.echo_id) {
            let held = lane.slots.iter_mut().flatten().find(|held| held.echo_id == echo.echo_id);
            match held {
                Some(held) if held.version < echo.version => *held = Arc::clone(echo),
                Some(_) => {}
                None => {
                    let empty = lane.slots.iter_mut().filter(|slot| slot.is_none()).choose(rng);
                    if let Some(slot) = empty {
                        *slot = Some(Arc::clone(echo));
                    }
                }
            }
        }
    }

    /// Empties the slots of an echo.
    pub(super) fn forget(&mut self, id: EchoId) {
        for lane in lanes_of(&mut self.lanes, self.plan.level, id) {
            lane.slots.iter_mut().filter(|slot| slot.as_ref().is_some_and(|echo| echo.echo_id == id)).for_each(
                |slot| {
                    *slot = None;
                },
            );
        }
    }

    /// Empties the slots of all of these.
    pub(super) fn forget_those(&mut self, which: impl Fn(&Echo) -> bool) {
        let slots = self.lanes.iter_mut().flat_map(|lane| lane.slots.iter_mut());
        slots.filter(|slot| slot.as_ref().is_some_and(|echo| which(echo))).for_each(|slot| *slot = None);
    }

    /// The echoes of one sampling, for tests.
    #[cfg(test)]
    pub(super) fn members(&self, lane: usize) -> impl Iterator<Item = &Arc<Echo>> {
        self.lanes[lane].slots.iter().flatten()
    }
}

/// The samplings that an echo belongs to.
fn lanes_of(lanes: &mut [Lane], level: u32, id: EchoId) -> impl Iterator<Item = &mut Lane> {
    let cell = Cell::of(level, keys::lot_number(id));
    lanes.iter_mut().filter(move |lane| lane.cells.contains(&cell))
}
