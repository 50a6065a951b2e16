//! What is counted, and what a count is.

use std::collections::BTreeMap;

use echoes_shared::{Emotion, Timestamp, UserId};

const MILLIS_PER_HOUR: u64 = 60 * 60 * 1_000;
const MILLIS_PER_DAY: u64 = 24 * MILLIS_PER_HOUR;

/// A set of echoes that is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// All.
    All,
    /// Those of one day, UTC, by its first millisecond.
    Day(Timestamp),
    /// Those of one hour, UTC, by its first millisecond.
    Hour(Timestamp),
    /// Those of one person.
    Person(UserId),
}

impl Counter {
    /// The day of a time.
    #[must_use]
    pub const fn day_of(at: Timestamp) -> Self {
        Self::Day(at.minus_millis(at.millis() % MILLIS_PER_DAY))
    }

    /// The hour of a time.
    #[must_use]
    pub const fn hour_of(at: Timestamp) -> Self {
        Self::Hour(at.minus_millis(at.millis() % MILLIS_PER_HOUR))
    }
}

/// Echoes counted, or what a count changes by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Echoes that live, by emotion; none is zero.
    pub living: BTreeMap<Emotion, i64>,
    /// Echoes that were created, whatever became of them; counted by the hour alone.
    pub created: i64,
}

impl Tally {
    /// Counts so many more echoes of an emotion.
    pub fn add_living(&mut self, emotion: Emotion, echoes: i64) {
        let count = self.living.entry(emotion).or_default();
        *count = count.saturating_add(echoes);
        if *count == 0 {
            self.living.remove(&emotion);
        }
    }

    /// Counts another tally's echoes too.
    pub fn add(&mut self, other: &Self) {
        other.living.iter().for_each(|(emotion, echoes)| self.add_living(*emotion, *echoes));
        self.created = self.created.saturating_add(other.created);
    }

    /// Whether nothing is counted.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.living.is_empty() && self.created == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_days_are_utc() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let time = at("2026-11-22T22:59:53.372Z");
        assert_eq!(Counter::hour_of(time), Counter::Hour(at("2026-11-22T22:00:00.000Z")));
        assert_eq!(Counter::day_of(time), Counter::Day(at("2026-11-22T00:00:00.000Z")));
        assert_eq!(Counter::day_of(at("2026-11-22T00:00:00.000Z")), Counter::day_of(time));
    }

    #[test]
    fn a_tally_holds_no_zeroes() {
        let mut tally = Tally::default();
        tally.add_living(Emotion::Happy, 2);
        tally.add(&Tally { living: [(Emotion::Happy, -2), (Emotion::Sad, 1)].into(), created: 1 });
        assert_eq!(tally, Tally { living: [(Emotion::Sad, 1)].into(), created: 1 });
        tally.add(&Tally { living: [(Emotion::Sad, -1)].into(), created: -1 });
        assert!(tally.is_zero());
    }
}
