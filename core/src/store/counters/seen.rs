//! What a counter remembers of a shard.

use std::fmt;

use echoes_shared::Timestamp;

use super::super::item::Item;
use crate::stream::{Sequence, ShardId};

const PREFIX: &str = "seen#";
/// Between the two parts of what is remembered.
const AT: char = '@';
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;
/// Twice as long as a stream keeps a record.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>
const SHARD_SECONDS: u64 = 2 * SECONDS_PER_DAY;
const LETTER_SECONDS: u64 = 30 * SECONDS_PER_DAY;

/// What a counter remembers of a shard: the last sequence that it counts for, and the second in which that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen(String);

impl Seen {
    /// That this sequence was counted now.
    pub(super) fn at(last: &Sequence, now: Timestamp) -> Self {
        Self(format!("{last}{AT}{}", now.epoch_seconds()))
    }

    /// What stands in an item. What makes no sense names no sequence; it is compared all the same.
    pub(super) fn of_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The sequence.
    #[must_use]
    pub fn sequence(&self) -> Option<Sequence> {
        Sequence::parse(self.0.split_once(AT)?.0)
    }

    /// The attribute in which a shard is remembered.
    pub(super) fn attribute(shard: &ShardId) -> String {
        format!("{PREFIX}{shard}")
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The attributes of an item that it need not have any more, with what stands in them; so many at most.
pub(super) fn forgettable(item: &Item, now: Timestamp, at_most: usize) -> Vec<(String, String)> {
    let old = item.iter().filter_map(|(name, value)| {
        let shard = name.strip_prefix(PREFIX)?;
        let value = value.as_s().ok()?;
        let at_seconds: u64 = value.split_once(AT)?.1.parse().ok()?;
        let keep_seconds = if ShardId::is_letter(shard) { LETTER_SECONDS } else { SHARD_SECONDS };
        let is_old = now.epoch_seconds().saturating_sub(at_seconds) > keep_seconds;
        is_old.then(|| (name.clone(), value.clone()))
    });
    old.take(at_most).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::item::string;
    use super::*;

    #[test]
    fn what_is_remembered_reads_back() {
        let now = Timestamp::from_millis(1_795_388_393_372);
        let last = Sequence::parse("00123400000000000000000000042").unwrap();
        let seen = Seen::at(&last, now);
        assert_eq!(seen.to_string(), "00123400000000000000000000042@1795388393");
        assert_eq!(Seen::of_text(&seen.to_string()), seen);
        assert_eq!(seen.sequence(), Some(last));
        assert_eq!(Seen::of_text("x@1").sequence(), None);
    }

    #[test]
    fn only_what_is_old_is_forgotten() {
        let now = Timestamp::from_millis(1_795_388_393_372);
        let ago = |days: u64| string(format!("7@{}", now.epoch_seconds() - days * SECONDS_PER_DAY));
        let item: Item = [
            ("pk", string("count#all")),
            ("seen#young", ago(2)),
            ("seen#old", ago(3)),
            ("seen#letter:young", ago(30)),
            ("seen#letter:old", ago(31)),
            ("seen#damaged", string("7")),
            ("seen#ahead", string("7@99999999999")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let mut names: Vec<_> = forgettable(&item, now, 10).into_iter().map(|(name, _)| name).collect();
        names.sort();
        assert_eq!(names, ["seen#letter:old", "seen#old"]);
        assert_eq!(forgettable(&item, now, 1).len(), 1);
    }
}
