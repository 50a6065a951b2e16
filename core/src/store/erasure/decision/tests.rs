//! An erasure from request to end, step by step, and what must not bring it about.

use super::*;
use Region::{ApSoutheast1, EuWest1, UsEast1, UsWest2};

const UP_TO: Timestamp = Timestamp::from_millis(1_795_388_393_372);
const SURE_MILLIS: u64 = FRESH_KEY_MILLIS + IN_FLIGHT_MILLIS;
const SEEN: Seen = Seen { up_to: UP_TO, at: UP_TO };
const CLEAN: Tally = Tally { graves: 3, sum: 12_345, living: 0 };

fn finding(tally: Tally, sure: bool) -> Finding {
    let at = UP_TO.plus_millis(SURE_MILLIS);
    Finding { up_to: UP_TO, tally, sure, peers: String::new(), looked_at: at, changed_at: at }
}

/// eu-west-1 took the request; all regions have seen it and found the same.
fn all(tally: Tally) -> BTreeMap<Region, Record> {
    let record = |region| {
        let requested = (region == EuWest1).then_some(UP_TO);
        (region, Record { requested, seen: Some(SEEN), finding: Some(finding(tally, true)), ..Record::default() })
    };
    Region::ALL.map(record).into()
}

fn next(own: Region, records: &BTreeMap<Region, Record>, after_millis: u64) -> Step {
    Erasure { own, regions: &Region::ALL, records }.next(UP_TO.plus_millis(after_millis))
}

fn change(records: &mut BTreeMap<Region, Record>, region: Region, change: impl FnOnce(&mut Record)) {
    change(records.get_mut(&region).unwrap());
}

#[test]
fn a_request_is_seen_then_walked_then_agreed_then_done_then_closed() {
    let mut records = BTreeMap::new();
    assert_eq!(next(UsEast1, &records, 0), Step::Rest);
    records.insert(EuWest1, Record { requested: Some(UP_TO), ..Record::default() });
    assert!(matches!(next(UsEast1, &records, 0), Step::See(seen) if seen == SEEN));
    records.insert(UsEast1, Record { seen: Some(SEEN), ..Record::default() });
    assert!(matches!(next(UsEast1, &records, 5), Step::Walk(walk) if walk.place.hash.is_none()));
    let mut records = all(CLEAN);
    let agreed = Agreed { up_to: UP_TO, tally: CLEAN, at: UP_TO.plus_millis(20_000) };
    assert_eq!(next(UsEast1, &records, 20_000), Step::Agree(agreed));
    change(&mut records, UsEast1, |record| record.agreed = Some(agreed));
    assert_eq!(next(UsEast1, &records, 96_999), Step::Rest);
    assert_eq!(next(UsEast1, &records, 97_000), Step::Finish(UP_TO));
    change(&mut records, UsEast1, |record| record.done = Some(UP_TO));
    // The others believe it, and the last of them lets it be closed.
    for region in [UsWest2, EuWest1, ApSoutheast1] {
        assert_eq!(next(UsEast1, &records, 97_001), Step::Rest);
        assert_eq!(next(region, &records, 0), Step::Finish(UP_TO));
        change(&mut records, region, |record| record.done = Some(UP_TO));
    }
    assert_eq!(next(EuWest1, &records, 97_001), Step::Close(UP_TO));
}

#[test]
fn a_walk_that_began_too_early_counts_for_nothing() {
    let mut records = all(CLEAN);
    change(&mut records, UsWest2, |record| record.finding = Some(finding(CLEAN, false)));
    assert_eq!(next(UsEast1, &records, 99_000), Step::Rest);
    assert_eq!(next(UsWest2, &records, SURE_MILLIS - 1), Step::Rest);
    let Step::Walk(walk) = next(UsWest2, &records, SURE_MILLIS) else { panic!("no walk") };
    let conclude = |walk: &Walk| {
        Erasure { own: UsWest2, regions: &Region::ALL, records: &records }.conclude(walk, UP_TO.plus_days(1)).sure
    };
    assert!(conclude(&walk));
    assert!(!conclude(&Walk { began_at: UP_TO.plus_millis(SURE_MILLIS - 1), ..walk }));
    // A region that heard late, or whose clock is ahead, waits all the same for what is under way.
    let late = Seen { at: UP_TO.plus_millis(900_000), ..SEEN };
    assert!(!is_sure(late, UP_TO.plus_millis(904_999)) && is_sure(late, UP_TO.plus_millis(905_000)));
}

