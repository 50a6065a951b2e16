//! `GET /v1/timelines?users=a,b`

use std::collections::BTreeSet;
use std::time::Duration;

use echoes_tests::people::id_of;
use echoes_tests::shape::{check_echo, check_read, list_of};
use echoes_tests::waiting::eventually;
use echoes_tests::{Person, Region, Request, Response, Value, World, cities, fresh, json};

use super::failover::{in_time, with_fault};
use super::replication::same_everywhere;

super::trials!(
    TRIALS: each_has_the_newest_in_the_order_asked, a_person_without_echoes_has_an_empty_list,
    a_cursor_goes_on_at_the_persons_timeline, fifty_people_at_once, fifty_people_with_the_longest_names,
    a_bad_query_names_the_parameter, an_unknown_parameter_is_ignored, it_has_a_weak_tag_and_answers_304,
    head_is_get_without_a_body, what_was_deleted_is_gone_at_once, other_methods_are_405,
);
super::trials!(FAULTS: the_nearest_database_is_stopped, no_database_answers);

/// The timelines in an answer, checked; nobody must have failed.
#[track_caller]
fn timelines_of(response: &Response) -> Vec<Value> {
    assert!(response.status == 200, "expected timelines\n{response}");
    check_read(response);
    let body = response.json();
    let fields: BTreeSet<_> =
        body.as_object().into_iter().flat_map(|fields| fields.keys().map(String::as_str)).collect();
    assert!(fields.iter().eq(&["failed", "timelines"]), "{response}");
    assert_eq!(body["failed"], json!([]), "{response}");
    let timelines = body["timelines"].as_array().cloned().unwrap_or_default();
    for timeline in &timelines {
        let known = ["userId", "echoes", "nextCursor"];
        let mut fields = timeline.as_object().into_iter().flat_map(|fields| fields.keys());
        assert!(fields.all(|name| known.contains(&name.as_str())), "unexpected fields in {timeline}");
        let echoes = timeline["echoes"].as_array().unwrap_or_else(|| panic!("no echoes in {timeline}"));
        echoes.iter().for_each(check_echo);
        assert!(echoes.iter().all(|echo| echo["userId"] == timeline["userId"]), "{timeline}");
    }
    timelines
}

fn path(people: &[&str]) -> String {
    format!("/v1/timelines?users={}", people.join(","))
}

fn people_of(timelines: &[Value]) -> Vec<&str> {
    timelines.iter().filter_map(|timeline| timeline["userId"].as_str()).collect()
}

/// A person with so many echoes, the newest first.
fn with_echoes(world: &World, prefix: &str, count: usize) -> (Person, Vec<Value>) {
    let person = world.person(prefix);
    let mut echoes: Vec<_> = (0..count).map(|_| person.create(world, &json!({ "emotion": "calm" }))).collect();
    echoes.sort_by_key(|echo| std::cmp::Reverse((echo["timestamp"].to_string(), echo["echoId"].to_string())));
    (person, echoes)
}

fn each_has_the_newest_in_the_order_asked(world: &World) {
    let ((ana, anas), (ben, bens)) = (with_echoes(world, "several-ana", 3), with_echoes(world, "several-ben", 1));
    for people in [[&ana, &ben], [&ben, &ana]] {
        let response = world.get(&path(&[&people[0].id, &people[1].id]));
        let timelines = timelines_of(&response);
        assert_eq!(people_of(&timelines), people.map(|person| person.id.as_str()), "{response}");
        for timeline in &timelines {
            let expected = if timeline["userId"] == ana.id.as_str() { &anas } else { &bens };
            assert_eq!(timeline["echoes"].as_array(), Some(expected), "{response}");
            assert!(timeline.get("nextCursor").is_none(), "{response}");
        }
    }
    let response = world.get(&format!("{}&limit=2", path(&[&ana.id, &ben.id])));
    let timelines = timelines_of(&response);
    assert_eq!(timelines[0]["echoes"].as_array().map(Vec::as_slice), Some(&anas[..2]), "{response}");
    assert!(timelines[0]["nextCursor"].is_string() && timelines[1].get("nextCursor").is_none(), "{response}");
}

fn a_person_without_echoes_has_an_empty_list(world: &World) {
    let (ana, anas) = with_echoes(world, "several", 1);
    let nobody = fresh::name("nobody");
    let response = world.get(&path(&[&nobody, &ana.id]));
    let expected = json!([{ "userId": nobody, "echoes": [] }, { "userId": ana.id, "echoes": anas }]);
    assert_eq!(json!(timelines_of(&response)), expected, "{response}");
}

fn a_cursor_goes_on_at_the_persons_timeline(world: &World) {
    let ((ana, anas), (ben, _)) = (with_echoes(world, "several-ana", 5), with_echoes(world, "several-ben", 3));
    let timelines = timelines_of(&world.get(&format!("{}&limit=2", path(&[&ben.id, &ana.id]))));
    let cursor = timelines[1]["nextCursor"].as_str().expect("a second page");
    let (rest, end) = list_of(&world.get(&format!("{}?cursor={cursor}", ana.timeline())));
    assert_eq!((rest.as_slice(), end), (&anas[2..], None));
    world.get(&format!("{}?cursor={cursor}", ben.timeline())).problem("invalid-request", &["cursor"]);
    let alone = world.get(&format!("{}?limit=2", ana.timeline()));
    assert_eq!(list_of(&alone).1.as_deref(), Some(cursor), "{alone}");
}

