//! The work beside serving, as an operator sees it: the sweep of the recent index, and a start without a store.

use std::time::Duration;

use echoes_shared::EchoId;
use echoes_shared::keys;
use echoes_tests::programs::{echoes, variables_of};
use echoes_tests::waiting::eventually;
use echoes_tests::{Region, Request, Value, World, clock, fresh, json};

super::trials!(TRIALS: an_aged_echo_is_swept_by_its_home_alone);
super::trials!(FAULTS: a_core_that_starts_without_its_store_is_ready_when_that_is_back);

/// How long replication may take when nothing is in its way.
const SOON: Duration = Duration::from_secs(5);

/// Stores an echo of a hundred days ago in us-west-2, as it was taken there and then.
fn store_aged(world: &World, user: &str) -> Value {
    let at = clock::now().minus_days(100);
    let id = EchoId::derive(&user.parse().expect("a userId"), fresh::key_at(at));
    let text = |text: &str| json!({ "S": text });
    let sort_key = keys::sort_key(id);
    let item = json!({
        "userId": text(user), "timestamp": text(&sort_key), "echoId": text(&id.to_string()),
        "emotion": text("calm"), "emotionTimestamp": text(&format!("calm#{sort_key}")),
        "recent": text(&at.month().dashed()), "random": text("calm"), "lot": text(&keys::lot(id)),
        "transcript": text("long ago"), "version": { "N": "1" }, "origin": text("us-west-2"),
        "updatedAt": text(&at.to_string()),
    });
    let table = world.file["tables"]["echoes"].clone();
    world.dynamodb(Region::UsWest2).call("PutItem", &json!({ "TableName": table, "Item": item })).expect(200);
    item
}

/// Demands that all regions store this one item for a person.
fn await_everywhere(world: &World, user: &str, item: &Value) {
    eventually(SOON, "the same item in all regions", || {
        let stored = world.stored(user);
        let alike = stored.iter().all(|(_, items)| *items == [item.clone()]);
        if alike { Ok(()) } else { Err(format!("{stored:#?}")) }
    });
}

/// One round of all work in a region, and what it says of the sweep.
fn sweep(world: &World, region: Region) -> Value {
    let mut variables = variables_of(&world.state, region);
    variables.insert("ECHOES_SWEEP_UNITS_PER_SECOND".to_owned(), "1000".to_owned());
    let finished = echoes(&["work", "--once", "--json"], &variables);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let found: Value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:#?}"));
    let jobs = found["jobs"].as_array().expect("jobs");
    jobs.iter().find(|job| job["job"] == "sweep").unwrap_or_else(|| panic!("no sweep in {found}")).clone()
}

fn an_aged_echo_is_swept_by_its_home_alone(world: &World) {
    let user = fresh::name("aged");
    let mut item = store_aged(world, &user);
    await_everywhere(world, &user, &item);

    let elsewhere = sweep(world, Region::EuWest1);
    assert!(elsewhere["did"]["lookedAt"].as_u64() >= Some(1), "{elsewhere}");
    await_everywhere(world, &user, &item);

    let home = sweep(world, Region::UsWest2);
    assert!(home["did"]["swept"].as_u64() >= Some(1), "{home}");
    assert!(home["writeUnits"].as_f64() >= Some(5.0), "{home}");
    for figure in ["dollars", "dollarsSavedMonthly", "monthsToPay"] {
        assert!(home["did"][figure].as_f64() > Some(0.0), "{figure}: {home}");
    }
    item.as_object_mut().expect("an item").remove("recent");
    await_everywhere(world, &user, &item);
}

fn a_core_that_starts_without_its_store_is_ready_when_that_is_back(world: &World) {
    let control = world.control();
    let core = world.core(Region::ApSoutheast1);
    control.change(core.region, &json!({ "core": "stopped", "dynamodb": "stopped" }));
    control.change(core.region, &json!({ "core": "running" }));
    let response = core.admin("/readyz").expect(503);
    assert!(response.text().contains("not checked yet"), "{response}");
    control.change(core.region, &json!({ "dynamodb": "running" }));
    eventually(SOON, "readiness", || {
        let response = Request::get("/readyz").try_send(&core.admin)?;
        if response.status == 200 { Ok(()) } else { Err(response.to_string()) }
    });
    core.get("/v1/echoes/recent").send().expect(200);
}
