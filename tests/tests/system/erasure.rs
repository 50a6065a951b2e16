//! `DELETE /v1/users/me` and `GET /v1/users/me/erasure`

use std::time::Duration;

use echoes_tests::people::{Person, id_of};
use echoes_tests::waiting::eventually;
use echoes_tests::{IdempotencyKey, Region, Request, Value, World, cities, clock, json};

super::trials!(
    TRIALS: a_person_is_erased_everywhere, nobody_without_a_token_is_asked_about, who_was_never_erased_has_no_erasure,
    only_its_methods_are_allowed,
);
super::trials!(FAULTS: a_partitioned_region_is_waited_for);

const URL: &str = "/v1/users/me/erasure";
/// Ten seconds until no old create can come, a few looks, and 77 s besides; on a machine that is busy with other trials.
const DONE_WITHIN: Duration = Duration::from_secs(180);

fn erase(ana: &Person) -> Request {
    Request::new("DELETE", "/v1/users/me").token(&ana.token)
}

fn status(world: &World, ana: &Person) -> String {
    let response = world.edge(&Request::get(URL).token(&ana.token)).expect(200);
    assert_eq!(response.one("cache-control"), "no-store", "{response}");
    let body = response.json();
    assert_eq!((body.as_object().unwrap().len(), &body["statusUrl"]), (2, &json!(URL)), "{response}");
    body["status"].as_str().unwrap().to_owned()
}

/// Demands that these echoes are on no path of any core, and that no region stores more of the person than tombstones.
fn none_is_left(world: &World, ana: &Person, erased: &[Value]) {
    for core in world.cores() {
        for echo in erased {
            core.get(&format!("/v1/echoes/{}", id_of(echo))).send().expect(404);
        }
        let emotion = format!("{}?emotion=loving", ana.timeline());
        for path in [ana.timeline(), emotion] {
            let response = core.get(&path).send().expect(200);
            assert!(erased.iter().all(|echo| !response.to_string().contains(id_of(echo))), "{response}");
        }
        for path in ["/v1/emotions/loving/echoes?limit=100", "/v1/echoes/recent?limit=100"] {
            let response = core.get(path).send().expect(200);
            assert!(erased.iter().all(|echo| !response.to_string().contains(id_of(echo))), "{response}");
        }
        for _ in 0..20 {
            let response = core.get("/v1/emotions/loving/random").send();
            assert!(erased.iter().all(|echo| !response.to_string().contains(id_of(echo))), "{response}");
        }
    }
    for (region, items) in world.stored(&ana.id) {
        let of_erased = items.iter().filter(|item| {
            let key = item["timestamp"]["S"].as_str().unwrap_or_default();
            erased.iter().any(|echo| key.ends_with(id_of(echo)))
        });
        assert!(of_erased.clone().count() == erased.len(), "{region}: {items:#?}");
        assert!(of_erased.clone().all(|item| item.get("deletedAt").is_some()), "{region}: {items:#?}");
        assert!(of_erased.clone().all(|item| item["version"]["N"] == "2"), "buried once in {region}: {items:#?}");
    }
}

fn a_person_is_erased_everywhere(world: &World) {
    let (ana, ben) = (world.person("erasure-ana"), world.person("erasure-ben"));
    let content = json!({ "emotion": "loving", "transcript": "forget me" });
    let mut erased: Vec<_> = cities::ONE_EACH.iter().map(|city| ana.create_from(world, city, &content)).collect();
    let old_key = IdempotencyKey::mint(clock::now().minus_millis(60_000), &rand_ten());
    erased.push(world.edge(&ana.creating(old_key, &content)).expect(201).json());
    let bens = ben.create(world, &content);
    let response = world.edge(&erase(&ana)).expect(202);
    assert_eq!(response.json(), json!({ "status": "running", "statusUrl": URL }), "{response}");
    assert_eq!(response.one("cache-control"), "no-store", "{response}");
    assert_eq!(status(world, &ana), "running");
    // A second request, by a client that did not hear of the first, is answered alike.
    assert_eq!(world.edge(&erase(&ana)).expect(202).json()["status"], "running");
    // A key that was made before the request, used or not, is of an echo that is gone.
    let unused = IdempotencyKey::mint(clock::now().minus_millis(50_000), &rand_ten());
    for key in [old_key, unused] {
        world.edge(&ana.creating(key, &content)).problem("conflict", &[]);
    }
    let new = ana.create(world, &json!({ "emotion": "hopeful" }));
    eventually(DONE_WITHIN, "the erasure's end", || match status(world, &ana).as_str() {
        "done" => Ok(()),
        other => Err(other.to_owned()),
    });
    none_is_left(world, &ana, &erased);
    for core in world.cores() {
        core.get(&format!("/v1/echoes/{}", id_of(&new))).send().expect(200);
        core.get(&format!("/v1/echoes/{}", id_of(&bens))).send().expect(200);
        let own = eventually(Duration::from_secs(5), "the end is known everywhere", || {
            let response = core.get(URL).user(&ana.id).send().expect(200);
            if response.json()["status"] == "done" { Ok(response) } else { Err(response.to_string()) }
        });
        assert_eq!(own.json()["statusUrl"], URL, "{own}");
    }
    // And nothing is left of them at the edge.
    for path in ["/v1/emotions/loving/echoes?limit=100", "/v1/echoes/recent?limit=100", &ana.timeline()] {
        let response = world.get(path).expect(200);
        assert!(erased.iter().all(|echo| !response.to_string().contains(id_of(echo))), "{response}");
    }
    erased.iter().for_each(|echo| drop(world.get(&format!("/v1/echoes/{}", id_of(echo))).expect(404)));
}

