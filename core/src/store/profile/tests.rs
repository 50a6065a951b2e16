//! Buckets against a plain list: markers of any region, known late or not at all, months listed late, ids a day old.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::IdempotencyKey;
use proptest::prelude::*;

use super::*;
use crate::store::merge::tests::{Cost, Partition, Seen, page};

fn ana() -> UserId {
    "ana".parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn month_of(text: &str) -> Month {
    Month::parse_compact(text).unwrap()
}

fn echo(time: Timestamp, seed: u8) -> EchoId {
    EchoId::derive(&ana(), IdempotencyKey::mint(time, &[seed; 10]))
}

fn marker_from(region: Region, from: Month) -> Item {
    let mut item = marker(&ana(), region, at("2026-01-01T00:00:00.000Z"));
    item.insert(FROM.to_owned(), AttributeValue::S(from.compact()));
    item
}

fn count(region: Region, n: u64) -> Item {
    let mut item = count_key(&ana(), region);
    item.insert(COUNTED.to_owned(), crate::store::item::number(n));
    item
}

#[test]
fn the_earliest_marker_of_any_region_holds() {
    let now = at("2026-11-22T12:00:00.000Z");
    let markers = [
        marker_from(Region::UsEast1, month_of("202701")),
        marker_from(Region::EuWest1, month_of("202612")),
        month(&ana(), month_of("202612")),
        count(Region::EuWest1, 1_200),
    ];
    let profile = Profile::of_items(&markers, now);
    let bucket = |time: &str| profile.bucket(echo(at(time), 1)).map(Month::compact);
    assert_eq!(bucket("2026-11-30T23:59:59.999Z"), None);
    assert_eq!(bucket("2026-12-01T00:00:00.000Z").as_deref(), Some("202612"));
    let id = echo(at("2027-01-05T00:00:00.000Z"), 1);
    assert_eq!(profile.hash_keys(&ana(), id), ["ana#202701", "ana"]);
    assert!(profile.lists(month_of("202612")) && !profile.lists(month_of("202701")));
    assert!(!profile.calls_for_marker(Region::UsEast1, 5_000), "one marker is enough");
    assert_eq!(Profile::of_items(&[], now).hash_keys(&ana(), id), ["ana"]);
}

#[test]
fn a_marker_leaves_seven_days_at_least() {
    for (now, month) in [
        ("2026-11-22T12:00:00.000Z", "202612"),
        ("2026-11-24T00:00:00.000Z", "202612"),
        ("2026-11-24T00:00:00.001Z", "202701"),
        ("2026-12-31T23:59:59.999Z", "202702"),
    ] {
        assert_eq!(first_bucket_month(at(now)).compact(), month, "{now}");
    }
}

#[test]
fn the_counts_of_all_regions_call_for_a_marker() {
    let now = at("2026-11-22T12:00:00.000Z");
    let profile = Profile::of_items(&[count(Region::UsEast1, 600), count(Region::EuWest1, 380)], now);
    assert!(!profile.calls_for_marker(Region::EuWest1, 399));
    assert!(profile.calls_for_marker(Region::EuWest1, 400));
    assert!(profile.is_fresh(now.plus_millis(59_999)) && !profile.is_fresh(now.plus_millis(60_000)), "watched");
    let calm = Profile::of_items(&[count(Region::UsEast1, 60)], now);
    assert!(calm.is_fresh(now.plus_millis(599_999)) && !calm.is_fresh(now.plus_millis(600_000)));
    assert!(!calm.is_fresh(now.minus_days(1)), "a clock set back is no reason to trust");
}

#[test]
fn one_echo_in_twenty_is_counted_as_twenty() {
    let now = at("2026-11-22T12:00:00.000Z");
    let counted: u64 = (0..20_000).map(|millis| weight(echo(now.plus_millis(millis), 1))).sum();
    assert!((18_000..22_000).contains(&counted), "{counted}");
}

/// What a writer or a reader knows: which of the markers have reached it.
fn known(markers: &[Item], knows: u8) -> Vec<Item> {
    let reached = markers.iter().enumerate().filter(|(at, _)| knows & (1 << at) != 0);
    reached.map(|(_, marker)| marker.clone()).collect()
}

proptest! {
    #[test]
    fn a_timeline_holds_every_echo_once_wherever_its_writer_put_it(
        months in proptest::collection::vec(1..20u32, 0..4),
        // Minutes since the beginning, a seed, and two writers: what each knows; the second may not write at all.
        echoes in proptest::collection::vec((0..600_000u64, 0..2u8, any::<u8>(), proptest::option::of(any::<u8>())), 0..150),
        hides in any::<u8>(),
        minutes_later in 0..1_440u64,
        limits in proptest::collection::vec(1..40usize, 1..4),
    ) {
        let start = at("2025-10-01T00:00:00.000Z");
        let markers: Vec<_> = months
            .iter()
            .zip(Region::ALL)
            .map(|(months, region)| marker_from(region, start.plus_days(months * 30).month()))
            .collect();
        let read_at = start.plus_millis(600_000 * 60_000);
        let mut table: BTreeMap<String, BTreeMap<EchoId, Seen>> = BTreeMap::new();
        let (mut listed, mut all) = (BTreeSet::new(), BTreeSet::new());
        for (minutes, seed, first, second) in echoes {
            let id = echo(start.plus_millis(minutes * 60_000), seed);
            all.insert(id);
            for knows in [Some(first), second].into_iter().flatten() {
                let writer = Profile::of_items(&known(&markers, knows), read_at);
                let hash = writer.hash_keys(&ana(), id).swap_remove(0);
                listed.extend(writer.bucket(id));
                table.entry(hash).or_default().insert(id, Seen { lives: true });
            }
        }
        // Months of the last thirty days may not have reached the reader's list yet.
        let hidden = |month: Month| hides & 1 != 0 && month.start() > read_at.minus_days(30);
        let mut items = markers;
        items.extend(listed.into_iter().filter(|month| !hidden(*month)).map(|listed| month(&ana(), listed)));
        let reader = Profile::of_items(&items, read_at);
        let now = read_at.plus_millis(minutes_later * 60_000);
        let parts = reader.parts(&ana(), now);
        let mut partitions: Vec<_> = parts
            .into_iter()
            .map(|(hash, extent)| Partition { extent, entries: table.get(&hash).cloned().unwrap_or_default() })
            .collect();
        let (mut found, mut after) = (Vec::new(), None);
        for limit in limits.iter().cycle() {
            let (echoes, next) = page(&mut partitions, *limit, after, &mut Cost::default(), |_| {});
            prop_assert!(!echoes.is_empty() || next.is_none());
            found.extend(echoes);
            after = next;
            if next.is_none() {
                break;
            }
        }
        let expected: Vec<_> = all.into_iter().rev().collect();
        prop_assert_eq!(found, expected);
    }
}
