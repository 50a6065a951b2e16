//! What is counted, what a count is, and under which keys it lies.

use std::collections::BTreeMap;

use echoes_shared::keys::SEPARATOR;
use echoes_shared::timestamp::Month;
use echoes_shared::{Emotion, Region, Timestamp, UserId};

const MILLIS_PER_HOUR: u64 = 60 * 60 * 1_000;
const MILLIS_PER_DAY: u64 = 24 * MILLIS_PER_HOUR;

/// Items that a hot counter of one region is divided into, so that its shards do not all write to the same one: an item takes
/// 1,000 writes of a kilobyte in a second. A shard keeps its slot for ever, so this number cannot change while streams flow: what
/// a shard's slot remembers would be looked for in another.
pub(super) const SLOTS: u32 = 8;

const PREFIX: &str = "count";
const ALL: &str = "count#all";
const DAYS: &str = "count#days#";
const HOURS: &str = "count#hours#";
const PERSON: &str = "count#person#";

/// The first millisecond of a time's hour, UTC.
#[must_use]
pub const fn hour_of(at: Timestamp) -> Timestamp {
    at.minus_millis(at.millis() % MILLIS_PER_HOUR)
}

/// The first millisecond of a time's day, UTC.
#[must_use]
pub const fn day_of(at: Timestamp) -> Timestamp {
    at.minus_millis(at.millis() % MILLIS_PER_DAY)
}

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
        Self::Day(day_of(at))
    }

    /// The hour of a time.
    #[must_use]
    pub const fn hour_of(at: Timestamp) -> Self {
        Self::Hour(hour_of(at))
    }

    /// The group that it is read with.
    #[must_use]
    pub fn group(&self) -> Counters {
        match self {
            Self::All => Counters::All,
            Self::Day(start) => Counters::DaysOf(start.month()),
            Self::Hour(start) => Counters::HoursOf(day_of(*start)),
            Self::Person(user) => Counters::Person(user.clone()),
        }
    }

    /// The sort key of a region's part of it for a shard.
    pub(super) fn sort_key(&self, region: Region, shard: &str) -> String {
        let slot = crc32fast::hash(shard.as_bytes()) % SLOTS;
        match self {
            Self::All => format!("{region}{SEPARATOR}{slot}"),
            Self::Day(start) | Self::Hour(start) => {
                format!("{:02}{SEPARATOR}{region}{SEPARATOR}{slot}", self.place_of(*start))
            }
            // Nobody speaks fast enough to be hot.
            Self::Person(_) => region.to_string(),
        }
    }

    /// The day of its month, or the hour of its day.
    fn place_of(&self, start: Timestamp) -> u64 {
        match self {
            Self::Day(_) => start.millis_since(start.month().start()) / MILLIS_PER_DAY + 1,
            _ => start.millis() % MILLIS_PER_DAY / MILLIS_PER_HOUR,
        }
    }
}

/// Counters that lie in one partition and are read together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counters {
    /// [`Counter::All`].
    All,
    /// Each day of a month.
    DaysOf(Month),
    /// Each hour of the day that begins then.
    HoursOf(Timestamp),
    /// [`Counter::Person`].
    Person(UserId),
}

impl Counters {
    /// The partition.
    pub(super) fn partition(&self) -> String {
        match self {
            Self::All => ALL.to_owned(),
            Self::DaysOf(month) => format!("{DAYS}{}", month.dashed()),
            Self::HoursOf(day) => format!("{HOURS}{}", date(*day)),
            Self::Person(user) => format!("{PERSON}{user}"),
        }
    }

    /// The group that lies in a partition; `None` for one of other items.
    pub(super) fn of_partition(partition: &str) -> Option<Self> {
        if let Some(month) = partition.strip_prefix(DAYS) {
            return Month::parse_compact(&month.replace('-', "")).map(Self::DaysOf);
        }
        if let Some(date) = partition.strip_prefix(HOURS) {
            return format!("{date}T00:00:00.000Z").parse().ok().map(Self::HoursOf);
        }
        if let Some(user) = partition.strip_prefix(PERSON) {
            return user.parse().ok().map(Self::Person);
        }
        (partition == ALL).then_some(Self::All)
    }

