//! How far an import has come: the line up to which every line has its outcome, whatever the order in which they get it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::lines::Start;

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its echo is stored.
    Stored,
    /// Its echo was there, perhaps edited since.
    Present,
    /// Something else lies under its id and was left alone.
    Differs,
    /// Its echo has been deleted, and stays so.
    Deleted,
    /// Its echo's time is over.
    Expired,
    /// It is no echo.
    Faulty,
    /// It is empty.
    Blank,
}

/// Lines by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counts {
    /// Echoes stored.
    pub stored: u64,
    /// Echoes that were there.
    pub present: u64,
    /// Echoes whose id has other content, which was left alone.
    pub differs: u64,
    /// Echoes that have been deleted.
    pub deleted: u64,
    /// Echoes whose time is over.
    pub expired: u64,
    /// Lines that are no echo.
    pub faulty: u64,
    /// Empty lines.
    pub blank: u64,
}

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Stored => &mut self.stored,
            Outcome::Present => &mut self.present,
            Outcome::Differs => &mut self.differs,
            Outcome::Deleted => &mut self.deleted,
            Outcome::Expired => &mut self.expired,
            Outcome::Faulty => &mut self.faulty,
            Outcome::Blank => &mut self.blank,
        };
        *count += 1;
    }
}

/// A point in the source: all before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reached {
    /// Lines before it.
    pub lines: u64,
    /// Bytes before it.
    pub bytes: u64,
    /// What became of those lines, earlier runs included.
    pub counts: Counts,
}

impl Reached {
    /// Where to read on.
    pub const fn start(&self) -> Start {
        Start { lines: self.lines, bytes: self.bytes }
    }
}

/// One line under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// The low-water mark of an import.
#[derive(Debug)]
pub struct Mark {
    reached: Reached,
    /// Lines taken past the mark, in order.
    open: VecDeque<Open>,
    /// The number of the first of them.
    first: u64,
}

#[derive(Debug)]
struct Open {
    end_bytes: u64,
    outcome: Option<Outcome>,
}

impl Mark {
    /// A mark at a point reached before.
    pub const fn at(reached: Reached) -> Self {
        Self { reached, open: VecDeque::new(), first: 0 }
    }

    /// Takes the next line, which ends at this byte.
    pub fn take(&mut self, end_bytes: u64) -> Ticket {
        self.open.push_back(Open { end_bytes, outcome: None });
        Ticket(self.first + self.open.len() as u64 - 1)
    }

    /// Notes what became of a line and moves the mark as far as every line before it is done.
    pub fn settle(&mut self, ticket: Ticket, outcome: Outcome) {
        let place = ticket.0.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some(line) = place.and_then(|place| self.open.get_mut(place)) {
            line.outcome = Some(outcome);
        }
        while let Some(Open { end_bytes, outcome: Some(outcome) }) = self.open.front() {
            self.reached.lines += 1;
            self.reached.bytes = *end_bytes;
            self.reached.counts.add(*outcome);
            self.open.pop_front();
            self.first += 1;
        }
    }

    /// The mark.
    pub const fn reached(&self) -> &Reached {
        &self.reached
    }

    /// Lines taken past the mark.
    pub fn open_lines(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_waits_for_the_slowest_line() {
        let mut mark = Mark::at(Reached { lines: 5, bytes: 50, counts: Counts::default() });
        let tickets: Vec<_> = [60, 75, 80, 99].map(|end| mark.take(end)).into();
        mark.settle(tickets[1], Outcome::Present);
        mark.settle(tickets[2], Outcome::Faulty);
        assert_eq!((mark.reached().lines, mark.reached().bytes, mark.open_lines()), (5, 50, 4));
        mark.settle(tickets[0], Outcome::Stored);
        assert_eq!((mark.reached().lines, mark.reached().bytes, mark.open_lines()), (8, 80, 1));
        let counts = mark.reached().counts;
        assert_eq!((counts.stored, counts.present, counts.faulty), (1, 1, 1));
        let last = mark.take(120);
        mark.settle(tickets[3], Outcome::Blank);
        mark.settle(last, Outcome::Expired);
        assert_eq!((mark.reached().lines, mark.reached().bytes, mark.open_lines()), (10, 120, 0));
    }
}