#[test]
fn whoever_finds_something_else_is_heard() {
    for theirs in [Tally { sum: 1, ..CLEAN }, Tally { graves: 4, ..CLEAN }, Tally { living: 1, ..CLEAN }] {
        let mut records = all(CLEAN);
        let agreed = Agreed { up_to: UP_TO, tally: CLEAN, at: UP_TO };
        change(&mut records, UsEast1, |record| record.agreed = Some(agreed));
        change(&mut records, UsWest2, |record| record.finding = Some(finding(theirs, true)));
        // An agreement that does not hold any more is none, and there is another look.
        assert!(matches!(next(UsEast1, &records, SURE_MILLIS + 1_000), Step::Walk(_)), "{theirs:?}");
        assert_eq!(next(UsEast1, &records, SURE_MILLIS + NEWS_INTERVAL_MILLIS - 1), Step::Rest);
    }
    let mut records = all(CLEAN);
    change(&mut records, UsWest2, |record| record.finding = None);
    assert_eq!(next(UsEast1, &records, 99_999_999), Step::Rest, "a region that says nothing is waited for");
}

#[test]
fn looks_become_rarer_and_news_hasten_them() {
    let mut records = all(Tally { living: 1, ..CLEAN });
    let peers = Erasure { own: UsEast1, regions: &Region::ALL, records: &records }.peers(UP_TO);
    let looked_at = UP_TO.plus_millis(100_000);
    let changed_at = UP_TO.plus_millis(20_000);
    let last = Finding { peers, looked_at, changed_at, ..finding(Tally { living: 1, ..CLEAN }, true) };
    change(&mut records, UsEast1, |record| record.finding = Some(last));
    assert_eq!(next(UsEast1, &records, 139_999), Step::Rest);
    assert!(matches!(next(UsEast1, &records, 140_000), Step::Walk(_)));
    change(&mut records, UsWest2, |record| record.finding = Some(finding(CLEAN, true)));
    assert!(matches!(next(UsEast1, &records, 100_000 + NEWS_INTERVAL_MILLIS), Step::Walk(_)));
}

#[test]
fn a_later_request_starts_anew() {
    let mut records = all(CLEAN);
    change(&mut records, UsEast1, |record| record.done = Some(UP_TO));
    change(&mut records, UsWest2, |record| record.requested = Some(UP_TO.plus_millis(1)));
    for region in Region::ALL {
        assert!(matches!(next(region, &records, 50), Step::See(seen) if seen.up_to == UP_TO.plus_millis(1)));
    }
}

#[test]
fn each_buries_its_own_and_the_taker_for_those_who_do_not() {
    let mut records = all(CLEAN);
    let duty = |own, records: &BTreeMap<Region, Record>, after_millis: u64| {
        let erasure = Erasure { own, regions: &[UsEast1, UsWest2, EuWest1], records };
        let duty = erasure.duty(UP_TO.plus_millis(after_millis));
        Region::ALL.map(|origin| duty.includes(origin))
    };
    // Nobody confirms for ap-southeast-1 here, so its echoes are the taker's.
    assert_eq!(duty(EuWest1, &records, 0), [false, false, true, true]);
    assert_eq!(duty(UsEast1, &records, 99_999_999), [true, false, false, false]);
    change(&mut records, UsEast1, |record| record.finding = None);
    change(&mut records, UsWest2, |record| record.seen = None);
    assert_eq!(duty(EuWest1, &records, STAND_IN_MILLIS - 1), [false, false, true, true]);
    assert_eq!(duty(EuWest1, &records, STAND_IN_MILLIS), [false, true, true, true]);
    assert_eq!(duty(EuWest1, &records, STAND_IN_FOR_ALL_MILLIS), [true; 4]);
}
