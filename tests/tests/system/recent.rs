//! `GET /v1/echoes/recent`

use std::time::Duration;

use echoes_tests::people::id_of;
use echoes_tests::shape::{check_read, list_of};
use echoes_tests::waiting::eventually;
use echoes_tests::{Request, World, json};

super::trials!(
    TRIALS: echoes_of_all_emotions_are_there, a_walk_goes_on_where_it_stopped, it_has_a_weak_tag_and_answers_304,
    head_is_get_without_a_body, a_cursor_belongs_to_its_list,
);

const PATH: &str = "/v1/echoes/recent";

fn echoes_of_all_emotions_are_there(world: &World) {
    let ana = world.person("recent");
    let created = ["tired", "loving", "surprised"].map(|emotion| ana.create(world, &json!({ "emotion": emotion })));
    eventually(Duration::from_secs(8), "three emotions in the recent list", || {
        let response = world.get(&format!("{PATH}?limit=100"));
        check_read(&response);
        let (echoes, _) = list_of(&response);
        if created.iter().all(|echo| echoes.contains(echo)) { Ok(()) } else { Err(response.to_string()) }
    });
}

fn a_walk_goes_on_where_it_stopped(world: &World) {
    let ana = world.person("recent");
    let created: Vec<_> = (0..5).map(|_| ana.create(world, &json!({ "emotion": "lonely" }))).collect();
    eventually(Duration::from_secs(8), "the five in the recent list", || {
        let (echoes, _) = list_of(&world.get(&format!("{PATH}?limit=100")));
        if created.iter().all(|echo| echoes.contains(echo)) {
            Ok(())
        } else {
            Err(format!("{} echoes", echoes.len()))
        }
    });
    let first = world.get(&format!("{PATH}?limit=3"));
    let (first, cursor) = list_of(&first);
    let second = world.get(&format!("{PATH}?limit=100&cursor={}", cursor.expect("more than three")));
    let (second, _) = list_of(&second);
    assert!(first[2]["timestamp"].as_str() >= second[0]["timestamp"].as_str(), "{first:?}\n{second:?}");
    // Others create echoes meanwhile, but only before the place where the walk stands: none of ours is missed or repeated.
    let walked: Vec<_> = first.iter().chain(&second).map(id_of).collect();
    let began_after = first[0]["timestamp"].as_str();
    for echo in created.iter().filter(|echo| echo["timestamp"].as_str() < began_after) {
        let times = walked.iter().filter(|id| **id == id_of(echo)).count();
        assert_eq!(times, 1, "{echo} was walked {times} times");
    }
}

fn it_has_a_weak_tag_and_answers_304(world: &World) {
    let tag = world.get(PATH).expect(200).one("etag").to_owned();
    assert!(tag.starts_with("W/\""), "expected a weak tag, found {tag}");
    // Others create echoes meanwhile, so only the cache's own answer is sure to be the same.
    eventually(Duration::from_secs(10), "304 from the recent list", || {
        let tag = world.get(PATH).one("etag").to_owned();
        let response = world.edge(&Request::get(PATH).header("if-none-match", tag));
        if response.status == 304 { Ok(()) } else { Err(response.to_string()) }
    });
}

fn head_is_get_without_a_body(world: &World) {
    let response = world.edge(&Request::new("HEAD", PATH)).expect(200);
    check_read(&response);
    assert_eq!(response.one("content-type"), "application/json", "{response}");
}

fn a_cursor_belongs_to_its_list(world: &World) {
    let ana = world.person("recent");
    ana.create(world, &json!({ "emotion": "lonely" }));
    ana.create(world, &json!({ "emotion": "lonely" }));
    let cursor = eventually(Duration::from_secs(8), "a cursor of the recent list", || {
        let response = world.get(&format!("{PATH}?limit=1"));
        list_of(&response).1.ok_or_else(|| response.to_string())
    });
    world.get(&format!("/v1/emotions/lonely/echoes?cursor={cursor}")).problem("invalid-request", &["cursor"]);
    world.get(&format!("{}?cursor={cursor}", ana.timeline())).problem("invalid-request", &["cursor"]);
}
