//! A region that is stopped, hung or without its database: listeners near it are served by another, within two seconds.

use std::time::{Duration, Instant};

use echoes_tests::cities::City;
use echoes_tests::people::id_of;
use echoes_tests::shape::list_of;
use echoes_tests::waiting::eventually;
use echoes_tests::{Person, Region, Request, Response, Value, World, cities, fresh, json};

super::trials!(
    FAULTS: a_stopped_core, a_hung_core, a_stopped_database, a_throttled_database,
    a_delete_whose_home_is_stopped, a_delete_whose_home_is_hung, nobody_stands_in_for_a_home_that_is_throttled,
    a_restarted_core_answers_again,
);

/// All attempts of a request together (issue: *three regions and 2 s in all*).
const DEADLINE: Duration = Duration::from_secs(2);
/// What the network of one machine and the Workers runtime may add to that.
const SLACK: Duration = Duration::from_millis(300);

/// A region is broken in this way until the end of the test; then it is mended, and the edge has seen that.
pub fn with_fault(world: &World, region: Region, fault: &Value, test: impl FnOnce()) {
    world.control().change(region, fault);
    mended(world, test);
}

/// Whatever the test breaks is mended at its end, and the edge has seen that.
pub fn mended(world: &World, test: impl FnOnce()) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
    mend(world);
    if let Err(payload) = outcome {
        std::panic::resume_unwind(payload);
    }
}

/// Mends every region, and waits until the edge uses them all again.
pub fn mend(world: &World) {
    world.control().heal_all();
    eventually(Duration::from_secs(20), "the edge to use all regions", || {
        // The status asks every core, so a region that was avoided is found well sooner.
        let healthy = world.healthy();
        let mut used =
            cities::ONE_EACH.iter().map(|city| fresh_read(world, city).one("echoes-region") == city.region.as_str());
        if healthy.len() == 4 && used.all(|used| used) { Ok(()) } else { Err(format!("well are {healthy:?}")) }
    });
}

/// Demands that the answer came within the deadline.
pub fn in_time(response: &Response) {
    assert!(response.took <= DEADLINE + SLACK, "expected an answer within 2 s\n{response}");
}

/// A read that no cache can answer.
fn fresh_read(world: &World, city: &City) -> Response {
    world.edge(&Request::get(format!("/v1/users/{}/echoes", fresh::name("nobody"))).from(city))
}

fn create(world: &World, ana: &Person, city: &City) -> Response {
    world.edge(&ana.creating(fresh::key(), &json!({ "emotion": "calm" })).from(city))
}

/// Reads and creates near the region are answered by another one, in time, from the first request on.
fn served_elsewhere(world: &World, region: Region) {
    let city = City::of(region);
    let ana = world.person("failover");
    let mut created = Vec::new();
    for _ in 0..3 {
        let response = create(world, &ana, city).expect(201);
        in_time(&response);
        assert_ne!(response.one("echoes-region"), region.as_str(), "{response}");
        assert_ne!(response.json()["origin"], region.as_str(), "{response}");
        created.insert(0, response.json());
        let response = fresh_read(world, city).expect(200);
        in_time(&response);
        assert_ne!(response.one("echoes-region"), region.as_str(), "{response}");
        let response = world.edge(&Request::get("/v1/emotions/tired/random").from(city));
        assert!([200, 404].contains(&response.status), "{response}");
        in_time(&response);
    }
    let mine = world.edge(&Request::get(ana.timeline()).from(city));
    in_time(&mine);
    assert_eq!(list_of(&mine).0, created, "expected the writer's own echoes\n{mine}");
    let deleted = world.edge(&ana.deleting(id_of(&created[0])).from(city));
    assert_eq!(deleted.status, 204, "{deleted}");
    in_time(&deleted);
    // Listeners elsewhere notice nothing.
    for city in cities::ONE_EACH.iter().filter(|city| city.region != region) {
        let response = fresh_read(world, city).expect(200);
        in_time(&response);
        assert_eq!(response.one("echoes-region"), city.region.as_str(), "{response}");
    }
}

/// The region is used again, without anybody's help.
fn used_again(world: &World, region: Region) {
    eventually(Duration::from_secs(20), &format!("{region} to be used again"), || {
        let response = fresh_read(world, City::of(region)).expect(200);
        if response.one("echoes-region") == region.as_str() { Ok(()) } else { Err(response.to_string()) }
    });
}

fn a_stopped_core(world: &World) {
    with_fault(world, Region::EuWest1, &json!({ "core": "stopped" }), || {
        served_elsewhere(world, Region::EuWest1);
        let begun = Instant::now();
        let healthy = eventually(Duration::from_secs(8), "the status to say so", || {
            let healthy = world.healthy();
            if healthy.len() == 3 { Ok(healthy) } else { Err(format!("well are {healthy:?}")) }
        });
        assert!(!healthy.contains(&"eu-west-1".to_owned()), "{healthy:?} after {:?}", begun.elapsed());
    });
    used_again(world, Region::EuWest1);
}

fn a_hung_core(world: &World) {
    with_fault(world, Region::UsWest2, &json!({ "core": "hung" }), || served_elsewhere(world, Region::UsWest2));
    used_again(world, Region::UsWest2);
}

