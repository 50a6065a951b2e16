//! Counts this region's echoes anew, from the table, and compares that with its counters.
//!
//! Both go on changing meanwhile, so the counters are read before and after the table: what the table counts is right where it is
//! between the two. Where something differs all is counted once more, and what differs again is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use echoes_shared::{Echo, Emotion, Region, Timestamp};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use crate::pace::table::next_page;
use crate::pace::{Attempt, Pace};
use crate::sinks::analytics::rule;
use crate::store::{Counter, Segment, Store, StoreError, Tally};
use crate::units;

/// Before all is counted once more: what the stream is behind by has been counted then.
const SETTLE: Duration = Duration::from_secs(2);

type Counts = BTreeMap<Counter, Tally>;

/// How a recount goes.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Whose echoes: those of which this is the origin.
    pub region: Region,
    /// Parts of a table read side by side.
    pub segments: u16,
}

/// A counter that does not say what the table does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// `all`, `day 2026-11-22`, `hour 2026-11-22T13`, `person ana`.
    pub counter: String,
    /// Of which emotion.
    pub emotion: Emotion,
    /// Echoes that the counter counts.
    pub counted: i64,
    /// Echoes that the table holds.
    pub stored: i64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counter, emotion, counted, stored } = self;
        write!(f, "{counter}, {emotion}: {counted} counted, {stored} in the table")
    }
}

/// What a recount came to.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recount {
    /// Echoes of this region's in the table, expired ones that are still there included.
    pub echoes: u64,
    /// Counters that were compared.
    pub counters: u64,
    /// Those that differ, by name.
    pub differences: Vec<Difference>,
    /// Items of the table that are neither echo nor tombstone.
    pub damaged: u64,
    /// Read units consumed.
    pub read_units: f64,
}

/// How far a recount is.
#[derive(Debug, Default)]
pub struct Reading {
    echoes: AtomicU64,
    damaged: AtomicU64,
}

impl Reading {
    /// Echoes of any region read so far.
    pub fn echoes(&self) -> u64 {
        self.echoes.load(Ordering::Relaxed)
    }
}

/// Counts and compares.
///
/// # Errors
/// Where the store gives no answer for as long as `pace` has patience.
pub async fn recount(store: &Store, pace: &Pace, plan: Plan, reading: &Reading) -> Result<Recount, StoreError> {
    let (counted, units) = units::counted(async {
        let once = compare(store, pace, plan, reading).await?;
        if once.differences.is_empty() {
            return Ok(once);
        }
        tokio::time::sleep(SETTLE).await;
        let again = compare(store, pace, plan, reading).await?;
        let before: BTreeSet<_> = once.differences.into_iter().map(|found| (found.counter, found.emotion)).collect();
        let stays = |found: &Difference| before.contains(&(found.counter.clone(), found.emotion));
        Ok(Recount { differences: again.differences.into_iter().filter(stays).collect(), ..again })
    })
    .await;
    units::consume(units);
    counted.map(|recount| Recount { read_units: units.read, ..recount })
}

async fn compare(store: &Store, pace: &Pace, plan: Plan, reading: &Reading) -> Result<Recount, StoreError> {
    let damaged_before = reading.damaged.load(Ordering::Relaxed);
    let before = counters(store, pace, plan).await?;
    let (stored, echoes) = table(store, pace, plan, reading).await?;
    let after = counters(store, pace, plan).await?;
    let names: BTreeSet<_> = before.keys().chain(stored.keys()).chain(after.keys()).collect();
    let mut differences = Vec::new();
    for counter in &names {
        let [before, stored, after] = [&before, &stored, &after].map(|counts| counts.get(*counter));
        differences.extend(differing(counter, before, stored, after));
    }
    differences.sort();
    let damaged = reading.damaged.load(Ordering::Relaxed) - damaged_before;
    Ok(Recount { echoes, counters: names.len() as u64, differences, damaged, read_units: 0.0 })
}

