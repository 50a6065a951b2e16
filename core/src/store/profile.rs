//! What `EchoesOps` knows of one person: whether their echoes lie in buckets, since when, in which months, and roughly how
//! many there are. Pure; `people` reads and writes it.
//!
//! | sort key under `person#<userId>` | attributes | written by |
//! |---|---|---|
//! | `marker#<region>` | `from`: `202612` | that region, once |
//! | `month#202612` | – | any region, before the first echo of that month; all write the same |
//! | `count#<region>` | `n` | that region |

use std::collections::BTreeSet;

use echoes_shared::keys;
use echoes_shared::policy::{BUCKET_NOTICE_DAYS, HOT_PERSON_ECHOES, KEY_MAX_AHEAD_MILLIS};
use echoes_shared::timestamp::Month;
use echoes_shared::{EchoId, Region, Timestamp, UserId};

use super::item::Item;
use super::merge::{Ceiling, Extent};
use super::ops;

const PARTITION: &str = "person";
const MARKER: &str = "marker#";
const MONTH: &str = "month#";
const COUNT: &str = "count#";
const FROM: &str = "from";
pub(super) const COUNTED: &str = "n";

/// One in so many new echoes is counted, as so many; 1,000 are then off by about 140.
const SAMPLE: u16 = 20;

/// Days before a profile was read whose months are looked into, listed or not. A month is listed before its first echo,
/// yet the list may reach a region later than the echo. By a month it has: an echo's id is at most a day old when it is
/// written, and replication takes about a second.
const ASSUMED_DAYS: u32 = 35;

/// Milliseconds for which a profile is taken from memory.
///
/// Only a marker must not be missed, and it is written [`BUCKET_NOTICE_DAYS`] before the first echo that heeds it: ten
/// minutes, or the day below, are as good as none.
const CALM_LIFETIME_MILLIS: u64 = 10 * 60 * 1_000;
/// The same for a person who has a marker or may have one soon, so that an imported month soon shows.
const WATCHED_LIFETIME_MILLIS: u64 = 60 * 1_000;
/// For so long a profile serves while `EchoesOps` does not answer.
pub(super) const MAX_AGE_MILLIS: u64 = 24 * 60 * 60 * 1_000;
const _: () = assert!(MAX_AGE_MILLIS < BUCKET_NOTICE_DAYS as u64 * 24 * 60 * 60 * 1_000 / 2);

/// One person's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    /// The first month whose echoes lie in buckets: the earliest marker of any region holds.
    since: Option<Month>,
    /// The months that have a bucket.
    months: BTreeSet<Month>,
    counts: Vec<(String, u64)>,
    read_at: Timestamp,
}

/// A part of a person's timeline: the hash key and what it may hold.
pub(super) type Part = (String, Extent);