    /// What all partitions of counters begin with.
    pub(super) const fn prefix() -> &'static str {
        PREFIX
    }

    /// The counter and the region that one of its sort keys names.
    pub(super) fn read(&self, sort_key: &str) -> Option<(Counter, Region)> {
        let mut parts = sort_key.split(SEPARATOR);
        let counter = match self {
            Self::All => Counter::All,
            Self::Person(user) => Counter::Person(user.clone()),
            Self::DaysOf(month) => {
                let day: u64 = parts.next()?.parse().ok()?;
                Counter::Day(month.start().plus_millis(day.checked_sub(1)?.checked_mul(MILLIS_PER_DAY)?))
            }
            Self::HoursOf(start) => {
                let hour: u64 = parts.next()?.parse().ok()?;
                Counter::Hour(start.plus_millis(hour.checked_mul(MILLIS_PER_HOUR)?))
            }
        };
        Some((counter, parts.next()?.parse().ok()?))
    }
}

/// `2026-11-22`.
fn date(at: Timestamp) -> String {
    let mut text = at.to_string();
    text.truncate(10);
    text
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

    /// How many echoes of an emotion live. One region's part of a count may be heard of before another's that takes from it, so
    /// that the sum is below zero for a moment: that is shown as none.
    #[must_use]
    pub fn echoes(&self, emotion: Emotion) -> u64 {
        let count = self.living.get(&emotion).copied().unwrap_or_default();
        u64::try_from(count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn hours_and_days_are_utc() {
        let time = at("2026-11-22T22:59:53.372Z");
        assert_eq!(Counter::hour_of(time), Counter::Hour(at("2026-11-22T22:00:00.000Z")));
        assert_eq!(Counter::day_of(time), Counter::Day(at("2026-11-22T00:00:00.000Z")));
        assert_eq!(Counter::day_of(at("2026-11-22T00:00:00.000Z")), Counter::day_of(time));
    }

    #[test]
    fn keys_read_back() {
        let time = at("2026-11-22T03:59:53.372Z");
        let user = "auth0|5.a".parse::<UserId>().unwrap();
        let slot = crc32fast::hash(b"shard") % SLOTS;
        for (counter, partition, sort) in [
            (Counter::All, "count#all", format!("eu-west-1#{slot}")),
            (Counter::day_of(time), "count#days#2026-11", format!("22#eu-west-1#{slot}")),
            (Counter::hour_of(time), "count#hours#2026-11-22", format!("03#eu-west-1#{slot}")),
            (Counter::Person(user), "count#person#auth0|5.a", "eu-west-1".to_owned()),
        ] {
            let group = counter.group();
            let sort_key = counter.sort_key(Region::EuWest1, "shard");
            assert_eq!((group.partition().as_str(), sort_key.as_str()), (partition, sort.as_str()));
            assert_eq!(Counters::of_partition(partition), Some(group.clone()));
            assert_eq!(group.read(&sort_key), Some((counter, Region::EuWest1)));
            assert!(partition.starts_with(Counters::prefix()));
        }
        for strange in
            ["", "count#", "count#hours#today", "count#days#2026", "count#person#me", "active#2026-11-22T03"]
        {
            assert_eq!(Counters::of_partition(strange), None, "{strange}");
        }
        for strange in ["", "x#eu-west-1#0", "22", "22#mars#1", "00#eu-west-1#0", "99999999999999999999#eu-west-1"] {
            assert_eq!(Counters::DaysOf(time.month()).read(strange), None, "{strange}");
        }
    }

    #[test]
    fn a_tally_holds_no_zeroes() {
        let mut tally = Tally::default();
        tally.add_living(Emotion::Happy, 2);
        tally.add(&Tally { living: [(Emotion::Happy, -2), (Emotion::Sad, 1)].into(), created: 1 });
        assert_eq!(tally, Tally { living: [(Emotion::Sad, 1)].into(), created: 1 });
        tally.add(&Tally { living: [(Emotion::Sad, -2)].into(), created: -1 });
        assert_eq!((tally.echoes(Emotion::Sad), tally.echoes(Emotion::Happy)), (0, 0));
    }
}
