//! Which shards may be read, and by whom: decided alike by every worker from the same rows, without asking another.

use std::collections::{BTreeMap, BTreeSet};

use echoes_shared::Timestamp;

use super::{Listing, Row, ShardId, State};

/// What a worker knows when it decides.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// The shards that the stream lists.
    pub listing: &'a Listing,
    /// The rows, and whether each has an owner that lives.
    pub rows: &'a [(Row, Owner)],
    /// The shards that this worker is reading.
    pub reading: &'a BTreeSet<ShardId>,
    /// Workers that live, this one among them.
    pub workers: usize,
}

/// Whose a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody's: it was given back, its lease lapsed, or it is this worker's from before.
    Nobody,
    /// A worker's that lives, this one perhaps.
    Living,
}

/// What a worker is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Put a row for a shard that has none, and read it.
    Begin { shard: ShardId, parents: Vec<ShardId> },
    /// Take a row that is nobody's, and read it.
    Take(Row),
    /// Give a shard to those who have less.
    HandOver(ShardId),
    /// Remove a row that tells nothing any more.
    Remove(Row),
}

/// Shards that may be read now: whose parents have all been applied, or are not kept any more and have no row that says
/// otherwise. One that is not listed any more is among them as long as its row says that it has not been read to its end,
/// so that what was lost is set down.
pub(super) fn ready(listing: &Listing, rows: &[(Row, Owner)]) -> Vec<(ShardId, Vec<ShardId>)> {
    let states: BTreeMap<&ShardId, State> = rows.iter().map(|(row, _)| (&row.shard, row.state)).collect();
    let listed: BTreeSet<&ShardId> = listing.shards.iter().map(|shard| &shard.id).collect();
    let drained = |parent: &ShardId| match states.get(parent) {
        Some(state) => *state == State::Done,
        None => !listed.contains(parent),
    };
    let mut found = BTreeMap::new();
    for shard in &listing.shards {
        let parents: Vec<_> = shard.parent.iter().cloned().collect();
        if states.get(&shard.id) != Some(&State::Done) && parents.iter().all(drained) {
            found.insert(shard.id.clone(), parents);
        }
    }
    for (row, _) in rows.iter().filter(|(row, _)| row.state == State::Open && !listed.contains(&row.shard)) {
        if row.parents.iter().all(drained) {
            found.insert(row.shard.clone(), row.parents.clone());
        }
    }
    found.into_iter().collect()
}

/// What to do now. Every worker takes what is free up to its fair share, and gives up what it has above that.
pub(super) fn steps(view: &View<'_>) -> Vec<Step> {
    let ready = ready(view.listing, view.rows);
    let share = ready.len().div_ceil(view.workers.max(1));
    let rows: BTreeMap<&ShardId, &(Row, Owner)> = view.rows.iter().map(|entry| (&entry.0.shard, entry)).collect();
    let mut steps = Vec::new();
    let mut held = view.reading.len();
    for (shard, parents) in &ready {
        if held >= share || view.reading.contains(shard) {
            continue;
        }
        let step = match rows.get(shard) {
            None => Step::Begin { shard: shard.clone(), parents: parents.clone() },
            Some((row, Owner::Nobody)) => Step::Take(row.clone()),
            Some((_, Owner::Living)) => continue,
        };
        steps.push(step);
        held += 1;
    }
    // The last ones by name go, so that a worker that is asked twice gives up the same.
    let surplus = view.reading.len().saturating_sub(share.max(1));
    steps.extend(view.reading.iter().rev().take(surplus).cloned().map(Step::HandOver));
    steps.extend(removable(view).map(Step::Remove));
    steps
}

/// Parents of a shard that nobody has ever read though the stream has been read before: what they held is lost. `shard` has no
/// row yet.
pub(super) fn never_read<'a>(listing: &Listing, rows: &[(Row, Owner)], parents: &'a [ShardId]) -> Vec<&'a ShardId> {
    let is_known = |parent: &ShardId| {
        rows.iter().any(|(row, _)| row.shard == *parent) || listing.shards.iter().any(|shard| shard.id == *parent)
    };
    // A stream without any row is read from its oldest shard on, whose parents were never anybody's.
    if rows.is_empty() { Vec::new() } else { parents.iter().filter(|parent| !is_known(parent)).collect() }
}

/// A time before which nothing was made that follows these shards; `None` where none of them is known.
pub(super) fn unread_since(rows: &[(Row, Owner)], parents: &[ShardId]) -> Option<Timestamp> {
    let known = rows.iter().filter(|(row, _)| parents.contains(&row.shard));
    known.filter_map(|(row, _)| row.caught_up).min()
}

