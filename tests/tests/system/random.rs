//! `GET /v1/emotions/{emotion}/random`

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use echoes_tests::people::id_of;
use echoes_tests::shape::{check_echo, check_read};
use echoes_tests::waiting::eventually;
use echoes_tests::{Region, Request, World, cities, clock, fresh, json};

super::trials!(
    TRIALS: an_emotion_without_echoes_is_404, every_echo_is_drawn_and_nothing_else, head_is_get_without_a_body,
    what_is_deleted_is_not_drawn_again, what_another_region_took_is_drawn_soon, each_echo_has_the_same_chance,
    what_has_expired_is_not_drawn,
);

fn an_emotion_without_echoes_is_404(world: &World) {
    world.get("/v1/emotions/bored/random").problem("not-found", &[]);
}

fn every_echo_is_drawn_and_nothing_else(world: &World) {
    let ana = world.person("random");
    let create = |nth| ana.create(world, &json!({ "emotion": "inspired", "transcript": format!("{nth}") }));
    let created = [0, 1, 2].map(create);
    let mut drawn = BTreeSet::new();
    // One of three stays away from 60 fair draws once in ten thousand million runs.
    for _ in 0..60 {
        let response =
            world.get("/v1/emotions/inspired/random").expect(200).expect_header("cache-control", "no-store");
        check_read(&response);
        let echo = response.json();
        check_echo(&echo);
        assert!(created.contains(&echo), "expected one of the three created\n{response}");
        drawn.insert(id_of(&echo).to_owned());
    }
    assert_eq!(drawn.len(), 3, "expected all three to be drawn");
}

fn head_is_get_without_a_body(world: &World) {
    let ana = world.person("random");
    ana.create(world, &json!({ "emotion": "calm" }));
    let response = world.edge(&Request::new("HEAD", "/v1/emotions/calm/random")).expect(200);
    assert_eq!(response.one("cache-control"), "no-store", "{response}");
    assert_eq!(response.one("content-type"), "application/json", "{response}");
}

/// Others create echoes of these emotions as well.
const DELETED: &str = "/v1/emotions/angry/random";
const ELSEWHERE: &str = "/v1/emotions/loving/random";
/// Nobody but the trial that names one creates echoes of these.
const EVEN: &str = "/v1/emotions/proud/random";
const EXPIRED: &str = "/v1/emotions/anxious/random";

fn what_is_deleted_is_not_drawn_again(world: &World) {
    let ana = world.person("random");
    let create = || ana.create(world, &json!({ "emotion": "angry" }));
    let (echo, kept) = (create(), create());
    let drawn = |wanted: &str| {
        let ids = (0..60).map(|_| id_of(&world.get(DELETED).expect(200).json()).to_owned());
        ids.filter(|id| id == wanted).count()
    };
    assert!(drawn(id_of(&echo)) > 0, "expected the pool to hold it");
    world.edge(&ana.deleting(id_of(&echo))).expect(204);
    assert_eq!(drawn(id_of(&echo)), 0, "expected the deleted echo not to be drawn");
    assert!(drawn(id_of(&kept)) > 0, "expected the other one to be drawn");
}

fn what_another_region_took_is_drawn_soon(world: &World) {
    let ana = world.person("random");
    let far = Request::get(ELSEWHERE).from(&cities::TOKYO);
    // So that its pool was read before.
    world.edge(&far);
    let mut awaited: BTreeSet<String> = BTreeSet::new();
    for city in &cities::ONE_EACH {
        let echo = ana.create_from(world, city, &json!({ "emotion": "loving" }));
        awaited.insert(id_of(&echo).to_owned());
    }
    eventually(Duration::from_secs(15), "every region's echo", || {
        let response = world.edge(&far);
        if response.status == 200 {
            awaited.remove(id_of(&response.json()));
        }
        if awaited.is_empty() { Ok(()) } else { Err(format!("without {awaited:?} at last {response}")) }
    });
}

/// However much one person has said, and however long ago.
fn each_echo_has_the_same_chance(world: &World) {
    const DRAWS: u32 = 800;
    let (ana, ben) = (world.person("random-ana"), world.person("random-ben"));
    let core = world.core(Region::UsEast1);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for hours in [0, 0, 0, 0, 0, 0, 0, 23] {
        let person = if hours == 0 { &ana } else { &ben };
        let key = fresh::key_at(clock::now().minus_millis(hours * 3_600_000));
        let call = core.call("POST", "/v1/echoes").user(&person.id).idempotent(key);
        let created = call.json(&json!({ "emotion": "proud" })).send().expect(201);
        counts.insert(id_of(&created.json()).to_owned(), 0);
    }
    for _ in 0..DRAWS {
        let response = core.get(EVEN).send().expect(200);
        let echo = response.json();
        *counts.get_mut(id_of(&echo)).unwrap_or_else(|| panic!("another's echo\n{response}")) += 1;
    }
    // A hundred each; five standard deviations of independent draws.
    assert!(counts.values().all(|count| (53..=147).contains(count)), "{counts:?}");
}

fn what_has_expired_is_not_drawn(world: &World) {
    const DAY_MILLIS: u64 = 86_400_000;
    const LIFE_MILLIS: u64 = 6_000;
    let ana = world.person("random");
    let key = fresh::key_at(clock::now().minus_millis(DAY_MILLIS - LIFE_MILLIS));
    let response = world.edge(&ana.creating(key, &json!({ "emotion": "anxious", "daysToLive": 1 })));
    let ttl = response.json()["ttl"].as_u64().unwrap_or_else(|| panic!("no ttl\n{response}"));
    // A busy machine may take longer than it lives.
    if clock::now().epoch_seconds() + 2 < ttl {
        world.get(EXPIRED).expect(200);
    }
    eventually(Duration::from_secs(15), "its end", || {
        let response = world.get(EXPIRED);
        if response.status == 404 { Ok(()) } else { Err(response.to_string()) }
    });
    assert!(clock::now().epoch_seconds() >= ttl, "it was gone before its time");
    world.get(EXPIRED).problem("not-found", &[]);
}
