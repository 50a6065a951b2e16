//! What is written in one region is soon the same in all four, through lag and partition.

use std::time::{Duration, Instant};

use echoes_tests::people::id_of;
use echoes_tests::waiting::{eventually, throughout};
use echoes_tests::{Region, Request, Value, World, cities, fresh, json};

super::trials!(
    TRIALS: a_create_is_seen_by_every_core, every_region_stores_the_same_item, the_control_api_says_how_regions_are,
    the_control_api_refuses_nonsense,
);
super::trials!(
    FAULTS: lag_delays_and_loses_nothing, a_partition_keeps_writes_apart_and_then_merges_them,
    one_key_on_both_sides_becomes_one_echo,
);

/// How long replication may take when nothing is in its way.
const SOON: Duration = Duration::from_secs(5);

/// The answer of a core to a read of the echo.
fn status_at(world: &World, region: Region, echo: &Value) -> (u16, String) {
    let response = world.core(region).get(&format!("/v1/echoes/{}", id_of(echo))).send();
    (response.status, response.to_string())
}

/// Waits until a region's core knows of the echo.
pub fn await_at(world: &World, region: Region, echo: &Value, within: Duration) {
    eventually(within, &format!("the echo at {region}"), || match status_at(world, region, echo) {
        (200, _) => Ok(()),
        (_, response) => Err(response),
    });
}

/// Demands that all four regions store the same items for a person, so many of them, and gives those.
pub fn same_everywhere(world: &World, user: &str, count: usize, within: Duration) -> Vec<Value> {
    eventually(within, &format!("{count} items of {user} alike in all regions"), || {
        let stored = world.stored(user);
        let (_, first) = &stored[0];
        let alike = stored.iter().all(|(_, items)| items == first);
        if alike && first.len() == count { Ok(first.clone()) } else { Err(format!("{stored:#?}")) }
    })
}

fn a_create_is_seen_by_every_core(world: &World) {
    for city in &cities::ONE_EACH {
        let ana = world.person("replication");
        let echo = ana.create_from(world, city, &json!({ "emotion": "calm", "tags": ["rain"] }));
        for core in world.cores() {
            await_at(world, core.region, &echo, SOON);
            let response = core.get(&format!("/v1/echoes/{}", id_of(&echo))).send().expect(200);
            assert_eq!(
                response.json(),
                echo,
                "{} differs from what {} created\n{response}",
                core.region,
                city.region
            );
            let response = core.get(&ana.timeline()).send().expect(200);
            assert_eq!(response.json()["echoes"], json!([echo]), "{response}");
        }
    }
}

fn every_region_stores_the_same_item(world: &World) {
    let ana = world.person("replication");
    let content = json!({ "emotion": "calm", "tags": ["a", "b"], "metadata": { "k": "v" }, "location": { "lat": 1.5, "lng": -2.25 } });
    let echo = ana.create_from(world, &cities::SEATTLE, &content);
    let items = same_everywhere(world, &ana.id, 1, SOON);
    let key = format!("{}#{}", echo["timestamp"].as_str().unwrap(), id_of(&echo));
    assert_eq!(items[0]["timestamp"], json!({ "S": key }), "{items:#?}");
    assert_eq!(items[0]["origin"], json!({ "S": "us-west-2" }), "{items:#?}");
    // Replication adds nothing of its own.
    let strange: Vec<_> = items[0]
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| name.contains("aws:rep") || name.starts_with('_'))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
    // Deleted, the tombstone is the same everywhere, and has left every index.
    world.edge(&ana.deleting(id_of(&echo)).from(&cities::SEATTLE)).expect(204);
    let tombstone = eventually(SOON, "the same tombstone everywhere", || {
        let items = same_everywhere(world, &ana.id, 1, SOON);
        if items[0].get("deletedAt").is_some() { Ok(items[0].clone()) } else { Err(format!("{items:#?}")) }
    });
    for name in ["emotion", "echoId", "emotionTimestamp", "recent", "transcript"] {
        assert!(tombstone.get(name).is_none(), "expected no {name} in {tombstone:#}");
    }
    assert!(tombstone.get("ttl").is_some(), "expected a ttl in {tombstone:#}");
}

fn the_control_api_says_how_regions_are(world: &World) {
    let regions = world.control().regions();
    let names: Vec<_> = regions.iter().map(|region| region["name"].as_str().unwrap()).collect();
    assert_eq!(names, Region::ALL.map(Region::as_str));
    for region in regions {
        assert!(region["backlog"].is_u64(), "{region}");
        for (name, value) in [
            ("core", json!("running")),
            ("dynamodb", json!("running")),
            ("partitioned", json!(false)),
            ("lagMs", json!(0)),
        ] {
            assert_eq!(region[name], value, "{region}");
        }
    }
}

fn the_control_api_refuses_nonsense(world: &World) {
    let control = world.control();
    for change in
        [json!({ "core": "paused" }), json!({ "lagMs": -1 }), json!({ "partitioned": "yes" }), json!({ "colour": 1 })]
    {
        let response = control.patch("us-east-1", &change);
        assert_eq!(response.status, 400, "{response}");
    }
    let response = control.patch("mars-1", &json!({ "lagMs": 0 }));
    assert_eq!(response.status, 404, "{response}");
    for path in ["/.well-known/jwks.json", "/regions"] {
        Request::get(path).send(&control.base).expect(200);
    }
    let jwks = Request::get("/.well-known/jwks.json").send(&control.base).json();
    let key = &jwks["keys"][0];
    assert!(
        key["kid"].is_string() && key["kty"] == "EC" && key.get("d").is_none(),
        "expected a public key alone: {jwks}"
    );
}