fn rand_ten() -> [u8; 10] {
    let bytes = echoes_tests::fresh::name("k").into_bytes();
    std::array::from_fn(|index| bytes[bytes.len() - 1 - index % bytes.len()])
}

fn nobody_without_a_token_is_asked_about(world: &World) {
    for (method, path) in [("DELETE", "/v1/users/me"), ("GET", URL)] {
        world.edge(&Request::new(method, path)).problem("unauthenticated", &[]);
        world.edge(&Request::new(method, path).token("not.a.token")).problem("unauthenticated", &[]);
        // Nor does a core act for nobody.
        let response = world.core(Region::EuWest1).call(method, path).send();
        assert_eq!(response.status, 401, "{response}");
    }
}

fn who_was_never_erased_has_no_erasure(world: &World) {
    let ana = world.person("erasure-never");
    world.edge(&Request::get(URL).token(&ana.token)).problem("not-found", &[]);
}

fn only_its_methods_are_allowed(world: &World) {
    let ana = world.person("erasure-methods");
    for (method, path, allow) in [
        ("GET", "/v1/users/me", "DELETE, OPTIONS"),
        ("DELETE", URL, "GET, HEAD, OPTIONS"),
        ("POST", URL, "GET, HEAD, OPTIONS"),
    ] {
        let response = world.edge(&Request::new(method, path).token(&ana.token)).expect(405);
        assert_eq!(response.one("allow"), allow, "{response}");
    }
}

/// An echo that a region took while nobody could hear of it is buried when it comes, and until then nothing is done.
fn a_partitioned_region_is_waited_for(world: &World) {
    let control = world.control();
    let ana = world.person("erasure-partition");
    let content = json!({ "emotion": "loving" });
    let before = ana.create_from(world, &cities::LONDON, &content);
    control.change(Region::ApSoutheast1, &json!({ "partitioned": true }));
    let inside = ana.create_from(world, &cities::TOKYO, &content);
    world.edge(&erase(&ana).from(&cities::LONDON)).expect(202);
    let at_london = || {
        let response = world.edge(&Request::get(URL).token(&ana.token).from(&cities::LONDON)).expect(200);
        response.json()["status"].as_str().unwrap().to_owned()
    };
    let gone_at = |region: Region, echo: &Value, within: Duration| {
        eventually(within, &format!("the echo's end at {region}"), || {
            let response = world.core(region).get(&format!("/v1/echoes/{}", id_of(echo))).send();
            if response.status == 404 { Ok(()) } else { Err(response.to_string()) }
        });
    };
    for region in [Region::UsEast1, Region::UsWest2, Region::EuWest1] {
        gone_at(region, &before, Duration::from_secs(15));
    }
    assert_eq!(at_london(), "running");
    // The region that is cut off has not heard, and says so.
    world.core(Region::ApSoutheast1).get(URL).user(&ana.id).send().expect(404);
    world.core(Region::ApSoutheast1).get(&format!("/v1/echoes/{}", id_of(&inside))).send().expect(200);
    control.change(Region::ApSoutheast1, &json!({ "partitioned": false }));
    for region in Region::ALL {
        gone_at(region, &before, Duration::from_secs(15));
    }
    eventually(Duration::from_secs(15), "two tombstones everywhere", || {
        let stored = world.stored(&ana.id);
        let buried =
            |items: &Vec<Value>| items.len() == 2 && items.iter().all(|item| item.get("deletedAt").is_some());
        if stored.iter().all(|(_, items)| buried(items)) { Ok(()) } else { Err(format!("{stored:#?}")) }
    });
    Region::ALL.into_iter().for_each(|region| gone_at(region, &inside, Duration::from_secs(1)));
    assert_eq!(at_london(), "running", "what an edge may still show is not gone yet");
}