fn a_stopped_database(world: &World) {
    with_fault(world, Region::ApSoutheast1, &json!({ "dynamodb": "stopped" }), || {
        served_elsewhere(world, Region::ApSoutheast1)
    });
    used_again(world, Region::ApSoutheast1);
}

fn a_throttled_database(world: &World) {
    with_fault(world, Region::UsEast1, &json!({ "dynamodb": "throttled" }), || {
        // Somebody whom no cache knows.
        let response = world.core(Region::UsEast1).get(&world.person("throttled").timeline()).send();
        response.problem("unavailable", &[]);
        assert!(response.one("retry-after").parse::<u32>().is_ok(), "{response}");
        served_elsewhere(world, Region::UsEast1);
    });
    used_again(world, Region::UsEast1);
}

/// Two echoes of this home that all regions know.
fn known_echoes(world: &World, ana: &Person, home: Region) -> [Value; 2] {
    let echoes = [0, 1].map(|_| ana.create_from(world, City::of(home), &json!({ "emotion": "calm" })));
    for echo in &echoes {
        assert_eq!(echo["origin"], home.as_str(), "{echo}");
        eventually(Duration::from_secs(5), "the echo in the other regions", || {
            let seen = world
                .cores()
                .iter()
                .all(|core| core.get(&format!("/v1/echoes/{}", id_of(echo))).send().status == 200);
            if seen { Ok(()) } else { Err("not everywhere".to_owned()) }
        });
    }
    echoes
}

/// Only the home deletes while it can; when it is down, the nearest other region stands in for it.
fn delete_without_its_home(world: &World, fault: &Value) {
    let (ana, ben) = (world.person("home-ana"), world.person("home-ben"));
    let home = Region::UsWest2;
    let echoes = known_echoes(world, &ana, home);
    with_fault(world, home, fault, || {
        for (echo, city) in echoes.iter().zip([City::of(home), &cities::LONDON]) {
            let anothers = world.edge(&ben.deleting(id_of(echo)).from(city));
            anothers.problem("forbidden", &[]);
            in_time(&anothers);
            let response = world.edge(&ana.deleting(id_of(echo)).from(city)).expect(204);
            in_time(&response);
            world.get(&format!("/v1/echoes/{}", id_of(echo))).problem("not-found", &[]);
            let again = world.edge(&ana.deleting(id_of(echo)).from(city));
            assert_eq!(again.status, 204, "{again}");
        }
    });
    for echo in &echoes {
        eventually(Duration::from_secs(8), "the delete to reach the home", || {
            let response = world.core(home).get(&format!("/v1/echoes/{}", id_of(echo))).send();
            if response.status == 404 { Ok(()) } else { Err(response.to_string()) }
        });
    }
}

fn a_delete_whose_home_is_stopped(world: &World) {
    delete_without_its_home(world, &json!({ "core": "stopped" }));
}

fn a_delete_whose_home_is_hung(world: &World) {
    delete_without_its_home(world, &json!({ "core": "hung" }));
}

/// It is there and may take the next write of the same echo, so its refusal is the answer, wherever the caller is.
fn nobody_stands_in_for_a_home_that_is_throttled(world: &World) {
    let ana = world.person("throttled");
    let home = Region::UsWest2;
    let [edited, deleted] = known_echoes(world, &ana, home);
    let edit = ana.editing(id_of(&edited), 1, &json!({ "transcript": "edited" }));
    let delete = ana.deleting(id_of(&deleted));
    with_fault(world, home, &json!({ "dynamodb": "throttled" }), || {
        // Again and again: that the region is avoided for reads changes nothing.
        for city in [City::of(home), &cities::LONDON, City::of(home), &cities::TOKYO] {
            for request in [&edit, &delete] {
                let response = world.edge(&request.clone().from(city));
                response.problem("unavailable", &[]);
                assert!(response.one("retry-after").parse::<u32>().is_ok(), "{response}");
                in_time(&response);
            }
        }
        for echo in [&edited, &deleted] {
            let path = format!("/v1/echoes/{}", id_of(echo));
            assert_eq!(world.core(Region::EuWest1).get(&path).send().expect(200).json(), *echo, "nothing was done");
        }
    });
    let after = world.edge(&edit.from(&cities::LONDON)).expect(200).json();
    assert_eq!((&after["version"], &after["origin"]), (&json!(2), &json!(home.as_str())), "{after}");
    world.edge(&delete.from(&cities::LONDON)).expect(204);
}

fn a_restarted_core_answers_again(world: &World) {
    let ana = world.person("restart");
    let echo = ana.create_from(world, &cities::ASHBURN, &json!({ "emotion": "calm" }));
    let core = world.core(Region::UsEast1);
    let control = world.control();
    for state in ["stopped", "running", "hung", "running"] {
        control.change(core.region, &json!({ "core": state }));
    }
    let path = format!("/v1/echoes/{}", id_of(&echo));
    assert_eq!(core.get(&path).send().expect(200).json(), echo);
    core.admin("/readyz").expect(200);
    mend(world);
}
