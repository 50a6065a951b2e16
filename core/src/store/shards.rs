//! Into how many shards the feed of an emotion, or the recent list, is split: a setting of the operator's, the same in every
//! region, that only grows.
//!
//! | sort key under `shards` | attributes | written by |
//! |---|---|---|
//! | `happy` (or `recent`) | `read`, `write` | the operator: `echoes table shards` |
//! | `happy#<region>` | `read` | that region: it reads so many |
//!
//! A growth has two steps: first every region reads the new number, then echoes go there. The first shard has the plain key,
//! and so many shards are always the first so many; so whoever is late writes where everybody reads.

mod cache;
mod growth;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use echoes_shared::keys;
use echoes_shared::policy::MAX_SHARDS;
use echoes_shared::{Emotion, Region, Timestamp};
use serde::Serialize;

use super::item::Item;
use super::ops;

pub(super) use cache::Shards;
pub use cache::{SETTLE_SECONDS, TICK};

const PARTITION: &str = "shards";
const READ: &str = "read";
const WRITE: &str = "write";

/// A list that can be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShardedList {
    /// The feed of an emotion.
    Feed(Emotion),
    /// The last ninety days: each of its months.
    Recent,
}

impl ShardedList {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Feed(emotion) => emotion.as_str(),
            Self::Recent => "recent",
        }
    }
}

impl fmt::Display for ShardedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no list's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an emotion or `recent`")]
pub struct UnknownList;

impl FromStr for ShardedList {
    type Err = UnknownList;

    fn from_str(name: &str) -> Result<Self, UnknownList> {
        match name {
            "recent" => Ok(Self::Recent),
            _ => name.parse().map(Self::Feed).map_err(|_| UnknownList),
        }
    }
}

/// The setting of one list, and what the regions say to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ShardSetting {
    /// Shards that are to be read.
    pub read: u16,
    /// Shards to which echoes are to go.
    pub write: u16,
    /// Shards that each region says it reads.
    pub confirmed: BTreeMap<Region, u16>,
}

impl ShardSetting {
    /// Shards to read: whatever anybody may have written to. Two operators at once, or an item that another region's
    /// overtook, take nothing back, since confirmations only grow.
    pub fn to_read(&self) -> u16 {
        let confirmed = self.confirmed.values().copied().max().unwrap_or_default();
        self.read.max(self.write).max(confirmed).clamp(1, MAX_SHARDS)
    }

    /// Shards to write to.
    pub fn to_write(&self) -> u16 {
        self.write.clamp(1, self.to_read())
    }

    /// Those of `regions` that do not read `shards` yet, as far as is known here.
    pub fn unconfirmed(&self, shards: u16, regions: &[Region]) -> Vec<Region> {
        let reads = |region: &Region| self.confirmed.get(region).is_some_and(|read| *read >= shards);
        regions.iter().copied().filter(|region| !reads(region)).collect()
    }
}

/// The settings of all lists, as read at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    lists: BTreeMap<ShardedList, ShardSetting>,
    read_at: Timestamp,
}

impl Settings {
    fn of_items(items: &[Item], read_at: Timestamp) -> Self {
        let mut lists: BTreeMap<ShardedList, ShardSetting> = BTreeMap::new();
        for item in items {
            let key = ops::sort_key(item);
            // A list that this program does not know is a later one's.
            let Ok(list) = keys::without_suffix(key).parse() else { continue };
            let setting = lists.entry(list).or_default();
            let read = ops::number(item, READ).unwrap_or_default();
            match key.split_once(keys::SEPARATOR).map(|(_, region)| region.parse::<Region>()) {
                None => (setting.read, setting.write) = (read, ops::number(item, WRITE).unwrap_or_default()),
                Some(Ok(region)) => drop(setting.confirmed.insert(region, read)),
                Some(Err(_)) => {}
            }
        }
        Self { lists, read_at }
    }

    /// One list's setting.
    pub(super) fn of(&self, list: ShardedList) -> ShardSetting {
        self.lists.get(&list).cloned().unwrap_or_default()
    }

