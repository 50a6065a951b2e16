//! Batches over several regions: each echo's home decides, and when that is down the nearest other region does.

use std::time::Duration;

use echoes_tests::batches::{body, create, delete, results_of, statuses};
use echoes_tests::cities::City;
use echoes_tests::people::id_of;
use echoes_tests::shape::list_of;
use echoes_tests::waiting::eventually;
use echoes_tests::{Person, Region, Request, Value, World, cities, fresh, json};

use super::ids;
use crate::failover::{in_time, mend, with_fault};

crate::trials!(HOMES: homes_in_three_regions, the_core_keeps_to_the_same_rules);
crate::trials!(
    FAULTS: a_home_that_is_stopped, a_home_that_is_hung, the_nearest_is_stopped, the_nearest_database_is_throttled,
    all_are_stopped,
);

/// An echo from near each of these regions, known in all of them.
fn known_everywhere(world: &World, person: &Person, homes: &[Region]) -> Vec<Value> {
    let echoes: Vec<_> = homes
        .iter()
        .map(|&home| {
            let echo = person.create_from(world, City::of(home), &json!({ "emotion": "calm" }));
            assert_eq!(echo["origin"], home.as_str(), "{echo}");
            echo
        })
        .collect();
    for echo in &echoes {
        eventually(Duration::from_secs(5), "the echo in every region", || {
            let known = |core: &echoes_tests::cores::Core| {
                core.get(&format!("/v1/echoes/{}", id_of(echo))).send().status == 200
            };
            if world.cores().iter().all(known) { Ok(()) } else { Err("not everywhere".to_owned()) }
        });
    }
    echoes
}

fn gone_everywhere(world: &World, echoes: &[Value]) {
    for echo in echoes {
        for core in world.cores() {
            eventually(Duration::from_secs(8), "the delete everywhere", || {
                let response = core.get(&format!("/v1/echoes/{}", id_of(echo))).send();
                if response.status == 404 { Ok(()) } else { Err(response.to_string()) }
            });
        }
    }
}

/// A delete of each, something of the nearest region's own between, and what comes after a delete elsewhere.
fn across(world: &World, ana: &Person, echoes: &[Value], from: &City) {
    let (ben, own) = (world.person("batch-ben"), fresh::key());
    let anothers = ben.create_from(world, from, &json!({ "emotion": "calm" }));
    let mut operations: Vec<_> = echoes.iter().map(|echo| delete(id_of(echo))).collect();
    operations.insert(1, create(own, &json!({ "emotion": "calm" })));
    operations.push(delete(id_of(&anothers)));
    operations.push(delete(&ids(ana, &[own])[0]));
    let response = world.edge(&ana.batch(&operations).from(from));
    in_time(&response);
    let mut expected = vec![204; echoes.len()];
    expected.insert(1, 201);
    expected.extend([403, 204]);
    assert_eq!(statuses(&results_of(&response)), expected, "{response}");
    for echo in echoes {
        world.edge(&Request::get(format!("/v1/echoes/{}", id_of(echo))).from(from)).problem("not-found", &[]);
    }
}

fn homes_in_three_regions(world: &World) {
    let ana = world.person("batch-homes");
    let homes = [Region::EuWest1, Region::UsWest2, Region::ApSoutheast1, Region::UsEast1, Region::UsWest2];
    let echoes = known_everywhere(world, &ana, &homes);
    across(world, &ana, &echoes, &cities::ASHBURN);
    gone_everywhere(world, &echoes);
    // What follows a delete of another region's echo is done there too, in order.
    let key = fresh::key();
    let content = json!({ "emotion": "calm" });
    let echo = world.edge(&ana.creating(key, &content).from(&cities::LONDON)).expect(201).json();
    eventually(Duration::from_secs(5), "the echo in the west", || {
        let response = world.core(Region::UsWest2).get(&format!("/v1/echoes/{}", id_of(&echo))).send();
        if response.status == 200 { Ok(()) } else { Err(response.to_string()) }
    });
    let operations = [create(key, &content), delete(id_of(&echo)), create(key, &content)];
    let results = results_of(&world.edge(&ana.batch(&operations).from(&cities::SEATTLE)));
    assert_eq!(statuses(&results), [200, 204, 409]);
}

