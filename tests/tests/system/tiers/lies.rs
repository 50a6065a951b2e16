//! What no tier may show: deleted echoes, values of an earlier life of Redis, values that were spoilt.

use std::time::Duration;

use echoes_tests::cores::Core;
use echoes_tests::one_more::OneMore;
use echoes_tests::people::id_of;
use echoes_tests::process::Process;
use echoes_tests::programs::variables_of;
use echoes_tests::waiting::{eventually, throughout};
use echoes_tests::{Person, Value, World, fresh, json, settings};

use super::{REGION, Target, create, expect_from, from};
use crate::failover::mended;

crate::trials!(
    TRIALS: what_a_write_changes_is_seen_at_once_here_and_soon_by_another_process,
    a_second_core_without_redis_refuses_to_start,
);
crate::trials!(
    ALONE: what_is_spoilt_in_redis_is_absent, what_is_spoilt_in_memcached_is_absent, a_flush_shows_nothing_old,
    a_snapshot_shows_nothing_old, what_nobody_told_of_is_told_by_the_stream, a_delete_that_redis_was_not_told_of_is_gone_all_the_same,
);

/// What another process of the region may take to hear of a write (design, *Consistency*: "within 2 s in its region").
const HEARD: Duration = Duration::from_secs(2);
/// What it may take where the news were lost: the lifetime of memory, and what a busy machine adds.
const LOST: Duration = Duration::from_secs(12);
/// What a worker that was killed holds is taken over after ten seconds, by one that looks every other second.
const TAKEN_OVER: Duration = Duration::from_secs(15);
/// Longer than anything is kept in memory.
const WATCHED: Duration = Duration::from_secs(4);

/// Whether a core shows this text at any of these places.
fn shown(core: &Core, places: &[String], text: &str) -> Result<(), String> {
    for place in places {
        let response = core.get(place).send();
        if response.status == 200 && response.text().contains(text) {
            return Err(format!("{} shows it\n{response}", core.base));
        }
        if ![200, 404].contains(&response.status) {
            return Err(format!("no answer\n{response}"));
        }
    }
    Ok(())
}

fn places_of(ana: &Person, echo: &Value) -> Vec<String> {
    let emotion = echo["emotion"].as_str().expect("an emotion");
    vec![
        format!("/v1/echoes/{}", id_of(echo)),
        ana.timeline(),
        format!("{}?emotion={emotion}", ana.timeline()),
        format!("/v1/emotions/{emotion}/echoes?limit=100"),
        "/v1/echoes/recent?limit=100".to_owned(),
    ]
}

fn what_a_write_changes_is_seen_at_once_here_and_soon_by_another_process(world: &World) {
    let here = world.core(REGION);
    let other = OneMore::start(world, REGION, 7_915);
    let there = &other.core;
    let ana = world.person("told");
    let words = fresh::name("first");
    let first = create(&here, &ana, &json!({ "emotion": "surprised", "transcript": words.as_str() }));
    let places = places_of(&ana, &first);
    let read_all = |core: &Core| {
        for place in &places {
            core.get(place).send();
        }
    };
    for core in [&here, there] {
        read_all(core);
    }

    // A create.
    let second = create(&here, &ana, &json!({ "emotion": "surprised", "transcript": "second" }));
    let timeline = here.get(&ana.timeline()).send().expect(200);
    assert!(timeline.text().contains(id_of(&second)), "expected the writer's process to show it\n{timeline}");
    eventually(HEARD, "the echo at another process", || {
        let response = there.get(&ana.timeline()).send();
        if response.text().contains(id_of(&second)) { Ok(()) } else { Err(response.to_string()) }
    });

    // An edit.
    let edit = here.call("PATCH", places[0].as_str()).user(&ana.id).signed_header("if-match", "\"1\"");
    edit.json(&json!({ "transcript": "edited" })).send().expect(200);
    assert!(shown(&here, &places, &words).is_ok(), "expected the edit alone");
    eventually(HEARD, "the edit at another process", || shown(there, &places, &words));

    // A delete.
    read_all(there);
    here.call("DELETE", places[0].as_str()).user(&ana.id).send().expect(204);
    shown(&here, &places, id_of(&first)).unwrap_or_else(|error| panic!("expected it gone at once: {error}"));
    eventually(HEARD, "the delete at another process", || shown(there, &places, id_of(&first)));
    throughout(WATCHED, "expected it never again", || {
        shown(&here, &places, id_of(&first))?;
        shown(there, &places, id_of(&first))
    });
}