/// Fifty are many for a busy machine: those who are late are named, and asked for again.
fn until_all_are_read(world: &World, path: &str) -> Vec<Value> {
    eventually(Duration::from_secs(10), "all of them", || {
        let response = world.get(path).expect(200);
        if response.json()["failed"] == json!([]) { Ok(timelines_of(&response)) } else { Err(response.to_string()) }
    })
}

fn fifty_people_at_once(world: &World) {
    let known: Vec<_> = (0..4).map(|nth| with_echoes(world, "fifty", nth + 1)).collect();
    let strangers: Vec<_> = (0..46).map(|_| fresh::name("nobody")).collect();
    let mut people: Vec<&str> = strangers.iter().map(String::as_str).collect();
    for (nth, (person, _)) in known.iter().enumerate() {
        people.insert(nth * 13, &person.id);
    }
    let timelines = until_all_are_read(world, &path(&people));
    assert_eq!(people_of(&timelines), people);
    for (person, echoes) in &known {
        let timeline = timelines.iter().find(|timeline| timeline["userId"] == person.id.as_str());
        assert_eq!(timeline.and_then(|timeline| timeline["echoes"].as_array()), Some(echoes));
    }
}

fn fifty_people_with_the_longest_names(world: &World) {
    let names: Vec<_> = (0..50).map(|nth| format!("{nth:|>128}")).collect();
    let people: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(people_of(&until_all_are_read(world, &path(&people).replace('|', "%7C"))), people);
}

fn a_bad_query_names_the_parameter(world: &World) {
    let many: Vec<_> = (0..51).map(|nth| format!("p{nth}")).collect();
    for (query, fields) in [
        ("", &["users"][..]),
        ("?users=", &["users"]),
        ("?users=ana,", &["users"]),
        ("?users=ana,me", &["users"]),
        ("?users=ana,ben,ana", &["users"]),
        ("?users=ana%23202611", &["users"]),
        ("?users=ana&users=ben", &["users"]),
        ("?users=ana&limit=0", &["limit"]),
        ("?users=ana&limit=101", &["limit"]),
        ("?users=ana&limit=5&limit=5", &["limit"]),
        ("?limit=x", &["users", "limit"]),
        (&format!("?users={}", many.join(",")), &["users"]),
    ] {
        world.get(&format!("/v1/timelines{query}")).problem("invalid-request", fields);
    }
    world.get(&format!("/v1/timelines?users={}", "x".repeat(24 * 1_024))).problem("too-large", &["path"]);
}

fn an_unknown_parameter_is_ignored(world: &World) {
    let response = world.get("/v1/timelines?x=1&users=nobody-a%2Cnobody-b&cursor=y&emotion=z&x=2");
    assert_eq!(people_of(&timelines_of(&response)), ["nobody-a", "nobody-b"], "{response}");
}

fn it_has_a_weak_tag_and_answers_304(world: &World) {
    let (ana, _) = with_echoes(world, "several", 2);
    super::caching::weak_tag_and_304(world, &path(&[&ana.id, "nobody"]));
}

fn head_is_get_without_a_body(world: &World) {
    let path = path(&["nobody-a", "nobody-b"]);
    let response = world.edge(&Request::new("HEAD", path.as_str())).expect(200);
    check_read(&response);
    assert_eq!(response.one("etag"), world.get(&path).one("etag"), "{response}");
}

fn what_was_deleted_is_gone_at_once(world: &World) {
    let (ana, anas) = with_echoes(world, "several", 3);
    let path = path(&[&ana.id]);
    assert_eq!(timelines_of(&world.get(&path))[0]["echoes"].as_array(), Some(&anas));
    world.edge(&ana.deleting(id_of(&anas[1]))).expect(204);
    // In a region too that has not heard of it.
    for city in &cities::ONE_EACH {
        let response = world.edge(&Request::get(path.as_str()).from(city));
        let timelines = timelines_of(&response);
        let echoes = timelines[0]["echoes"].as_array().expect("echoes");
        assert!(!echoes.contains(&anas[1]), "{response}");
    }
}

fn other_methods_are_405(world: &World) {
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let response = world.edge(&Request::new(method, "/v1/timelines?users=ana"));
        assert_eq!((response.status, response.one("allow")), (405, "GET, HEAD, OPTIONS"), "{response}");
    }
}

fn the_nearest_database_is_stopped(world: &World) {
    let (ana, anas) = with_echoes(world, "several", 2);
    let path = path(&[&ana.id, "nobody"]);
    // Nobody has read them anywhere: no cache can stand in for the database.
    same_everywhere(world, &ana.id, anas.len(), Duration::from_secs(5));
    with_fault(world, Region::ApSoutheast1, &json!({ "dynamodb": "stopped" }), || {
        let response = world.edge(&Request::get(path.as_str()).from(&cities::TOKYO));
        in_time(&response);
        assert_eq!(timelines_of(&response)[0]["echoes"].as_array(), Some(&anas), "{response}");
        assert_ne!(response.one("echoes-region"), "ap-southeast-1", "{response}");
        world.core(Region::ApSoutheast1).get(&path).send().problem("unavailable", &[]);
    });
}

fn no_database_answers(world: &World) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for region in Region::ALL {
            world.control().change(region, &json!({ "dynamodb": "throttled" }));
        }
        // People whom nobody has asked for: what a cache has is shown all the same.
        let strangers = [fresh::name("stranger"), fresh::name("stranger")];
        let response = world.get(&path(&strangers.each_ref().map(String::as_str)));
        response.problem("unavailable", &[]);
        in_time(&response);
    }));
    super::failover::mend(world);
    if let Err(payload) = outcome {
        std::panic::resume_unwind(payload);
    }
}