    /// The lists of which `region` has not confirmed what it reads from now on, and that number.
    fn unconfirmed_by(&self, region: Region) -> Vec<(ShardedList, u16)> {
        let due = self.lists.iter().map(|(list, setting)| (*list, setting.to_read(), setting));
        let due = due.filter(|(_, shards, setting)| *shards > setting.confirmed.get(&region).copied().unwrap_or(1));
        due.map(|(list, shards, _)| (list, shards)).collect()
    }

    /// Keeps what an earlier reading knew: nothing shrinks.
    fn grown_from(mut self, earlier: &Self) -> Self {
        for (list, before) in &earlier.lists {
            let setting = self.lists.entry(*list).or_default();
            setting.read = setting.read.max(before.read);
        }
        self
    }
}

/// The key of a list's setting.
fn setting_key(list: ShardedList) -> Item {
    ops::key(PARTITION, list.as_str())
}

/// The key of a region's confirmation.
fn confirmation_key(list: ShardedList, region: Region) -> Item {
    ops::key(PARTITION, &format!("{list}{}{region}", keys::SEPARATOR))
}

#[cfg(test)]
mod tests {
    use super::super::item::number;
    use super::*;

    fn setting(list: ShardedList, read: u16, write: u16) -> Item {
        let mut item = setting_key(list);
        item.extend([(READ.to_owned(), number(read)), (WRITE.to_owned(), number(write))]);
        item
    }

    fn confirmation(list: ShardedList, region: Region, read: u16) -> Item {
        let mut item = confirmation_key(list, region);
        item.insert(READ.to_owned(), number(read));
        item
    }

    const HAPPY: ShardedList = ShardedList::Feed(Emotion::Happy);

    fn settings(items: &[Item]) -> Settings {
        Settings::of_items(items, Timestamp::from_millis(1_795_000_000_000))
    }

    #[test]
    fn one_shard_is_the_default() {
        let none = settings(&[]).of(HAPPY);
        assert_eq!((none.to_read(), none.to_write()), (1, 1));
        assert_eq!(settings(&[]).unconfirmed_by(Region::EuWest1), []);
    }

    #[test]
    fn items_read_back() {
        let items = [
            setting(HAPPY, 8, 4),
            setting(ShardedList::Recent, 2, 1),
            confirmation(HAPPY, Region::EuWest1, 8),
            confirmation(HAPPY, Region::UsEast1, 4),
            ops::key(PARTITION, "joyful#eu-west-1"),
        ];
        let settings = settings(&items);
        let happy = settings.of(HAPPY);
        assert_eq!((happy.to_read(), happy.to_write()), (8, 4));
        let late = [Region::UsEast1, Region::UsWest2, Region::ApSoutheast1];
        assert_eq!(happy.unconfirmed(8, &Region::ALL), late);
        assert_eq!(settings.unconfirmed_by(Region::EuWest1), [(ShardedList::Recent, 2)]);
        assert_eq!(settings.unconfirmed_by(Region::UsEast1), [(HAPPY, 8), (ShardedList::Recent, 2)]);
    }

    #[test]
    fn what_anybody_may_have_written_to_is_read() {
        // Two operators at once: the smaller setting won, but a region had confirmed the greater.
        let lost = settings(&[setting(HAPPY, 4, 1), confirmation(HAPPY, Region::EuWest1, 8)]).of(HAPPY);
        assert_eq!((lost.to_read(), lost.to_write()), (8, 1));
        let wild = settings(&[setting(HAPPY, 0, 10_000)]).of(HAPPY);
        assert_eq!((wild.to_read(), wild.to_write()), (MAX_SHARDS, MAX_SHARDS));
        let before = settings(&[setting(HAPPY, 8, 1)]);
        assert_eq!(
            settings(&[]).grown_from(&before).of(HAPPY).to_read(),
            8,
            "a reading from behind takes nothing back"
        );
    }

    #[test]
    fn lists_are_named_as_in_keys() {
        for list in [HAPPY, ShardedList::Recent] {
            assert_eq!(list.to_string().parse(), Ok(list));
        }
        assert_eq!("joyful".parse::<ShardedList>(), Err(UnknownList));
    }
}
