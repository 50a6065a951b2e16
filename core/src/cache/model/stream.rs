//! The stream, which the first process reads, and the death of that process.

use super::rule::Rule;
use super::world::{Process, World};
use crate::cache::flights::Order;

impl World {
    /// Begins to tell of what the store has taken: from here on a reader of the stream does what a writer does.
    pub(super) fn stream(&mut self) {
        self.streamed_before = None;
        if self.breaks(Rule::StreamTells) {
            return self.acknowledge();
        }
        self.step = 1;
        self.forget(0);
    }

    /// Once the store has taken a write, and before its writer is answered.
    pub(super) fn may_die(&self) -> bool {
        matches!(self.step, 1 | 2) && self.streamed_before.is_some()
    }

    /// Another process takes the place of the first, which has told nobody. It holds nothing, and knows the count of now. Nobody
    /// loads for the one that died.
    pub(super) fn die(&mut self) {
        self.step = 0;
        self.remembers = false;
        let Process { reads, connected, .. } = self.processes[0];
        let flights = std::mem::take(&mut self.processes[0].flights);
        if !flights.is_empty() {
            self.server.lease = None;
        }
        let order = Order::default();
        self.processes[0] = Process { order, reads, connected, listens: connected.is_some(), ..Process::default() };
        self.follow(0);
    }
}
