//! `GET /v1/emotions/{emotion}/random`

use std::collections::BTreeSet;

use echoes_tests::people::id_of;
use echoes_tests::shape::{check_echo, check_read};
use echoes_tests::{Request, World, json};

super::trials!(
    TRIALS: an_emotion_without_echoes_is_404, every_echo_is_drawn_and_nothing_else, head_is_get_without_a_body,
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
    ana.create(world, &json!({ "emotion": "proud" }));
    let response = world.edge(&Request::new("HEAD", "/v1/emotions/proud/random")).expect(200);
    assert_eq!(response.one("cache-control"), "no-store", "{response}");
    assert_eq!(response.one("content-type"), "application/json", "{response}");
}
