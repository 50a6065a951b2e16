//! Tests of the rule, the last of them over random histories of four regions.

use echoes_shared::{Emotion, IdempotencyKey, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::samples::content;
use crate::stream::Tombstone;

const HERE: Region = Region::EuWest1;
const ELSEWHERE: Region = Region::UsEast1;

fn at() -> Timestamp {
    "2026-11-22T22:59:53.372Z".parse().unwrap()
}

fn echo(n: u8, origin: Region) -> Echo {
    let content = content(Emotion::ALL[usize::from(n) % 3]);
    let user = ["ana", "ben"][usize::from(n) % 2].parse().unwrap();
    let time = at().plus_millis(u64::from(n) * 60 * 1_000);
    Echo::create(user, IdempotencyKey::mint(time, &[n; 10]), content, origin)
}

fn lives(echo: &Echo) -> Option<Image> {
    Some(Image::Echo(Box::new(echo.clone())))
}

fn buried() -> Option<Image> {
    Some(Image::Tombstone(Tombstone { deleted_at: at(), was: None }))
}

fn record(sequence: u64, old: Option<Image>, new: Option<Image>) -> Arc<Record> {
    let of = |image: &Option<Image>| image.as_ref().and_then(Image::echo).map(|echo| echo.echo_id);
    let id = of(&new).or(of(&old)).unwrap_or_else(|| echo(0, HERE).echo_id);
    Arc::new(Record {
        sequence: Sequence::parse(&sequence.to_string()).unwrap(),
        at: at(),
        hash: "ana".to_owned(),
        echo: id,
        old,
        new,
        expired: false,
    })
}

/// What one record changes in the number of all echoes and in that of the created ones.
fn of(old: Option<Image>, new: Option<Image>) -> (i64, i64) {
    let record = record(1, old, new);
    let changes = changes(&record, HERE);
    let living = |counter: &Counter| changes.get(counter).map_or(0, |tally| tally.living.values().sum::<i64>());
    let all = living(&Counter::All);
    assert_eq!([living(&Counter::Person("ana".parse().unwrap())), living(&Counter::day_of(at()))], [all; 2]);
    assert_eq!(living(&Counter::hour_of(at())), all);
    (all, changes.get(&Counter::hour_of(at())).map_or(0, |tally| tally.created))
}

#[test]
fn a_record_counts_what_lives_here() {
    let (here, there) = (lives(&echo(0, HERE)), lives(&echo(0, ELSEWHERE)));
    for (old, new, counts, what) in [
        (None, here.clone(), (1, 1), "a create"),
        (here.clone(), here.clone(), (0, 0), "an edit"),
        (here.clone(), buried(), (-1, 0), "a delete"),
        (here.clone(), None, (-1, 0), "an expiry"),
        (None, buried(), (0, 0), "a create and a delete in one"),
        (buried(), here.clone(), (1, 0), "an edit that won over a delete"),
        (buried(), None, (0, 0), "a tombstone's end"),
        (None, there.clone(), (0, 0), "a replicated create"),
        (there.clone(), buried(), (0, 0), "a replicated delete"),
        (here.clone(), there.clone(), (-1, -1), "an evacuation from here, or a create that was taken there too"),
        (there.clone(), here.clone(), (1, 1), "an evacuation to here"),
        (buried(), there, (0, 0), "an edit elsewhere that won over a delete"),
    ] {
        assert_eq!(of(old, new), counts, "{what}");
    }
}

#[test]
fn what_is_remembered_is_not_counted_again() {
    let (one, two) = (echo(0, HERE), echo(2, HERE));
    let records = [record(9, None, lives(&one)), record(10, None, lives(&two)), record(11, lives(&one), buried())];
    let by_counter = effects(&records, HERE);
    let all = by_counter.get(&Counter::All).unwrap();
    let due_after = |digits: Option<&str>| {
        let remembered = digits.map(|digits| Sequence::parse(digits).unwrap());
        due(remembered.as_ref(), all).map(|due| (due.sum.living.values().sum::<i64>(), due.last.to_string()))
    };
    assert_eq!(due_after(None), Some((1, "11".to_owned())));
    assert_eq!(due_after(Some("9")), Some((0, "11".to_owned())), "written although it is zero");
    assert_eq!(due_after(Some("10")), Some((-1, "11".to_owned())));
    assert_eq!(due_after(Some("11")), None);
    assert_eq!(due_after(Some("100")), None);
    let twice: Vec<_> = all.iter().flat_map(|effect| [effect.clone(), effect.clone()]).collect();
    assert_eq!(due(None, &twice), due(None, all));
}

#[test]
fn people_are_active_where_they_create() {
    let [one, two] = [0, 2].map(|n| echo(n, HERE));
    let records = [
        record(1, None, lives(&one)),
        record(2, lives(&one), lives(&one)),
        record(3, None, lives(&echo(1, ELSEWHERE))),
        record(4, buried(), lives(&two)),
    ];
    let hour = hour_of(at());
    assert_eq!(active(&records, HERE), [(hour, [one.user_id].into())].into());
}

/// What may lie in an echo's place: nothing, a tombstone, the echo with one of the regions as its origin.
fn image(state: usize, n: u8) -> Option<Image> {
    match state {
        0 => None,
        1 => buried(),
        state => lives(&echo(n, Region::ALL[state - 2])),
    }
}

/// A region's records of some echoes: each goes through its states and ends as it does everywhere, one after another in turn.
fn records_of(states: &[Vec<usize>], ends: &[usize]) -> Vec<Arc<Record>> {
    let chains: Vec<Vec<usize>> =
        states.iter().zip(ends).map(|(states, end)| [states.as_slice(), &[*end]].concat()).collect();
    let longest = chains.iter().map(Vec::len).max().unwrap_or_default();
    let mut records = Vec::new();
    for step in 0..longest {
        for (n, chain) in (0..).zip(&chains) {
            if let Some(new) = chain.get(step) {
                let old = step.checked_sub(1).map_or(0, |before| chain[before]);
                let sequence = u64::try_from(records.len()).unwrap() + 8;
                records.push(record(sequence, image(old, n), image(*new, n)));
            }
        }
    }
    records
}

/// Counters of one region, with what each remembers of the one shard.
type Counters = BTreeMap<Counter, (Tally, Option<Sequence>)>;

/// Some worker counts a run of records; it is killed before it has written the counters that `mask` leaves out.
fn count(counters: &mut Counters, records: &[Arc<Record>], here: Region, mask: u32) {
    for (number, (counter, effects)) in (0..).zip(effects(records, here)) {
        let (tally, remembered) = counters.entry(counter).or_default();
        if mask & (1 << (number % 32)) != 0
            && let Some(Due { sum, last }) = due(remembered.as_ref(), &effects)
        {
            tally.add(&sum);
            *remembered = Some(last);
        }
    }
}

proptest! {
    /// In four regions echoes are created, replicated, edited, moved, deleted, brought back and merged in any order, records come
    /// again from any place, workers are killed between any two writes, and others that were taken for dead go on: in the end
    /// all counters together say what lies there.
    #[test]
    fn counters_sum_to_what_lies_there(
        ends in prop::collection::vec(0..6_usize, 4),
        states in prop::collection::vec(prop::collection::vec(prop::collection::vec(0..6_usize, 0..6), 4), 4),
        runs in prop::collection::vec((0..20_usize, 1..9_usize, prop_oneof![Just(u32::MAX), any::<u32>()]), 0..40),
    ) {
        let mut sums: BTreeMap<Counter, Tally> = BTreeMap::new();
        for (region, states) in Region::ALL.into_iter().zip(&states) {
            let records = records_of(states, &ends);
            let (mut counters, mut durable) = (Counters::new(), 0);
            for (back, length, mask) in &runs {
                // Nobody begins behind what is durable; whoever is late begins before it.
                let from = durable - back.min(&durable);
                let end = (from + length).min(records.len());
                count(&mut counters, &records[from..end], region, *mask);
                if *mask == u32::MAX {
                    durable = durable.max(end);
                }
            }
            count(&mut counters, &records[durable..], region, u32::MAX);
            for (counter, (tally, _)) in counters {
                sums.entry(counter).or_default().add(&tally);
            }
        }
        let mut expected: BTreeMap<Counter, Tally> = BTreeMap::new();
        for (n, end) in (0..).zip(&ends) {
            if let Some(Image::Echo(echo)) = image(*end, n) {
                for counter in counters_of(&echo) {
                    expected.entry(counter).or_default().add_living(echo.emotion, 1);
                }
            }
        }
        let living = |counts: BTreeMap<Counter, Tally>| -> BTreeMap<_, _> {
            let some = counts.into_iter().filter(|(_, tally)| !tally.living.is_empty());
            some.map(|(counter, tally)| (counter, tally.living)).collect()
        };
        prop_assert_eq!(living(sums), living(expected));
    }
}
