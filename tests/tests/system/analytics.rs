//! `GET /v1/analytics/emotions`, `GET /v1/users/{userId}/emotions`, the counts of `GET /v1/emotions`, `echoes analytics`

use std::collections::BTreeMap;
use std::time::Duration;

use echoes_tests::people::{Person, id_of};
use echoes_tests::programs::{echoes, variables_of};
use echoes_tests::shape::check_read;
use echoes_tests::waiting::eventually;
use echoes_tests::{Region, Request, Response, Value, World, cities, json};

use super::emotions::VOCABULARY;

super::trials!(
    TRIALS: nobody_has_no_echoes, a_person_is_counted_over_all_regions, every_fault_of_a_query_is_named,
    equal_queries_are_one_entry, lists_have_weak_tags, people_are_active, only_reads_are_allowed, its_commands_want_sense,
);
super::trials!(ALONE: counts_are_what_was_posted, the_counters_are_what_the_table_holds);

const URL: &str = "/v1/analytics/emotions";
/// The stream, replication, and what cores and the edge keep, on a machine that is busy with other trials.
const COUNTED_WITHIN: Duration = Duration::from_secs(30);
/// The same after all that the other trials have written.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);

type Counts = BTreeMap<String, u64>;

/// The counts of a body of `{"emotions":[…]}`; demands that they are there.
fn counts(response: &Response) -> Counts {
    check_read(response);
    let body = response.json();
    let entries = body["emotions"].as_array().unwrap_or_else(|| panic!("no emotions\n{response}")).clone();
    let count = |entry: &Value| {
        let count = entry["echoes"].as_u64().unwrap_or_else(|| panic!("no count in {entry}\n{response}"));
        (entry["emotion"].as_str().unwrap().to_owned(), count)
    };
    let words: Vec<_> = entries.iter().map(|entry| entry["emotion"].as_str().unwrap()).collect();
    assert_eq!(words, VOCABULARY, "{response}");
    entries.iter().map(count).collect()
}

/// Those that are not zero.
fn some(counts: &Counts) -> Vec<(&str, u64)> {
    counts.iter().filter(|(_, count)| **count > 0).map(|(emotion, count)| (emotion.as_str(), *count)).collect()
}

fn path_of(person: &Person) -> String {
    format!("/v1/users/{}/emotions", person.id)
}

/// Waits until this person's counts are these, asked from every region.
fn await_counts(world: &World, person: &Person, expected: &[(&str, u64)]) {
    for city in cities::ONE_EACH {
        eventually(COUNTED_WITHIN, &format!("{}'s echoes, counted", person.id), || {
            let response = world.edge(&Request::get(path_of(person)).from(&city)).expect(200);
            if some(&counts(&response)) == expected { Ok(()) } else { Err(response.to_string()) }
        });
    }
}

fn nobody_has_no_echoes(world: &World) {
    let response = world.get("/v1/users/nobody-has-this-name/emotions").expect(200);
    assert_eq!(some(&counts(&response)), [], "{response}");
    for segment in ["a%23202611", "me", "", "a%2Fb", "%FF", &"x".repeat(129)] {
        world.get(&format!("/v1/users/{segment}/emotions")).problem("invalid-request", &["userId"]);
    }
}

fn a_person_is_counted_over_all_regions(world: &World) {
    let ana = world.person("analytics");
    let create = |city, emotion: &str| ana.create_from(world, city, &json!({ "emotion": emotion }));
    let mut happy: Vec<_> = cities::ONE_EACH.iter().map(|city| create(city, "happy")).collect();
    let sad = create(&cities::LONDON, "sad");
    await_counts(world, &ana, &[("happy", 4), ("sad", 1)]);
    // An edit changes nothing, a delete takes one away wherever it is asked for.
    world.edge(&ana.editing(id_of(&sad), 1, &json!({ "transcript": "x" })).from(&cities::TOKYO)).expect(200);
    let gone = happy.pop().unwrap();
    world.edge(&ana.deleting(id_of(&gone)).from(&cities::LONDON)).expect(204);
    await_counts(world, &ana, &[("happy", 3), ("sad", 1)]);
    for echo in happy {
        world.edge(&ana.deleting(id_of(&echo))).expect(204);
    }
    await_counts(world, &ana, &[("sad", 1)]);
}

