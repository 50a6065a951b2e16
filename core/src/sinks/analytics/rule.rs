//! What a record changes in which counter of a region, and what of that a counter has not counted yet. Nothing here does I/O.
//!
//! A record counts [its new image lives here] − [its old image lives here], where *lives here* means that it is an echo whose
//! origin is this region. What an item counts for in all regions together is so the difference between its last image and its
//! first, whatever lies between: merged records leave out what would cancel, replicated ones are of another origin, and an
//! evacuation takes from one region what it gives to the other. An echo that has expired counts until it is removed.
//!
//! Records come at least once, and each counter remembers with its count the last sequence of each shard that it has counted. One
//! conditional write changes both: it adds what is above the remembered sequence and holds only where that is still the
//! remembered one. So of two who count the same records, one is refused and looks again, and a batch that was counted in part
//! before a crash goes on where each counter was left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use echoes_shared::{Echo, Region, Timestamp, UserId};

use crate::store::{Counter, Tally, hour_of};
use crate::stream::{Image, Record, Sequence};

/// What one record changes in one counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The record's place in its shard.
    pub sequence: Sequence,
    /// By how much it changes the count.
    pub change: Tally,
}

/// What a counter is to count now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What to add. It may be zero, and is to be written all the same: another who counts a part of these records must find
    /// that they were counted.
    pub sum: Tally,
    /// What to remember with it.
    pub last: Sequence,
}

/// What records change in this region's counters, each counter's effects in the order of the records. Those that change nothing,
/// such as edits and what was replicated from elsewhere, are in none.
#[must_use]
pub fn effects(records: &[Arc<Record>], here: Region) -> BTreeMap<Counter, Vec<Effect>> {
    let mut by_counter: BTreeMap<Counter, Vec<Effect>> = BTreeMap::new();
    for record in records {
        for (counter, change) in changes(record, here) {
            by_counter.entry(counter).or_default().push(Effect { sequence: record.sequence.clone(), change });
        }
    }
    by_counter
}

/// What of these effects, in their order, is not counted yet where `remembered` was the last that was; `None` where all are.
#[must_use]
pub fn due(remembered: Option<&Sequence>, effects: &[Effect]) -> Option<Due> {
    let mut due: Option<Due> = None;
    for Effect { sequence, change } in effects {
        let last = due.as_ref().map(|due| &due.last).or(remembered);
        // A record that stands twice in a batch counts once.
        if last.is_some_and(|last| sequence <= last) {
            continue;
        }
        let due = due.get_or_insert_with(|| Due { sum: Tally::default(), last: sequence.clone() });
        due.sum.add(change);
        due.last = sequence.clone();
    }
    due
}

/// The counters that count an echo.
#[must_use]
pub fn counters_of(echo: &Echo) -> [Counter; 4] {
    let at = echo.timestamp;
    [Counter::All, Counter::day_of(at), Counter::hour_of(at), Counter::Person(echo.user_id.clone())]
}

/// Who created echoes here in which hour, by its first millisecond. Sets take the same person twice, so nothing of this is
/// remembered.
#[must_use]
pub fn active(records: &[Arc<Record>], here: Region) -> BTreeMap<Timestamp, BTreeSet<UserId>> {
    let mut by_hour: BTreeMap<Timestamp, BTreeSet<UserId>> = BTreeMap::new();
    let created = records.iter().filter(|record| record.old.is_none()).filter_map(|record| record.new_echo());
    for echo in created.filter(|echo| echo.origin == here) {
        by_hour.entry(hour_of(echo.timestamp)).or_default().insert(echo.user_id.clone());
    }
    by_hour
}

/// What one record changes.
fn changes(record: &Record, here: Region) -> BTreeMap<Counter, Tally> {
    let is_here = |echo: &&Echo| echo.origin == here;
    let (old, new) = (record.old_echo().filter(is_here), record.new_echo().filter(is_here));
    let mut changes: BTreeMap<Counter, Tally> = BTreeMap::new();
    for (echo, sign) in old.map(|echo| (echo, -1)).into_iter().chain(new.map(|echo| (echo, 1))) {
        for counter in counters_of(echo) {
            changes.entry(counter).or_default().add_living(echo.emotion, sign);
        }
    }
    if let Some(echo) = record.old_echo().or(record.new_echo()) {
        let hour = Counter::hour_of(echo.timestamp);
        changes.entry(hour).or_default().created += created(record, here);
    }
    changes.retain(|_, change| !change.is_zero());
    changes
}

/// Whether a record creates an echo here, or takes a created one from here because another region is now its origin: an
/// evacuation, or a create that two regions took. What comes in the place of a tombstone was created before it.
fn created(record: &Record, here: Region) -> i64 {
    let Some(new) = record.new_echo() else { return 0 };
    let began = new.origin == here && !matches!(record.old, Some(Image::Tombstone(_)));
    let before = record.old_echo().is_some_and(|old| old.origin == here);
    i64::from(began) - i64::from(before)
}

#[cfg(test)]
mod tests;