fn lag_delays_and_loses_nothing(world: &World) {
    let control = world.control();
    let ana = world.person("lag");
    control.change(Region::ApSoutheast1, &json!({ "lagMs": 1_500 }));
    let begun = Instant::now();
    let echo = ana.create_from(world, &cities::ASHBURN, &json!({ "emotion": "calm" }));
    await_at(world, Region::EuWest1, &echo, SOON);
    assert!(begun.elapsed() < Duration::from_millis(1_400), "expected the lag to concern one region alone");
    // Well inside the lag, whose clock began with the write.
    let until = Duration::from_millis(1_200).saturating_sub(begun.elapsed());
    throughout(until, "nothing at the lagging region yet", || match status_at(world, Region::ApSoutheast1, &echo) {
        (404, _) => Ok(()),
        (_, response) => Err(response),
    });
    await_at(world, Region::ApSoutheast1, &echo, SOON);
    control.change(Region::ApSoutheast1, &json!({ "lagMs": 0 }));
    same_everywhere(world, &ana.id, 1, SOON);
}

fn a_partition_keeps_writes_apart_and_then_merges_them(world: &World) {
    let control = world.control();
    let ana = world.person("partition");
    let before = ana.create_from(world, &cities::LONDON, &json!({ "emotion": "calm", "transcript": "before" }));
    same_everywhere(world, &ana.id, 1, SOON);
    control.change(Region::EuWest1, &json!({ "partitioned": true }));

    let inside = ana.create_from(world, &cities::LONDON, &json!({ "emotion": "calm", "transcript": "inside" }));
    let outside = ana.create_from(world, &cities::TOKYO, &json!({ "emotion": "calm", "transcript": "outside" }));
    assert_eq!((&inside["origin"], &outside["origin"]), (&json!("eu-west-1"), &json!("ap-southeast-1")));
    await_at(world, Region::UsEast1, &outside, SOON);
    throughout(Duration::from_millis(700), "each side keeps to itself", || {
        let seen = [status_at(world, Region::UsEast1, &inside), status_at(world, Region::EuWest1, &outside)];
        if seen.iter().all(|(status, _)| *status == 404) { Ok(()) } else { Err(format!("{seen:#?}")) }
    });
    let regions = control.regions();
    let eu = regions.iter().find(|region| region["name"] == "eu-west-1").unwrap();
    assert!(eu["backlog"].as_u64() >= Some(1), "expected a backlog: {eu}");
    // A delete on the inside of what both sides know.
    world.edge(&ana.deleting(id_of(&before)).from(&cities::LONDON)).expect(204);
    let buried_outside = |(region, items): &(Region, Vec<Value>)| {
        *region != Region::EuWest1 && items.iter().any(|item| item.get("deletedAt").is_some())
    };
    assert!(!world.stored(&ana.id).iter().any(buried_outside), "expected the delete to stay inside");

    control.change(Region::EuWest1, &json!({ "partitioned": false }));
    let items = same_everywhere_deleted(world, &ana.id);
    assert_eq!(items.len(), 3, "{items:#?}");
    for region in Region::ALL {
        assert_eq!(status_at(world, region, &before).0, 404, "{region}");
        // That there was no such echo is remembered for two seconds.
        await_at(world, region, &inside, SOON);
        await_at(world, region, &outside, SOON);
    }
    eventually(SOON, "an empty backlog", || {
        let regions = control.regions();
        if regions.iter().all(|region| region["backlog"] == 0) { Ok(()) } else { Err(format!("{regions:?}")) }
    });
}

/// Three items everywhere, one of them a tombstone.
fn same_everywhere_deleted(world: &World, user: &str) -> Vec<Value> {
    eventually(Duration::from_secs(10), "all regions alike after the partition", || {
        let items = same_everywhere(world, user, 3, Duration::from_secs(10));
        let tombstones = items.iter().filter(|item| item.get("deletedAt").is_some()).count();
        if tombstones == 1 { Ok(items) } else { Err(format!("{items:#?}")) }
    })
}

/// Two regions that take different content under one key before they meet both say 201; then one of the two wins.
fn one_key_on_both_sides_becomes_one_echo(world: &World) {
    let control = world.control();
    let ana = world.person("partition");
    control.change(Region::ApSoutheast1, &json!({ "partitioned": true }));
    let key = fresh::key();
    let create = |city: &cities::City, text: &str| {
        let request = ana.creating(key, &json!({ "emotion": "calm", "transcript": text })).from(city);
        world.edge(&request).expect(201).json()
    };
    let (first, second) = (create(&cities::TOKYO, "first"), create(&cities::LONDON, "second"));
    assert_eq!(id_of(&first), id_of(&second), "one person and one key are one id");
    control.change(Region::ApSoutheast1, &json!({ "partitioned": false }));
    same_everywhere(world, &ana.id, 1, Duration::from_secs(10));
    // The last writer wins the whole item.
    for core in world.cores() {
        let response = core.get(&format!("/v1/echoes/{}", id_of(&first))).send().expect(200);
        assert_eq!(response.json(), second, "{response}");
    }
}