impl Profile {
    pub(super) fn of_items(items: &[Item], read_at: Timestamp) -> Self {
        let named = |prefix: &'static str| {
            items.iter().filter_map(move |item| ops::sort_key(item).strip_prefix(prefix).map(|name| (name, item)))
        };
        let month = |text: &str| {
            let month = Month::parse_compact(text);
            if month.is_none() {
                tracing::error!(text, "a month of a person is damaged");
            }
            month
        };
        Self {
            since: named(MARKER).filter_map(|(_, item)| month(ops::text(item, FROM).unwrap_or_default())).min(),
            months: named(MONTH).filter_map(|(name, _)| month(name)).collect(),
            counts: named(COUNT)
                .map(|(region, item)| (region.to_owned(), ops::number(item, COUNTED).unwrap_or_default()))
                .collect(),
            read_at,
        }
    }

    /// The month of the bucket in which an echo of this id lies.
    pub(super) fn bucket(&self, id: EchoId) -> Option<Month> {
        let month = id.timestamp().month();
        self.since.filter(|since| month >= *since).map(|_| month)
    }

    /// The base hash keys under which an echo may lie, the likeliest first. A region that did not know the marker in time
    /// wrote to the base, so that is always one.
    pub(super) fn hash_keys(&self, user: &UserId, id: EchoId) -> Vec<String> {
        let bucket = self.bucket(id).map(|month| keys::bucket_key(user, month));
        bucket.into_iter().chain([user.to_string()]).collect()
    }

    /// Whether the bucket of a month is listed.
    pub(super) fn lists(&self, month: Month) -> bool {
        self.months.contains(&month)
    }

    /// The same profile with one more month.
    pub(super) fn with(&self, month: Month) -> Self {
        let mut profile = self.clone();
        profile.months.insert(month);
        profile
    }

    /// The timeline's parts: the buckets in use, the base before them, and what strayed into the base after that.
    pub(super) fn parts(&self, user: &UserId, now: Timestamp) -> Vec<Part> {
        let Some(since) = self.since else { return vec![(user.to_string(), Extent::ALL)] };
        let first = since.start();
        let mut parts = vec![
            // Next to nothing is here, and it is asked for as much; where a marker came late, it is read like any other.
            (user.to_string(), Extent { floor: Some(first), ceiling: Ceiling::Open, rare: true }),
            (user.to_string(), Extent { floor: None, ceiling: Ceiling::Time(first), rare: false }),
        ];
        let listed = self.months.iter().copied().filter(|month| *month >= since);
        let assumed: Vec<_> = self.assumed_months(now).filter(|month| *month >= since).collect();
        let months: BTreeSet<_> = listed.chain(assumed).collect();
        parts.extend(months.into_iter().map(|month| {
            let (floor, ceiling) = (Some(month.start()), Ceiling::Time(month.next().start()));
            (keys::bucket_key(user, month), Extent { floor, ceiling, rare: !self.lists(month) })
        }));
        parts
    }

    /// Every month that may have got its first echo unnoticed: those around the time of reading, and all since.
    fn assumed_months(&self, now: Timestamp) -> impl Iterator<Item = Month> {
        let newest = now.max(self.read_at).plus_millis(KEY_MAX_AHEAD_MILLIS).month();
        let oldest = now.min(self.read_at).minus_days(ASSUMED_DAYS).month();
        std::iter::successors(Some(newest), |month| Some(month.previous())).take_while(move |month| *month >= oldest)
    }

    /// Milliseconds between the reading and `now`, whichever is later.
    pub(super) fn age_millis(&self, now: Timestamp) -> u64 {
        now.millis().abs_diff(self.read_at.millis())
    }

    /// Whether it may be used without a look at the table.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        let watched = self.since.is_some() || self.counted() >= HOT_PERSON_ECHOES / 2;
        self.age_millis(now) < if watched { WATCHED_LIFETIME_MILLIS } else { CALM_LIFETIME_MILLIS }
    }

    fn counted(&self) -> u64 {
        self.counts.iter().map(|(_, n)| n).sum()
    }

    /// Whether this region should mark the person now that its own count is `own`.
    pub(super) fn calls_for_marker(&self, region: Region, own: u64) -> bool {
        let others: u64 = self.counts.iter().filter(|(name, _)| name != region.as_str()).map(|(_, n)| n).sum();
        self.since.is_none() && others.saturating_add(own) >= HOT_PERSON_ECHOES
    }
}

/// How many echoes a new one is counted as: by its id, so that a repeat in another process counts alike.
pub(super) fn weight(id: EchoId) -> u64 {
    let [.., high, low, _, _, _, _] = *id.as_bytes();
    if u16::from_be_bytes([high, low]) % SAMPLE == 0 { SAMPLE.into() } else { 0 }
}

/// The first month that begins late enough for every region to hear of it.
fn first_bucket_month(now: Timestamp) -> Month {
    let heard = now.plus_days(BUCKET_NOTICE_DAYS);
    let month = heard.month();
    if month.start() == heard { month } else { month.next() }
}

/// The partition of a person's items in `EchoesOps`.
pub(super) fn partition(user: &UserId) -> String {
    format!("{PARTITION}{}{user}", keys::SEPARATOR)
}

/// A region's marker, written now.
pub(super) fn marker(user: &UserId, region: Region, now: Timestamp) -> Item {
    let mut item = ops::key(&partition(user), &format!("{MARKER}{region}"));
    item.insert(FROM.to_owned(), super::item::string(first_bucket_month(now).compact()));
    item
}

/// That a person's month has a bucket.
pub(super) fn month(user: &UserId, month: Month) -> Item {
    ops::key(&partition(user), &format!("{MONTH}{}", month.compact()))
}

/// The key of a region's count.
pub(super) fn count_key(user: &UserId, region: Region) -> Item {
    ops::key(&partition(user), &format!("{COUNT}{region}"))
}

#[cfg(test)]
mod tests;