fn a_second_core_without_redis_refuses_to_start(world: &World) {
    let mut command = std::process::Command::new(settings::core_program());
    command.arg("serve").env_clear().envs(variables_of(&world.state, REGION));
    command.env("ECHOES_LISTEN", "127.0.0.1:7917").env_remove("ECHOES_ADMIN_LISTEN");
    command.env_remove("ECHOES_REDIS_URL").env_remove("ECHOES_MEMCACHED_SERVERS");
    let mut second = Process::start(command);
    let status = second.wait(Duration::from_secs(20));
    let said = second.last_lines(20);
    assert_eq!(status.code(), Some(1), "expected a refusal\n{said}");
    assert!(said.contains("with ECHOES_REDIS_URL, which this process lacks"), "expected the reason\n{said}");
}

/// What happened to a value, and how its bytes look after that.
type Spoil = (&'static str, fn(Vec<u8>) -> Vec<u8>);

const SPOILS: [Spoil; 6] = [
    ("a flipped bit", |mut bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    }),
    ("a flipped bit at its end", |mut bytes| {
        *bytes.last_mut().expect("bytes") ^= 0x80;
        bytes
    }),
    ("half of it", |bytes| bytes[..bytes.len() / 2].to_vec()),
    ("more behind it", |bytes| [bytes, vec![0; 7]].concat()),
    ("nothing", |_| Vec::new()),
    ("something else", |_| vec![0xa5; 500]),
];

/// People with an echo each, whose timelines every tier keeps.
fn kept_people(world: &World, core: &Core, count: usize) -> Vec<(Target, Vec<u8>)> {
    let people: Vec<_> = (0..count).map(|_| world.person("spoilt")).collect();
    for ana in &people {
        create(core, ana, &json!({ "emotion": "melancholic", "transcript": "whole" }));
    }
    let targets = people.iter().map(Target::timeline);
    targets.map(|target| (target.clone(), target.kept(world, core).body)).collect()
}

/// A core that has just started answers from the store, and counts what it found in that tier as errors.
fn expect_absent(world: &World, port: u16, tier: &str, kept: &[(Target, Vec<u8>)]) {
    let other = OneMore::start(world, REGION, port);
    for (target, body) in kept {
        let response = target.read(&other.core);
        assert!(response.one("cache-status").starts_with("echoes-store"), "{response}");
        assert_eq!(&response.body, body, "{response}");
    }
    let labels = [&format!("tier=\"{tier}\"") as &str, "outcome=\"error\""];
    let errors = other.core.metric("echoes_cache_requests_total", &labels);
    assert!(errors >= kept.len() as f64, "expected {} errors of {tier}, found {errors}", kept.len());
}

fn what_is_spoilt_in_redis_is_absent(world: &World) {
    let (core, redis) = (world.core(REGION), world.redis(REGION));
    let kept = kept_people(world, &core, SPOILS.len());
    for ((target, _), (what, spoil)) in kept.iter().zip(SPOILS) {
        let value = redis.value(&target.key).unwrap_or_else(|| panic!("no value for {what}"));
        redis.replace(&target.key, &spoil(value));
    }
    world.memcached(REGION).flush();
    expect_absent(world, 7_919, "l2", &kept);
}

fn what_is_spoilt_in_memcached_is_absent(world: &World) {
    let (core, redis, memcached) = (world.core(REGION), world.redis(REGION), world.memcached(REGION));
    let kept = kept_people(world, &core, 3);
    let spoilt: [&[u8]; 3] = [b"x", b"garbage", &[0; 4_000]];
    for ((target, _), bytes) in kept.iter().zip(spoilt) {
        assert_eq!(memcached.replace(&target.key, bytes), 1, "expected one value of {} in Memcached", target.key);
        redis.remove(&target.key);
    }
    expect_absent(world, 7_921, "l3", &kept);
}

/// Changes a person's only echo behind the back of every core.
fn rewrite(world: &World, ana: &Person, transcript: &str) {
    let items = world.stored_in(REGION, &ana.id);
    let [item] = items.as_slice() else { panic!("expected one item, found {items:?}") };
    let update = json!({
        "TableName": world.file["tables"]["echoes"], "UpdateExpression": "SET transcript = :t",
        "Key": { "userId": item["userId"], "timestamp": item["timestamp"] },
        "ExpressionAttributeValues": { ":t": { "S": transcript } },
    });
    world.dynamodb(REGION).call("UpdateItem", &update).expect(200);
}

