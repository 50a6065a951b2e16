//! Which states of the world need not be told from each other, nor be looked at.

use super::world::{KEY, MEMORY, Process, SECOND, SETTLE, World, lifetimes};
use crate::cache::flights::Order;
use crate::cache::lifetimes::millis;

impl World {
    /// Whether this process will ask for anything.
    pub(super) fn asks(&self, process: usize) -> bool {
        let Process { reads, flights, .. } = &self.processes[process];
        *reads > 0 || !flights.is_empty()
    }

    /// Whether this process may lie.
    pub(super) fn lives(&self, process: usize) -> bool {
        let last = self.truth() + self.writes;
        self.asks(process) || self.processes[process].memory.is_some_and(|(version, _)| version < last)
    }

    /// Makes states alike that differ only in what cannot make a difference any more.
    pub(super) fn forget_differences(&mut self) {
        let now = self.now;
        let long_ago = |at: u64, seconds: u64| if now >= at + seconds { 0 } else { at };
        let asks = [self.asks(0), self.asks(1)];
        let lives = [self.lives(0), self.lives(1)];
        let current = self.index == self.truth();
        self.disturbed = long_ago(self.disturbed, SETTLE);
        self.indexed_before = if current { 0 } else { self.indexed_before };
        self.followed_before = if self.processes[1].known == self.count { 0 } else { self.followed_before };
        let data = [&mut self.server.data, &mut self.server.copy].into_iter();
        data.filter_map(|data| data.generation.as_mut()).for_each(|(_, born)| *born = long_ago(*born, SETTLE));
        self.message &= lives[1];
        for write in &mut self.written {
            for at in [&mut write.acknowledged, &mut write.heard].into_iter().flatten() {
                *at = long_ago(*at, MEMORY);
            }
        }
        for (process, (asks, lives)) in self.processes.iter_mut().zip(asks.into_iter().zip(lives)) {
            let settle = millis(lifetimes().settle);
            let told = process.order.settled_millis_ago(&KEY, now * SECOND, settle);
            let settled = told.is_none_or(|ago| ago >= i64::try_from(settle).unwrap());
            if !asks || process.flights.is_empty() && settled {
                process.order = Order::default();
            }
            process.connected = process.connected.map(|at| long_ago(at, SETTLE));
            process.news = process.news.map(|at| long_ago(at, SETTLE)).filter(|at| *at > 0);
            process.memory = process.memory.filter(|(_, times)| lives && now * SECOND < times.stale_until);
        }
    }
}