fn every_fault_of_a_query_is_named(world: &World) {
    for (query, fields) in [
        ("bucket=week", &["bucket"][..]),
        ("bucket=", &["bucket"]),
        ("from=yesterday", &["from"]),
        ("to=2026-02-30", &["to"]),
        ("from=2026-01-02&to=2026-01-01", &["from"]),
        ("from=2026-01-01&to=2026-01-01", &["from"]),
        ("from=9999-01-01", &["from"]),
        ("from=2026-01-01&to=2026-03-01", &["from"]),
        ("bucket=day&from=2020-01-01&to=2026-01-01", &["from"]),
        ("emotion=joyful", &["emotion"]),
        ("from=x&to=y&bucket=z&emotion=q", &["bucket", "emotion", "from", "to"]),
        ("bucket=day&bucket=day", &["bucket"]),
        ("from=2026-01-01&from=2026-01-01", &["from"]),
    ] {
        let target = format!("{URL}?{query}");
        let mut named: Vec<String> = errors(&world.get(&target).expect(400));
        named.sort_unstable();
        assert_eq!(named, fields, "{query}");
        // The core refuses what the edge lets nobody ask.
        let mut named = errors(&world.core(Region::EuWest1).get(&target).send().expect(400));
        named.sort_unstable();
        assert_eq!(named, fields, "{query}");
    }
    for query in ["", "?x=1&x=2", "?bucket=day", "?from=2026-01-01&to=2026-01-31T23:00:00Z&emotion=sad"] {
        let response = world.get(&format!("{URL}{query}")).expect(200);
        check_read(&response);
        assert!(response.json()["buckets"].is_array(), "{response}");
    }
}

fn errors(response: &Response) -> Vec<String> {
    let body = response.json();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no errors\n{response}"));
    errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
}

fn equal_queries_are_one_entry(world: &World) {
    let same = [
        "from=2026-01-05T10:00:00Z&to=2026-01-05T12:00:00Z",
        "to=2026-01-05T11:30:00%2B00:00&x=1&from=2026-01-05T10:59:59Z&bucket=hour",
        "from=2026-01-05T12:00:00%2B02:00&to=2026-01-05T13:00:00.001%2B01:00",
    ];
    eventually(Duration::from_secs(8), "three hits of one entry", || {
        world.get(&format!("{URL}?{}", same[0])).expect(200);
        for query in &same[1..] {
            let response = world.get(&format!("{URL}?{query}")).expect(200);
            if !response.one("cache-status").starts_with("echoes-edge; hit") {
                return Err(response.to_string());
            }
        }
        Ok(())
    });
}

fn lists_have_weak_tags(world: &World) {
    super::caching::weak_tag_and_304(world, &format!("{URL}?from=2026-01-05&to=2026-01-06"));
    super::caching::weak_tag_and_304(world, "/v1/users/nobody-has-this-name/emotions");
    let head = world.edge(&Request::new("HEAD", format!("{URL}?bucket=day"))).expect(200);
    assert_eq!(head.one("content-type"), "application/json", "{head}");
}

fn only_reads_are_allowed(world: &World) {
    for path in [URL, "/v1/users/ana/emotions", "/v1/emotions"] {
        let response = world.edge(&Request::new("DELETE", path)).expect(405);
        assert_eq!(response.one("allow"), "GET, HEAD, OPTIONS", "{response}");
        world.edge(&Request::new("OPTIONS", path)).expect(204);
    }
    world.get("/v1/analytics").problem("not-found", &[]);
    world.get("/v1/analytics/emotions/happy").problem("not-found", &[]);
}