/// Somebody's timeline is in the shared tiers and, behind their backs, is another by now: they would show what was. The region's own
/// core is stopped before that: it would read in the stream that the timeline is another.
fn outdated(world: &World, port: u16) -> Target {
    let core = world.core(REGION);
    let ana = world.person("outdated");
    create(&core, &ana, &json!({ "emotion": "melancholic", "transcript": "then" }));
    let target = Target::timeline(&ana);
    target.kept(world, &core);
    world.control().change(REGION, &json!({ "core": "stopped" }));
    rewrite(world, &ana, "now");
    let other = OneMore::start(world, REGION, port);
    let response = target.read(&other.core);
    expect_from(&response, "echoes-l2");
    assert!(response.text().contains("\"then\""), "expected the trial to try something\n{response}");
    target
}

/// A core that has just started shows what is, and so does the region's own when it is back.
fn expect_now(world: &World, port: u16, target: &Target) {
    let other = OneMore::start(world, REGION, port);
    let response = target.read(&other.core);
    assert!(response.text().contains("\"now\""), "expected what is, not what was\n{response}");
    assert!(response.one("cache-status").starts_with("echoes-store"), "{response}");
    world.control().change(REGION, &json!({ "core": "running" }));
    let response = target.read(&world.core(REGION));
    assert!(response.text().contains("\"now\""), "expected what is, not what was\n{response}");
}

fn a_flush_shows_nothing_old(world: &World) {
    mended(world, || {
        let target = outdated(world, 7_923);
        // Memcached still has it.
        let _: String = world.redis(REGION).ask(&["FLUSHALL"]);
        expect_now(world, 7_925, &target);
    });
}

/// Whoever reads the stream next tells of what nobody told: no tier shows it for as long as it holds it.
fn what_nobody_told_of_is_told_by_the_stream(world: &World) {
    mended(world, || {
        let target = outdated(world, 7_937);
        let beside = OneMore::start(world, REGION, 7_939);
        target.read(&beside.core);
        world.control().change(REGION, &json!({ "core": "running" }));
        // Its predecessor's lease has to lapse first, unless it was handed over.
        eventually(TAKEN_OVER + LOST, "what is, at a core that does not read the stream", || {
            let response = target.read(&beside.core);
            if response.text().contains("\"now\"") { Ok(()) } else { Err(response.to_string()) }
        });
    });
}

fn a_snapshot_shows_nothing_old(world: &World) {
    mended(world, || {
        let redis = world.redis(REGION);
        let target = outdated(world, 7_927);
        let _: String = redis.ask(&["SAVE"]);
        for state in ["stopped", "running"] {
            world.control().change(REGION, &json!({ "redis": state }));
        }
        assert!(redis.value(&target.key).is_some(), "expected the snapshot to bring it back");
        expect_now(world, 7_929, &target);
        // The next restart begins empty, as any other.
        let _: String = redis.ask(&["FLUSHALL"]);
        let _: String = redis.ask(&["SAVE"]);
    });
}

fn a_delete_that_redis_was_not_told_of_is_gone_all_the_same(world: &World) {
    let here = world.core(REGION);
    let other = OneMore::start(world, REGION, 7_931);
    let there = &other.core;
    let ana = world.person("untold");
    let echo = create(&here, &ana, &json!({ "emotion": "surprised" }));
    let places = places_of(&ana, &echo);
    let timeline = Target::timeline(&ana);
    mended(world, || {
        timeline.kept(world, &here);
        for place in &places {
            there.get(place).send().expect(200);
        }
        // What Redis and Memcached hold is as it was when they go on.
        world.control().change(REGION, &json!({ "redis": "hung" }));
        here.call("DELETE", places[0].as_str()).user(&ana.id).send().expect(204);
        shown(&here, &places, id_of(&echo)).unwrap_or_else(|error| panic!("expected it gone at once: {error}"));
        world.control().change(REGION, &json!({ "redis": "running" }));
        shown(&here, &places, id_of(&echo)).unwrap_or_else(|error| panic!("expected it gone for good: {error}"));
        eventually(LOST, "the delete at another process", || shown(there, &places, id_of(&echo)));
        throughout(WATCHED, "expected it never again", || {
            shown(&here, &places, id_of(&echo))?;
            shown(there, &places, id_of(&echo))
        });
        let third = OneMore::start(world, REGION, 7_933);
        let response = timeline.read(&third.core);
        assert!(!response.text().contains(id_of(&echo)), "{response}");
        assert!(!from(&response, "echoes-l3"), "{response}");
    });
}