fn the_core_keeps_to_the_same_rules(world: &World) {
    let ana = world.person("batch-core");
    let [echo] = &known_everywhere(world, &ana, &[Region::EuWest1])[..] else { panic!("one echo") };
    let other = world.core(Region::UsWest2);
    let call = |operations: &[Value]| other.call("POST", "/v1/echoes/batch").json(&body(operations));
    let operations = [delete(id_of(echo)), json!({ "op": "create", "echo": { "emotion": "calm" } }), json!({})];
    let response = call(&operations).send();
    assert!([400, 401].contains(&response.status), "a batch on nobody's behalf\n{response}");
    let response = call(&operations).user(&ana.id).send().expect(200);
    let results = response.json()["results"].as_array().cloned().unwrap();
    assert_eq!(statuses(&results), [421, 201, 400], "{response}");
    assert_eq!(results[0], json!({ "status": 421, "home": "eu-west-1" }), "{response}");
    let response = call(&operations[..1]).user(&ana.id).signed_header("x-echoes-fallback", "1").send().expect(200);
    assert_eq!(statuses(response.json()["results"].as_array().unwrap()), [204], "{response}");
    call(&[]).user(&ana.id).send().problem("invalid-request", &["operations"]);
}

fn without_a_home(world: &World, fault: &Value) {
    let ana = world.person("batch-home");
    let homes = [Region::UsWest2, Region::EuWest1, Region::UsWest2, Region::UsEast1];
    for city in [&cities::LONDON, City::of(Region::UsWest2)] {
        let echoes = known_everywhere(world, &ana, &homes);
        with_fault(world, Region::UsWest2, fault, || across(world, &ana, &echoes, city));
        gone_everywhere(world, &echoes);
    }
}

fn a_home_that_is_stopped(world: &World) {
    without_a_home(world, &json!({ "core": "stopped" }));
}

fn a_home_that_is_hung(world: &World) {
    without_a_home(world, &json!({ "core": "hung" }));
}

fn served_by_another(world: &World, fault: &Value) {
    let ana = world.person("batch-nearest");
    let operations: Vec<_> = (0..5).map(|_| create(fresh::key(), &json!({ "emotion": "calm" }))).collect();
    with_fault(world, Region::EuWest1, fault, || {
        let response = world.edge(&ana.batch(&operations).from(&cities::LONDON));
        in_time(&response);
        assert_eq!(statuses(&results_of(&response)), [201; 5], "{response}");
        assert_ne!(response.one("echoes-region"), "eu-west-1", "{response}");
    });
    // The region that was away hears of them, and creates none again.
    eventually(Duration::from_secs(8), "the same echoes at the region that was away", || {
        let results = results_of(&world.edge(&ana.batch(&operations).from(&cities::LONDON)));
        if statuses(&results) == [200; 5] { Ok(()) } else { Err(format!("{:?}", statuses(&results))) }
    });
    assert_eq!(list_of(&world.get(&ana.timeline())).0.len(), 5);
}

fn the_nearest_is_stopped(world: &World) {
    served_by_another(world, &json!({ "core": "stopped" }));
}

fn the_nearest_database_is_throttled(world: &World) {
    served_by_another(world, &json!({ "dynamodb": "throttled" }));
}

fn all_are_stopped(world: &World) {
    let ana = world.person("batch-outage");
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for region in Region::ALL {
            world.control().change(region, &json!({ "core": "stopped" }));
        }
        let response = world.edge(&ana.batch(&[create(fresh::key(), &json!({ "emotion": "calm" }))]));
        response.problem("unavailable", &[]);
        in_time(&response);
        // What the edge knows by itself it still says.
        world.edge(&ana.batch(&[])).problem("invalid-request", &["operations"]);
    }));
    mend(world);
    if let Err(payload) = outcome {
        std::panic::resume_unwind(payload);
    }
}