/// Rows of shards that have been applied and are not listed any more. None goes as long as a shard that is listed has not begun:
/// it asks for its parents, and whether the stream has ever been read.
fn removable<'a>(view: &'a View<'_>) -> impl Iterator<Item = Row> + 'a {
    let listed: BTreeSet<&ShardId> = view.listing.shards.iter().map(|shard| &shard.id).collect();
    let begun: BTreeSet<&ShardId> = view.rows.iter().map(|(row, _)| &row.shard).collect();
    let all_begun = listed.is_subset(&begun);
    let done = view.rows.iter().map(|(row, _)| row).filter(|row| row.state == State::Done);
    done.filter(move |row| all_begun && !listed.contains(&row.shard)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Listed, Positions};

    fn listing(shards: &[(&str, Option<&str>)]) -> Listing {
        let listed =
            |(id, parent): &(&str, Option<&str>)| Listed { id: ShardId::new(*id), parent: parent.map(ShardId::new) };
        Listing { label: "1".to_owned(), shards: shards.iter().map(listed).collect() }
    }

    fn row(shard: &str, parents: &[&str], state: State, owner: Owner) -> (Row, Owner) {
        let row = Row {
            shard: ShardId::new(shard),
            parents: parents.iter().copied().map(ShardId::new).collect(),
            state,
            owner: (owner == Owner::Living).then(|| "other".to_owned()),
            fence: 1,
            beat: 1,
            positions: Positions::new(),
            caught_up: None,
        };
        (row, owner)
    }

    fn names(listing: &Listing, rows: &[(Row, Owner)]) -> Vec<String> {
        ready(listing, rows).into_iter().map(|(shard, _)| shard.to_string()).collect()
    }

    #[test]
    fn a_child_waits_for_its_parent() {
        let split = listing(&[("a", None), ("b", Some("a")), ("c", Some("a")), ("d", Some("b"))]);
        assert_eq!(names(&split, &[]), ["a"]);
        assert_eq!(names(&split, &[row("a", &[], State::Open, Owner::Living)]), ["a"]);
        let done = [row("a", &[], State::Done, Owner::Nobody)];
        assert_eq!(names(&split, &done), ["b", "c"]);
        let deeper = [row("a", &[], State::Done, Owner::Nobody), row("b", &["a"], State::Done, Owner::Nobody)];
        assert_eq!(names(&split, &deeper), ["c", "d"]);
    }

    #[test]
    fn a_parent_that_is_not_kept_any_more_is_waited_for_only_if_it_was_begun() {
        let child = listing(&[("b", Some("a"))]);
        assert_eq!(names(&child, &[]), ["b"]);
        // What it still held is lost, and is set down before its child begins.
        assert_eq!(names(&child, &[row("a", &[], State::Open, Owner::Nobody)]), ["a"]);
        assert_eq!(names(&child, &[row("a", &[], State::Done, Owner::Nobody)]), ["b"]);
    }

    #[test]
    fn work_is_shared_fairly() {
        let four = listing(&[("a", None), ("b", None), ("c", None), ("d", None)]);
        let reading: BTreeSet<_> = ["a", "b", "c", "d"].map(ShardId::new).into();
        let rows: Vec<_> = ["a", "b", "c", "d"].map(|shard| row(shard, &[], State::Open, Owner::Living)).into();
        let steps = |reading: &BTreeSet<ShardId>, rows: &[(Row, Owner)], workers| {
            steps(&View { listing: &four, rows, reading, workers })
        };
        assert_eq!(steps(&reading, &rows, 1), []);
        let over = |shard| Step::HandOver(ShardId::new(shard));
        assert_eq!(steps(&reading, &rows, 2), [over("d"), over("c")]);
        assert_eq!(steps(&reading, &rows, 3), [over("d"), over("c")]);
        assert_eq!(steps(&BTreeSet::new(), &rows, 2), []);
        let free: Vec<_> = ["a", "b", "c", "d"].map(|shard| row(shard, &[], State::Open, Owner::Nobody)).into();
        assert_eq!(steps(&BTreeSet::new(), &free, 2).len(), 2);
        assert_eq!(steps(&BTreeSet::new(), &[], 1).len(), 4);
    }

    #[test]
    fn a_row_goes_once_its_shard_is_not_listed() {
        let rows = [row("a", &[], State::Done, Owner::Nobody), row("b", &["a"], State::Done, Owner::Nobody)];
        let view = |listing: &Listing| steps(&View { listing, rows: &rows, reading: &BTreeSet::new(), workers: 1 });
        assert_eq!(view(&listing(&[("a", None), ("b", Some("a"))])), []);
        assert_eq!(view(&listing(&[("b", Some("a"))])), [Step::Remove(rows[0].0.clone())]);
        let begin = Step::Begin { shard: ShardId::new("c"), parents: vec![ShardId::new("b")] };
        assert_eq!(view(&listing(&[("c", Some("b"))])), [begin]);
    }
}