/// The emotions of one counter that the table counts otherwise than the counter did at any time.
fn differing(
    counter: &Counter,
    before: Option<&Tally>,
    stored: Option<&Tally>,
    after: Option<&Tally>,
) -> Vec<Difference> {
    let number = |tally: Option<&Tally>, emotion| tally.and_then(|tally| tally.living.get(&emotion)).copied();
    let number = |tally, emotion| number(tally, emotion).unwrap_or_default();
    let difference = |&emotion: &Emotion| {
        let (began, stored, counted) = (number(before, emotion), number(stored, emotion), number(after, emotion));
        let differs = stored < began.min(counted) || stored > began.max(counted);
        differs.then(|| Difference { counter: name(counter), emotion, counted, stored })
    };
    Emotion::ALL.iter().filter_map(difference).collect()
}

fn name(counter: &Counter) -> String {
    let first = |start: &Timestamp, chars: usize| start.to_string().chars().take(chars).collect::<String>();
    match counter {
        Counter::All => "all".to_owned(),
        Counter::Day(start) => format!("day {}", first(start, 10)),
        Counter::Hour(start) => format!("hour {}", first(start, 13)),
        Counter::Person(user) => format!("person {user}"),
    }
}

/// This region's counters.
async fn counters(store: &Store, pace: &Pace, plan: Plan) -> Result<Counts, StoreError> {
    let read = |segment: Segment| async {
        let mut counts = Counts::new();
        let mut rest = segment;
        while !rest.has_ended() {
            let read = async |mut segment: Segment| {
                let page = Box::pin(store.scan_counters(&mut segment)).await;
                (segment, Attempt::of(page))
            };
            let (back, page) = pace.until_granted(rest, read).await;
            rest = back;
            let page = page?;
            page.into_iter().for_each(|(counter, tally)| counts.entry(counter).or_default().add(&tally));
        }
        Ok(counts)
    };
    merged(plan, read).await
}

/// What the table holds of this region's, as counters would count it, and how many echoes that is.
async fn table(store: &Store, pace: &Pace, plan: Plan, reading: &Reading) -> Result<(Counts, u64), StoreError> {
    let own = AtomicU64::new(0);
    let read = |segment: Segment| async {
        let mut counts = Counts::new();
        let mut rest = segment;
        while !rest.has_ended() {
            // At the epoch no echo had expired: a counter counts it until it is removed.
            let (back, page) = next_page(store, pace, rest, true, || Timestamp::from_millis(0)).await;
            rest = back;
            let page = page?;
            reading.echoes.fetch_add(page.echoes.len() as u64, Ordering::Relaxed);
            reading.damaged.fetch_add(page.damaged.len() as u64, Ordering::Relaxed);
            let here = |echo: &&Echo| echo.origin == plan.region;
            for echo in page.echoes.iter().filter(here) {
                own.fetch_add(1, Ordering::Relaxed);
                rule::counters_of(echo).into_iter().for_each(|counter| {
                    counts.entry(counter).or_default().add_living(echo.emotion, 1);
                });
            }
        }
        Ok(counts)
    };
    let counts = merged(plan, read).await?;
    Ok((counts, own.into_inner()))
}

/// What all segments of a table come to together.
async fn merged<F>(plan: Plan, read: impl Fn(Segment) -> F) -> Result<Counts, StoreError>
where
    F: Future<Output = Result<Counts, StoreError>>,
{
    let parts = stream::iter(Segment::all(plan.segments)).map(read).buffer_unordered(plan.segments.max(1).into());
    parts
        .try_fold(Counts::new(), |mut all, part| async move {
            part.into_iter().for_each(|(counter, tally)| all.entry(counter).or_default().add(&tally));
            Ok(all)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_the_two_looks_is_right() {
        let tally = |echoes| Tally { living: [(Emotion::Happy, echoes)].into(), created: 0 };
        let differs = |before: i64, stored: i64, after: i64| {
            !differing(&Counter::All, Some(&tally(before)), Some(&tally(stored)), Some(&tally(after))).is_empty()
        };
        for (before, stored, after) in [(3, 3, 3), (3, 3, 5), (3, 4, 5), (3, 5, 5), (5, 4, 3)] {
            assert!(!differs(before, stored, after), "{before} {stored} {after}");
        }
        for (before, stored, after) in [(3, 2, 3), (3, 6, 5), (5, 2, 3)] {
            assert!(differs(before, stored, after), "{before} {stored} {after}");
        }
        let missing = differing(&Counter::hour_of(Timestamp::from_millis(0)), None, Some(&tally(2)), None);
        assert_eq!(missing[0].to_string(), "hour 1970-01-01T00, happy: 0 counted, 2 in the table");
    }
}
