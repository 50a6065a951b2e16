//! `GET /v1/users/{userId}/echoes`

use echoes_tests::people::id_of;
use echoes_tests::shape::{check_read, list_of};
use echoes_tests::{Request, Value, World, json};

super::trials!(
    TRIALS: a_person_without_echoes_has_an_empty_list, the_newest_come_first_and_are_the_persons_own,
    one_emotion_alone, a_walk_shows_every_echo_once, it_has_a_weak_tag_and_answers_304, head_is_get_without_a_body,
    a_cursor_belongs_to_its_list, any_userid_may_be_asked_for, a_bad_query_names_the_parameter,
    a_walk_survives_the_delete_of_where_it_stands,
);

fn a_person_without_echoes_has_an_empty_list(world: &World) {
    let response = world.get("/v1/users/nobody-has-this-name/echoes").expect(200);
    check_read(&response);
    assert_eq!(response.json(), json!({ "echoes": [] }), "{response}");
}

fn the_newest_come_first_and_are_the_persons_own(world: &World) {
    let (ana, ben) = (world.person("timeline-ana"), world.person("timeline-ben"));
    let mut expected: Vec<Value> = Vec::new();
    for emotion in ["happy", "sad", "angry"] {
        expected.insert(0, ana.create(world, &json!({ "emotion": emotion })));
        ben.create(world, &json!({ "emotion": emotion }));
    }
    let response = world.get(&ana.timeline());
    check_read(&response);
    assert_eq!(list_of(&response), (expected, None), "{response}");
}

fn one_emotion_alone(world: &World) {
    let ana = world.person("timeline");
    let create = |emotion: &str| ana.create(world, &json!({ "emotion": emotion }));
    let (first, _, second) = (create("sad"), create("angry"), create("sad"));
    let response = world.get(&format!("{}?emotion=sad", ana.timeline()));
    assert_eq!(list_of(&response), (vec![second.clone(), first], None), "{response}");
    let response = world.get(&format!("{}?emotion=sad&limit=1", ana.timeline()));
    let (echoes, cursor) = list_of(&response);
    assert_eq!(echoes, [second], "{response}");
    let cursor = cursor.expect("a second page");
    let rest = world.get(&format!("{}?emotion=sad&limit=1&cursor={cursor}", ana.timeline()));
    assert_eq!((list_of(&rest).0.len(), list_of(&rest).1), (1, None), "{rest}");
    world.get(&format!("{}?emotion=calm", ana.timeline())).expect(200);
    // A cursor of the filtered list is none of the whole one.
    world.get(&format!("{}?cursor={cursor}", ana.timeline())).problem("invalid-request", &["cursor"]);
    world.get(&format!("{}?emotion=angry&cursor={cursor}", ana.timeline())).problem("invalid-request", &["cursor"]);
}

fn a_walk_shows_every_echo_once(world: &World) {
    let ana = world.person("timeline");
    let mut expected: Vec<Value> = (0..12).map(|_| ana.create(world, &json!({ "emotion": "calm" }))).collect();
    expected.sort_by_key(|echo| std::cmp::Reverse((echo["timestamp"].to_string(), echo["echoId"].to_string())));
    for limit in [1, 5, 6, 12] {
        let pages = super::feed::walk(world, &ana.timeline(), limit);
        assert_eq!(pages.len(), 12_usize.div_ceil(limit), "pages of {limit}");
        assert_eq!(pages.concat(), expected, "pages of {limit}");
    }
}

fn it_has_a_weak_tag_and_answers_304(world: &World) {
    let ana = world.person("timeline");
    ana.create(world, &json!({ "emotion": "calm" }));
    super::caching::weak_tag_and_304(world, &ana.timeline());
}

fn head_is_get_without_a_body(world: &World) {
    let ana = world.person("timeline");
    let response = world.edge(&Request::new("HEAD", ana.timeline())).expect(200);
    check_read(&response);
    assert_eq!(response.one("etag"), world.get(&ana.timeline()).one("etag"), "{response}");
}

fn a_cursor_belongs_to_its_list(world: &World) {
    let (ana, ben) = (world.person("timeline-ana"), world.person("timeline-ben"));
    for person in [&ana, &ana, &ben, &ben] {
        person.create(world, &json!({ "emotion": "calm" }));
    }
    let (_, cursor) = list_of(&world.get(&format!("{}?limit=1", ana.timeline())));
    let cursor = cursor.expect("a second page");
    world.get(&format!("{}?cursor={cursor}", ben.timeline())).problem("invalid-request", &["cursor"]);
    world.get(&format!("/v1/emotions/calm/echoes?cursor={cursor}")).problem("invalid-request", &["cursor"]);
}

fn any_userid_may_be_asked_for(world: &World) {
    for (id, segment) in [
        ("auth0|5f7c.A_b:c@d-e", "auth0%7C5f7c.A_b%3Ac%40d-e"),
        (&*"x".repeat(128), &*"x".repeat(128)),
        ("mE", "m%45"),
    ] {
        let person = world.named(id);
        let echo = person.create(world, &json!({ "emotion": "calm" }));
        let response = world.get(&format!("/v1/users/{segment}/echoes"));
        assert!(list_of(&response).0.contains(&echo), "{response}");
    }
    for segment in ["a%23202611", "me", "", "a%2Fb", "a%20b", "%C3%A9", "%FF", "a%00", &"x".repeat(129)] {
        world.get(&format!("/v1/users/{segment}/echoes")).problem("invalid-request", &["userId"]);
    }
}

fn a_bad_query_names_the_parameter(world: &World) {
    let path = world.person("timeline").timeline();
    for (query, field) in [
        ("emotion=joyful", "emotion"),
        ("emotion=", "emotion"),
        ("emotion=sad&emotion=sad", "emotion"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
    ] {
        world.get(&format!("{path}?{query}")).problem("invalid-request", &[field]);
    }
}

fn a_walk_survives_the_delete_of_where_it_stands(world: &World) {
    let ana = world.person("timeline");
    let mut created: Vec<Value> = (0..5).map(|_| ana.create(world, &json!({ "emotion": "calm" }))).collect();
    created.sort_by_key(|echo| std::cmp::Reverse(echo["timestamp"].to_string()));
    let (page, cursor) = list_of(&world.get(&format!("{}?limit=2", ana.timeline())));
    world.edge(&ana.deleting(id_of(&page[1]))).expect(204);
    world.edge(&ana.deleting(id_of(&created[3]))).expect(204);
    let rest = world.get(&format!("{}?limit=2&cursor={}", ana.timeline(), cursor.expect("a second page")));
    let mut rest_ids: Vec<Value> = list_of(&rest).0;
    if let (_, Some(cursor)) = list_of(&rest) {
        rest_ids.extend(list_of(&world.get(&format!("{}?limit=2&cursor={cursor}", ana.timeline()))).0);
    }
    let all: Vec<_> = page.iter().chain(&rest_ids).map(id_of).collect();
    let expected = [0, 1, 2, 4].map(|nth| id_of(&created[nth]));
    let (mut sorted, mut wanted) = (all.clone(), expected.to_vec());
    sorted.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted, "{rest}");
}
