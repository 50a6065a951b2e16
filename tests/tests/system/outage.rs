//! No region answers: what was read before is shown as it was, marked stale; everything else says when to come back.

use std::time::Duration;

use echoes_tests::people::id_of;
use echoes_tests::shape::list_of;
use echoes_tests::waiting::{at_once, eventually};
use echoes_tests::{Region, Request, World, cities, fresh, json};

super::trials!(
    FAULTS: with_all_cores_stopped_the_feed_is_stale_and_the_rest_503, with_all_cores_hung_the_answer_comes_in_time,
);

/// Two seconds, and what the network of one machine and the Workers runtime may add.
const IN_TIME: Duration = Duration::from_millis(2_400);
const FEED: &str = "/v1/emotions/playful/echoes";

fn with_all_cores_stopped_the_feed_is_stale_and_the_rest_503(world: &World) {
    let ana = world.person("outage");
    let echo = ana.create(world, &json!({ "emotion": "playful" }));
    let path = format!("/v1/echoes/{}", id_of(&echo));
    let before = world.get(FEED).expect(200);
    assert_eq!(list_of(&before).0.first(), Some(&echo), "{before}");
    world.get(&path).expect(200);

    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let control = world.control();
        at_once(4, |nth| control.change(Region::ALL[nth], &json!({ "core": "stopped" })));
        // Longer than an answer is fresh.
        let stale = eventually(Duration::from_secs(10), "a stale feed", || {
            let response = world.get(FEED).expect(200);
            if response.one("cache-status").contains("detail=stale") {
                Ok(response)
            } else {
                Err(response.to_string())
            }
        });
        assert_eq!(stale.body, before.body, "{stale}");
        assert!(stale.one("cache-status").starts_with("echoes-edge; hit; ttl=-"), "{stale}");
        assert_eq!(world.get(&path).expect(200).json(), echo);
        unavailable_in_time(world, &ana);
        let status = world.get("/v1/status").expect(200);
        assert_eq!(status.json()["regions"].as_array().map(Vec::len), Some(4), "{status}");
    }));
    super::failover::mend(world);
    if let Err(payload) = outcome {
        std::panic::resume_unwind(payload);
    }
    for city in &cities::ONE_EACH {
        eventually(Duration::from_secs(20), "every region to be used again", || {
            let response = world.edge(&Request::get(ana.timeline()).from(city)).expect(200);
            if response.one("echoes-region") == city.region.as_str() { Ok(()) } else { Err(response.to_string()) }
        });
    }
    ana.create(world, &json!({ "emotion": "playful" }));
}

fn unavailable_in_time(world: &World, ana: &echoes_tests::Person) {
    for request in [
        Request::get("/v1/emotions/playful/echoes?limit=7"),
        Request::get(ana.timeline()),
        Request::get("/v1/emotions/playful/random"),
        Request::get(format!("/v1/echoes/{}", fresh::key())),
        ana.creating(fresh::key(), &json!({ "emotion": "playful" })),
        ana.deleting(&fresh::key().to_string()),
    ] {
        for city in [&cities::ASHBURN, &cities::TOKYO] {
            let response = world.edge(&request.clone().from(city));
            // The problem, Retry-After and the request's id, as for every 503.
            response.problem("unavailable", &[]);
            assert!(response.took < IN_TIME, "expected an answer within 2 s\n{response}");
        }
    }
    // What the edge knows by itself it still says.
    world.get("/v1/emotions/joyful/echoes").problem("not-found", &[]);
    world.edge(&Request::new("POST", "/v1/echoes").json(&json!({}))).problem("unauthenticated", &[]);
}

fn with_all_cores_hung_the_answer_comes_in_time(world: &World) {
    let ana = world.person("outage");
    let feed = "/v1/emotions/playful/echoes?limit=9";
    let before = world.get(feed).expect(200);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let control = world.control();
        at_once(4, |nth| control.change(Region::ALL[nth], &json!({ "core": "hung" })));
        for request in [
            Request::get(ana.timeline()),
            ana.creating(fresh::key(), &json!({ "emotion": "playful" })),
            ana.deleting(&fresh::key().to_string()),
        ] {
            let response = world.edge(&request);
            response.problem("unavailable", &[]);
            assert!(response.took < IN_TIME, "expected an answer within 2 s\n{response}");
        }
        let response = world.get(feed).expect(200);
        assert_eq!(response.body, before.body, "{response}");
        assert!(response.took < Duration::from_millis(500), "expected what is kept at once\n{response}");
    }));
    super::failover::mend(world);
    if let Err(payload) = outcome {
        std::panic::resume_unwind(payload);
    }
    // What hung was under way, and may have been stored after all: then it is whole.
    echoes_tests::shape::list_of(&world.get(&ana.timeline()));
}
