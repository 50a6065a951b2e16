//! `DELETE /v1/echoes/{echoId}`

use std::time::Duration;

use echoes_tests::people::id_of;
use echoes_tests::shape::list_of;
use echoes_tests::waiting::eventually;
use echoes_tests::{Region, Request, World, cities, fresh, json};

super::trials!(
    TRIALS: it_is_gone_at_once_from_where_it_was_deleted, it_is_gone_from_every_region, again_is_204,
    an_id_that_nobody_has_is_404, anothers_is_403_and_stays, what_is_no_uuidv7_is_400, it_needs_a_token,
    it_may_be_deleted_from_any_region, the_core_keeps_to_the_same_rules,
);

fn it_is_gone_at_once_from_where_it_was_deleted(world: &World) {
    let ana = world.person("delete");
    let kept = ana.create(world, &json!({ "emotion": "hopeful" }));
    let echo = ana.create(world, &json!({ "emotion": "hopeful" }));
    let path = format!("/v1/echoes/{}", id_of(&echo));
    // So that every cache knows it.
    world.get(&path).expect(200);
    world.get("/v1/emotions/hopeful/echoes").expect(200);
    let response = world.edge(&ana.deleting(id_of(&echo))).expect(204);
    assert!(response.header("content-type").is_none(), "expected no body and no type\n{response}");
    world.get(&path).problem("not-found", &[]);
    let (timeline, _) = list_of(&world.get(&ana.timeline()));
    assert_eq!(timeline, [kept], "expected the other echo alone");
    let feed = world.get("/v1/emotions/hopeful/echoes?limit=100");
    assert!(!list_of(&feed).0.contains(&echo), "expected it to be gone from the feed\n{feed}");
    let recent = world.get("/v1/echoes/recent?limit=100");
    assert!(!list_of(&recent).0.contains(&echo), "expected it to be gone from the recent list\n{recent}");
}

fn it_is_gone_from_every_region(world: &World) {
    let ana = world.person("delete");
    let echo = ana.create(world, &json!({ "emotion": "hopeful" }));
    let path = format!("/v1/echoes/{}", id_of(&echo));
    for (expected, what) in [(200, "the echo everywhere"), (404, "the echo gone everywhere")] {
        if expected == 404 {
            world.edge(&ana.deleting(id_of(&echo))).expect(204);
        }
        for core in world.cores() {
            eventually(Duration::from_secs(5), what, || {
                let response = core.get(&path).send();
                if response.status == expected { Ok(()) } else { Err(response.to_string()) }
            });
        }
    }
    ana.has_nothing(world);
}

fn again_is_204(world: &World) {
    let ana = world.person("delete");
    let echo = ana.create(world, &json!({ "emotion": "calm" }));
    for city in [cities::ASHBURN, cities::ASHBURN, cities::TOKYO] {
        world.edge(&ana.deleting(id_of(&echo)).from(&city)).expect(204);
    }
}

fn an_id_that_nobody_has_is_404(world: &World) {
    let ana = world.person("delete");
    world.edge(&ana.deleting(&fresh::key().to_string())).problem("not-found", &[]);
}

fn anothers_is_403_and_stays(world: &World) {
    let (ana, ben) = (world.person("delete-ana"), world.person("delete-ben"));
    let echo = ana.create(world, &json!({ "emotion": "calm" }));
    world.edge(&ben.deleting(id_of(&echo))).problem("forbidden", &[]);
    assert_eq!(world.get(&format!("/v1/echoes/{}", id_of(&echo))).expect(200).json(), echo);
    assert_eq!(list_of(&world.get(&ana.timeline())).0, [echo]);
}

fn what_is_no_uuidv7_is_400(world: &World) {
    let ana = world.person("delete");
    for id in ["7d444840-9dc0-41d1-b245-5ffdce74fad2", "1", "%00"] {
        world.edge(&ana.deleting(id)).problem("invalid-request", &["echoId"]);
    }
}

fn it_needs_a_token(world: &World) {
    let ana = world.person("delete");
    let echo = ana.create(world, &json!({ "emotion": "calm" }));
    let path = format!("/v1/echoes/{}", id_of(&echo));
    let response = world.edge(&Request::new("DELETE", path.as_str()));
    response.problem("unauthenticated", &[]);
    world.get(&path).expect(200);
}

fn it_may_be_deleted_from_any_region(world: &World) {
    let ana = world.person("delete");
    for city in &cities::ONE_EACH {
        let echo = ana.create_from(world, &cities::LONDON, &json!({ "emotion": "calm" }));
        assert_eq!(echo["origin"], "eu-west-1", "{echo}");
        // A region that has not heard of it yet answers 404, as it must.
        eventually(Duration::from_secs(5), "a delete from another region", || {
            let response = world.edge(&ana.deleting(id_of(&echo)).from(city));
            if response.status == 204 { Ok(()) } else { Err(format!("from {}: {response}", city.name)) }
        });
        world.core(Region::EuWest1).get(&format!("/v1/echoes/{}", id_of(&echo))).send().expect(404);
    }
}

fn the_core_keeps_to_the_same_rules(world: &World) {
    let (ana, ben) = (world.person("delete-ana"), world.person("delete-ben"));
    let echo = ana.create_from(world, &cities::LONDON, &json!({ "emotion": "calm" }));
    let path = format!("/v1/echoes/{}", id_of(&echo));
    let (home, other) = (world.core(Region::EuWest1), world.core(Region::UsWest2));
    let response = home.call("DELETE", path.as_str()).send();
    assert!([400, 401].contains(&response.status), "a delete on nobody's behalf\n{response}");
    home.call("DELETE", path.as_str()).user(&ben.id).send().problem("forbidden", &[]);
    eventually(Duration::from_secs(5), "the echo at the other core", || {
        let response = other.get(&path).send();
        if response.status == 200 { Ok(()) } else { Err(response.to_string()) }
    });
    let response = other.call("DELETE", path.as_str()).user(&ana.id).send().expect(421);
    assert_eq!(response.one("x-echoes-home"), "eu-west-1", "{response}");
    home.get(&path).send().expect(200);
    other.call("DELETE", path.as_str()).user(&ana.id).signed_header("x-echoes-fallback", "1").send().expect(204);
    eventually(Duration::from_secs(5), "the fallback's delete at home", || {
        let response = home.get(&path).send();
        if response.status == 404 { Ok(()) } else { Err(response.to_string()) }
    });
}
