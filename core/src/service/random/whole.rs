//! A whole emotion in memory and the draws from it. The proof stands in the parent module.

use std::collections::HashMap;
use std::sync::Arc;

use echoes_shared::{Echo, EchoId, Timestamp};
use rand::{Rng, RngExt as _};

use super::cells::SERVINGS;

/// Items that are read of a whole emotion, and echoes that it holds, at most: where it holds more than it should, those above can
/// only have been noted since it was read, or stand for expired ones that wait to be swept.
pub(super) const MAX_ITEMS: usize = 8_000;

/// Every living echo of an emotion, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// Those drawn in this pass, in the order in which they were, and after them the others.
    echoes: Vec<Arc<Echo>>,
    at: HashMap<EchoId, usize>,
    /// How many were drawn in this pass.
    drawn: usize,
    /// Draws so far.
    taken: u64,
    /// Whether there was no room for an echo.
    is_full: bool,
}

impl Whole {
    /// All of these.
    pub(super) fn new(echoes: impl IntoIterator<Item = Arc<Echo>>) -> Self {
        let mut whole = Self::default();
        echoes.into_iter().for_each(|echo| whole.note(&echo));
        whole
    }

    /// One draw: each echo that was not drawn in this pass has the same chance.
    pub(super) fn draw(&mut self, now: Timestamp, rng: &mut impl Rng) -> Option<Arc<Echo>> {
        // Each turn but the last takes out an echo that has expired.
        while !self.echoes.is_empty() {
            if self.drawn >= self.echoes.len() {
                self.drawn = 0;
            }
            let at = rng.random_range(self.drawn..self.echoes.len());
            let echo = Arc::clone(self.echoes.get(at)?);
            if echo.lives_at(now) {
                self.swap(self.drawn, at);
                self.drawn += 1;
                self.taken += 1;
                return Some(echo);
            }
            self.forget(echo.echo_id);
        }
        None
    }

    /// How many it holds.
    pub(super) fn len(&self) -> usize {
        self.echoes.len()
    }

    /// Whether it has served the draws that it was read for, or lacks an echo that it had no room for.
    pub(super) fn is_spent(&self) -> bool {
        self.is_full || self.taken as f64 >= SERVINGS * self.len() as f64
    }

    /// Takes in an echo as it is now: in the place of its older version, or as one that joins, with which a new pass begins. An
    /// emotion that has outgrown being held whole is left for the next read, which samples it.
    pub(super) fn note(&mut self, echo: &Arc<Echo>) {
        let has_room = self.echoes.len() < MAX_ITEMS;
        let held = self.at.get(&echo.echo_id).and_then(|&at| self.echoes.get_mut(at));
        match held {
            Some(held) if held.version < echo.version => *held = Arc::clone(echo),
            Some(_) => {}
            None if has_room => {
                self.at.insert(echo.echo_id, self.echoes.len());
                self.echoes.push(Arc::clone(echo));
                self.drawn = 0;
            }
            None => self.is_full = true,
        }
    }

    /// Takes out an echo, and a new pass begins.
    pub(super) fn forget(&mut self, id: EchoId) {
        let Some(at) = self.at.get(&id).copied() else { return };
        self.swap(at, self.echoes.len().saturating_sub(1));
        self.echoes.pop();
        self.at.remove(&id);
        self.drawn = 0;
    }

    /// Takes out all of these.
    pub(super) fn forget_those(&mut self, which: impl Fn(&Echo) -> bool) {
        let ids: Vec<_> = self.echoes.iter().filter(|echo| which(echo)).map(|echo| echo.echo_id).collect();
        ids.into_iter().for_each(|id| self.forget(id));
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.echoes.swap(one, other);
        for at in [one, other] {
            if let Some(echo) = self.echoes.get(at) {
                self.at.insert(echo.echo_id, at);
            }
        }
    }
}
