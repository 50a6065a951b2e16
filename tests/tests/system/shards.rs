//! `echoes table shards`: a feed is split while it is walked and written.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use echoes_tests::cores::Core;
use echoes_tests::people::id_of;
use echoes_tests::programs::{Finished, echoes, variables_of};
use echoes_tests::shape::list_of;
use echoes_tests::waiting::eventually;
use echoes_tests::{Region, Value, World, cities, json};

super::trials!(
    TRIALS: a_feed_is_split_while_it_is_walked_and_written, wrong_numbers_exit_2_and_are_named, help_names_the_steps,
);

/// Nobody creates echoes of this one but the trial below.
const SPLIT: &str = "surprised";
const SHARDS: u64 = 4;

fn shards(world: &World, region: Region, arguments: &[&str]) -> Finished {
    echoes(&[&["table", "shards"], arguments].concat(), &variables_of(&world.state, region))
}

/// One whole walk of the feed at a core, slowly.
fn walk(core: &Core, limit: usize) -> Vec<String> {
    let (mut found, mut cursor): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let response = core.get(&format!("/v1/emotions/{SPLIT}/echoes?limit={limit}{after}")).send();
        let (echoes, next) = list_of(&response);
        assert!(!echoes.is_empty() || next.is_none(), "an empty page\n{response}");
        found.extend(echoes.iter().map(|echo| id_of(echo).to_owned()));
        cursor = next;
        if cursor.is_none() {
            return found;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A walk shows each of these once, and nothing twice.
fn expect_all(core: &Core, limit: usize, existed: &BTreeSet<String>) {
    let found = walk(core, limit);
    let seen: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(seen.len(), found.len(), "{}: an echo came twice in pages of {limit}", core.region);
    let missing: Vec<_> = existed.difference(&seen).collect();
    assert!(missing.is_empty(), "{}: skipped in pages of {limit}: {missing:?}", core.region);
}

fn setting(world: &World, region: Region) -> Value {
    let finished = shards(world, region, &[SPLIT, "--json"]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:#?}"))
}

fn a_feed_is_split_while_it_is_walked_and_written(world: &World) {
    let ana = world.person("split");
    let create = |nth: usize| {
        let echo = ana.create_from(world, &cities::ONE_EACH[nth % 4], &json!({ "emotion": SPLIT }));
        id_of(&echo).to_owned()
    };
    let existed: BTreeSet<String> = (0..30).map(create).collect();
    let cores = world.cores();
    for core in &cores {
        eventually(Duration::from_secs(15), "all echoes in every region", || {
            let seen: BTreeSet<String> = walk(core, 100).into_iter().collect();
            if existed.is_subset(&seen) { Ok(()) } else { Err(format!("{} has {}", core.region, seen.len())) }
        });
    }

    let grown = AtomicBool::new(false);
    let growth = thread::scope(|scope| {
        let growth = scope.spawn(|| {
            let finished = shards(world, Region::UsWest2, &[SPLIT, &SHARDS.to_string(), "--wait-seconds", "60"]);
            grown.store(true, Ordering::Relaxed);
            finished
        });
        scope.spawn(|| {
            for nth in 0.. {
                create(nth);
                if grown.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(Duration::from_millis(300));
            }
        });
        for (nth, limit) in [3, 7, 20, 100].iter().cycle().enumerate() {
            expect_all(&cores[nth % cores.len()], *limit, &existed);
            if grown.load(Ordering::Relaxed) {
                break;
            }
        }
        growth.join().expect("the operator's thread")
    });
    assert_eq!(growth.code, Some(0), "{growth:#?}");
    assert!(growth.stdout.contains("4 read, 4 written"), "{growth:#?}");

    // Once every region has the setting, echoes go to every shard, from wherever they are created.
    for region in Region::ALL {
        eventually(Duration::from_secs(10), "the setting in every region", || {
            let now = setting(world, region);
            let right = now["list"] == SPLIT && now["read"] == SHARDS && now["write"] == SHARDS;
            let confirmed = now["confirmed"].as_object().map_or(0, serde_json::Map::len);
            if right && confirmed == 4 { Ok(()) } else { Err(format!("{region}: {now}")) }
        });
    }
    thread::sleep(Duration::from_secs(4));
    let spread: BTreeSet<String> = existed.into_iter().chain((0..40).map(create)).collect();
    for core in &cores {
        eventually(Duration::from_secs(15), "every echo in every region, over every shard", || {
            let seen: BTreeSet<String> = walk(core, 100).into_iter().collect();
            if spread.is_subset(&seen) { Ok(()) } else { Err(format!("{} has {}", core.region, seen.len())) }
        });
        expect_all(core, 9, &spread);
        for shard in 0..SHARDS {
            let key = if shard == 0 { SPLIT.to_owned() } else { format!("{SPLIT}#{shard}") };
            let count = world.count_in_shard(core.region, &key);
            assert!(count > 0, "{}: expected echoes under {key}", core.region);
        }
    }
    // What leaves the store carries the plain emotion; `list_of` checked that each echo's is one of the vocabulary.
    let again = shards(world, Region::EuWest1, &[SPLIT, &SHARDS.to_string()]);
    assert_eq!(again.code, Some(0), "a growth that is done is no fault: {again:#?}");
    let back = shards(world, Region::EuWest1, &[SPLIT, "2"]);
    assert_eq!(back.code, Some(1), "{back:#?}");
    assert!(back.stderr.contains("never shrinks") && back.stderr.trim_end().lines().count() == 1, "{back:#?}");
}

fn wrong_numbers_exit_2_and_are_named(world: &World) {
    for (arguments, named) in [
        (&["bored", "0"][..], "SHARDS"),
        (&["bored", "10000"], "SHARDS"),
        (&["bored", "65"], "SHARDS"),
        (&["bored", "many"], "SHARDS"),
        (&["bored", "2.5"], "SHARDS"),
        (&["joyful", "4"], "LIST"),
        (&["bored#3", "4"], "LIST"),
        (&["bored", "4", "--regions", "mars-north-1"], "--regions"),
        (&["bored", "4", "--wait-seconds", "0"], "--wait-seconds"),
    ] {
        let finished = shards(world, Region::UsEast1, arguments);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:#?}");
        assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{arguments:?}: {finished:#?}");
        assert!(finished.stderr.contains(named), "expected {named} to be named: {finished:#?}");
    }
    let untouched = shards(world, Region::UsEast1, &["bored", "--json"]);
    let untouched: Value = serde_json::from_str(&untouched.stdout).expect("JSON");
    assert_eq!(untouched, json!({ "list": "bored", "read": 1, "write": 1, "confirmed": {} }));
}

fn help_names_the_steps(_world: &World) {
    let finished = echoes(&["table", "shards", "--help"], &std::collections::BTreeMap::new());
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert!(finished.stdout.contains("recent") && finished.stdout.contains("--wait-seconds"), "{finished:#?}");
}