fn people_are_active(world: &World) {
    let ana = world.person("analytics");
    ana.create_from(world, &cities::LONDON, &json!({ "emotion": "relieved" }));
    let variables = variables_of(&world.state, Region::UsWest2);
    eventually(COUNTED_WITHIN, "somebody who is active", || {
        let finished = echoes(&["analytics", "active", "--hours", "2", "--json"], &variables);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        let shown: Value = serde_json::from_str(&finished.stdout).unwrap();
        let hours = shown["hours"].as_array().unwrap().clone();
        assert_eq!(hours.len(), 2, "{shown}");
        let number = |name: &str| hours.iter().map(|hour| hour[name].as_u64().unwrap()).sum::<u64>();
        if number("people") >= 1 && number("created") >= 1 { Ok(()) } else { Err(shown.to_string()) }
    });
    let finished = echoes(&["analytics", "active"], &variables);
    assert_eq!((finished.code, finished.stdout.lines().count()), (Some(0), 24), "{finished:#?}");
}

fn its_commands_want_sense(world: &World) {
    let variables = variables_of(&world.state, Region::UsWest2);
    for command in [
        &["analytics"][..],
        &["analytics", "guess"],
        &["analytics", "active", "--hours", "0"],
        &["analytics", "active", "--hours", "-1"],
        &["analytics", "verify", "--segments", "0"],
        &["analytics", "verify", "--units-per-second", "x"],
    ] {
        let finished = echoes(command, &variables);
        assert_eq!(finished.code, Some(2), "{command:?}: {finished:#?}");
    }
}

/// The counts of all echoes once they stand still: nobody else writes, but streams may be behind.
fn settled(world: &World) -> Counts {
    let look = || counts(&world.get("/v1/emotions").expect(200));
    eventually(SETTLED_WITHIN, "counts that stand still", || {
        let first = look();
        std::thread::sleep(Duration::from_secs(8));
        let second = look();
        if first == second { Ok(second) } else { Err(format!("{first:?}\n{second:?}")) }
    })
}

/// The echoes of an emotion in the buckets of the last day and the present.
fn over_time(world: &World, emotion: &str, bucket: &str) -> u64 {
    let response = world.get(&format!("{URL}?bucket={bucket}&emotion={emotion}")).expect(200);
    let body = response.json();
    let buckets = body["buckets"].as_array().unwrap_or_else(|| panic!("no buckets\n{response}"));
    for bucket in buckets {
        assert_eq!(bucket["emotion"], emotion, "{response}");
        let start = bucket["start"].as_str().unwrap();
        assert!(start.len() == 20 && start.ends_with(":00:00Z"), "{response}");
    }
    buckets.iter().map(|bucket| bucket["echoes"].as_u64().filter(|count| *count > 0).unwrap()).sum()
}

fn counts_are_what_was_posted(world: &World) {
    let ana = world.person("analytics");
    let before = settled(world);
    let hours_before = over_time(world, "bored", "hour");
    let days_before = over_time(world, "bored", "day");
    let mut posted = Vec::new();
    for city in cities::ONE_EACH.iter().cycle().take(12) {
        posted.push(ana.create_from(world, city, &json!({ "emotion": "bored" })));
    }
    for echo in &posted[..5] {
        world.edge(&ana.deleting(id_of(echo))).expect(204);
    }
    let mut expected = before;
    *expected.entry("bored".to_owned()).or_default() += 7;
    eventually(COUNTED_WITHIN, "seven more", || {
        let now = counts(&world.get("/v1/emotions").expect(200));
        let over_time = (over_time(world, "bored", "hour"), over_time(world, "bored", "day"));
        if now == expected && over_time == (hours_before + 7, days_before + 7) {
            Ok(())
        } else {
            Err(format!("{now:?} {over_time:?}; expected {expected:?} {hours_before} + 7 {days_before} + 7"))
        }
    });
}

fn the_counters_are_what_the_table_holds(world: &World) {
    for region in Region::ALL {
        let variables = variables_of(&world.state, region);
        eventually(SETTLED_WITHIN, &format!("true counters of {region}"), || {
            let finished = echoes(&["analytics", "verify", "--json"], &variables);
            let found: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:#?}"));
            if found["differences"] == json!([]) { Ok(()) } else { Err(finished.stdout) }
        });
    }
}
