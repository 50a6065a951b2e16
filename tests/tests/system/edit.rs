//! `PATCH /v1/echoes/{echoId}`

use std::time::Duration;

use echoes_tests::people::{id_of, statuses};
use echoes_tests::shape::{check_echo, list_of};
use echoes_tests::waiting::{at_once, eventually, throughout};
use echoes_tests::{Person, Region, Request, Response, Value, World, cities, fresh, json};

super::trials!(
    TRIALS: it_sets_removes_and_keeps, its_tag_is_the_new_version, the_version_must_be_named, another_version_is_412,
    what_is_wrong_with_a_body_is_named, only_the_owner_edits, what_is_gone_is_404, the_same_edit_again_is_the_same,
    twenty_at_once_are_one, of_two_editors_one_wins, nothing_old_is_shown_to_the_writer,
    a_refused_editor_is_shown_the_version_of_now, it_may_be_edited_from_any_region,
    the_core_keeps_to_the_same_rules, a_captured_edit_serves_for_nothing_else,
);

/// Nobody else creates echoes of this.
const QUIET: &str = "nostalgic";

fn path_of(echo: &Value) -> String {
    format!("/v1/echoes/{}", id_of(echo))
}

fn full(world: &World, person: &Person) -> Value {
    let content = json!({
        "emotion": "calm", "tags": ["rain"], "transcript": "before", "detectedMood": "joyful",
        "metadata": { "device": "phone" }, "location": { "lat": 51.5, "lng": -0.12 },
        "s3Url": world.s3_url(&person.id, "x.opus"), "daysToLive": 9,
    });
    person.create(world, &content)
}

#[track_caller]
fn edited(response: &Response, version: u64) -> Value {
    assert!(response.status == 200, "expected the echo\n{response}");
    let echo = response.json();
    check_echo(&echo);
    assert_eq!(echo["version"], version, "{response}");
    assert_eq!(response.one("etag"), format!("\"{version}\""), "{response}");
    assert_eq!(response.one("cache-control"), "no-store", "{response}");
    echo
}

fn it_sets_removes_and_keeps(world: &World) {
    let ana = world.person("edit");
    let before = full(world, &ana);
    let change = json!({ "tags": ["snow", "é"], "transcript": null, "location": { "lat": -1.5, "lng": 2 } });
    let after = edited(&world.edge(&ana.editing(id_of(&before), 1, &change)), 2);
    let mut expected = before.clone();
    let fields = expected.as_object_mut().unwrap();
    fields.remove("transcript");
    for name in ["tags", "location"] {
        fields.insert(name.to_owned(), after[name].clone());
    }
    assert_eq!(after["tags"], change["tags"]);
    assert_eq!((after["location"]["lat"].as_f64(), after["location"]["lng"].as_f64()), (Some(-1.5), Some(2.0)));
    fields.insert("version".to_owned(), json!(2));
    fields.insert("updatedAt".to_owned(), after["updatedAt"].clone());
    assert_eq!(after, expected);
    assert!(after["updatedAt"].as_str() > before["updatedAt"].as_str(), "{after}");
    let nothing =
        json!({ "tags": null, "detectedMood": null, "metadata": null, "location": null, "transcript": null });
    let bare = edited(&world.edge(&ana.editing(id_of(&before), 2, &nothing)), 3);
    for name in nothing.as_object().unwrap().keys() {
        assert!(bare.get(name).is_none(), "expected no {name} in {bare}");
    }
    assert_eq!((&bare["s3Url"], &bare["ttl"]), (&before["s3Url"], &before["ttl"]));
    assert_eq!(list_of(&world.get(&ana.timeline())).0, [bare]);
}

fn its_tag_is_the_new_version(world: &World) {
    let ana = world.person("edit");
    let echo = full(world, &ana);
    let path = path_of(&echo);
    world.get(&path).expect(200).expect_header("etag", "\"1\"");
    let after = edited(&world.edge(&ana.editing(id_of(&echo), 1, &json!({ "tags": null }))), 2);
    let has = |tag: &str| world.edge(&Request::get(path.as_str()).header("if-none-match", tag));
    assert_eq!(has("\"1\"").expect(200).json(), after);
    has("\"2\"").expect(304).expect_header("etag", "\"2\"");
    // What a tag that was weakened on its way says.
    let weak = ana.editing(id_of(&echo), 2, &json!({ "tags": [] })).edited("if-match", |tag| format!("W/{tag}"));
    edited(&world.edge(&weak), 3);
}

fn the_version_must_be_named(world: &World) {
    let ana = world.person("edit");
    let echo = full(world, &ana);
    let edit = ana.editing(id_of(&echo), 1, &json!({ "tags": null }));
    world.edge(&edit.clone().without("if-match")).problem("precondition-required", &[]);
    for nonsense in ["*", "1", "\"1", "\"1\", \"2\"", "W/1", "'1'"] {
        let response = world.edge(&edit.clone().edited("if-match", |_| nonsense.to_owned()));
        response.problem("invalid-request", &["If-Match"]);
    }
    world.edge(&edit.clone().header("if-match", "\"2\"")).problem("invalid-request", &["If-Match"]);
    assert_eq!(world.get(&path_of(&echo)).expect(200).json(), echo);
}

fn another_version_is_412(world: &World) {
    let ana = world.person("edit");
    let echo = full(world, &ana);
    let edit = ana.editing(id_of(&echo), 1, &json!({ "tags": null }));
    for other in ["\"0\"", "\"2\"", "\"01\"", "\"abc\"", "\"\"", "\"18446744073709551616\"", "W/\"7\""] {
        let response = world.edge(&edit.clone().edited("if-match", |_| other.to_owned()));
        response.problem("precondition-failed", &[]);
    }
    assert_eq!(world.get(&path_of(&echo)).expect(200).json(), echo);
}

fn what_is_wrong_with_a_body_is_named(world: &World) {
    let ana = world.person("edit");
    let echo = full(world, &ana);
    let edit = |body: &str| {
        let request = ana.editing(id_of(&echo), 1, &json!({})).body(body);
        world.edge(&request)
    };
    for (body, fields) in [
        ("{}", &["body"][..]),
        ("", &["body"]),
        ("null", &["body"]),
        ("[{}]", &["body"]),
        (r#"{"emotion":"sad"}"#, &["emotion"]),
        (r#"{"tags":[],"s3Url":null}"#, &["s3Url"]),
        (r#"{"tags":[],"daysToLive":3}"#, &["daysToLive"]),
        (r#"{"tags":[],"ttl":null}"#, &["ttl"]),
        (r#"{"tags":[],"origin":"us-east-1"}"#, &["origin"]),
        (r#"{"tags":[],"Tags":[]}"#, &["Tags"]),
        (r#"{"tags":["a",""]}"#, &["tags[1]"]),
        (r#"{"location":{"lat":91,"lng":0}}"#, &["location.lat"]),
        (r#"{"detectedMood":""}"#, &["detectedMood"]),
        (r#"{"metadata":{"a":1},"tags":5,"x":1}"#, &["tags", "metadata.a", "x"]),
    ] {
        edit(body).problem("invalid-request", fields);
    }
    edit(&format!(r#"{{"transcript":"{}"}}"#, "x".repeat(65 * 1_024))).problem("too-large", &["body"]);
    let plain = ana.editing(id_of(&echo), 1, &json!({ "tags": [] })).edited("content-type", |_| "text/plain".into());
    world.edge(&plain).problem("unsupported-media-type", &["Content-Type"]);
    assert_eq!(world.get(&path_of(&echo)).expect(200).json(), echo);
}

fn only_the_owner_edits(world: &World) {
    let (ana, ben) = (world.person("edit-ana"), world.person("edit-ben"));
    let echo = full(world, &ana);
    let change = json!({ "tags": ["ben was here"] });
    world.edge(&ben.editing(id_of(&echo), 1, &change)).problem("forbidden", &[]);
    let nobodys = ana.editing(id_of(&echo), 1, &change).without("authorization");
    world.edge(&nobodys).problem("unauthenticated", &[]);
    assert_eq!(world.get(&path_of(&echo)).expect(200).json(), echo);
}

fn what_is_gone_is_404(world: &World) {
    let ana = world.person("edit");
    let change = json!({ "tags": [] });
    world.edge(&ana.editing(&fresh::key().to_string(), 1, &change)).problem("not-found", &[]);
    world.edge(&ana.editing("1", 1, &change)).problem("invalid-request", &["echoId"]);
    let echo = full(world, &ana);
    world.edge(&ana.deleting(id_of(&echo))).expect(204);
    for version in [1, 2] {
        world.edge(&ana.editing(id_of(&echo), version, &change)).problem("not-found", &[]);
    }
    ana.has_nothing(world);
}

fn the_same_edit_again_is_the_same(world: &World) {
    let ana = world.person("edit");
    let echo = full(world, &ana);
    let edit = ana.editing(id_of(&echo), 1, &json!({ "transcript": "once", "tags": null }));
    let first = edited(&world.edge(&edit), 2);
    for _ in 0..2 {
        assert_eq!(edited(&world.edge(&edit), 2), first);
    }
    let other = ana.editing(id_of(&echo), 1, &json!({ "transcript": "twice" }));
    world.edge(&other).problem("precondition-failed", &[]);
    edited(&world.edge(&ana.editing(id_of(&echo), 2, &json!({ "transcript": "twice" }))), 3);
    world.edge(&edit).problem("precondition-failed", &[]);
}

fn twenty_at_once_are_one(world: &World) {
    let ana = world.person("edit");
    let echo = full(world, &ana);
    let edit = ana.editing(id_of(&echo), 1, &json!({ "transcript": "once" }));
    let responses = at_once(20, |_| world.edge(&edit));
    let first = edited(&responses[0], 2);
    for response in &responses {
        assert_eq!(edited(response, 2), first);
    }
}

fn of_two_editors_one_wins(world: &World) {
    let ana = world.person("edit");
    let echo = full(world, &ana);
    let responses = at_once(2, |nth| {
        let change = json!({ "transcript": format!("editor {nth}") });
        world.edge(&ana.editing(id_of(&echo), 1, &change))
    });
    let mut found = statuses(&responses);
    found.sort_unstable();
    assert_eq!(found, [200, 412], "{responses:#?}");
    let won = responses.iter().find(|response| response.status == 200).unwrap();
    assert_eq!(world.get(&path_of(&echo)).expect(200).json(), edited(won, 2));
}

/// The echo of this id in a list.
fn in_list(response: &Response, id: &str) -> Option<Value> {
    list_of(response).0.into_iter().find(|echo| id_of(echo) == id)
}

fn nothing_old_is_shown_to_the_writer(world: &World) {
    let ana = world.person("edit");
    let echo = ana.create(world, &json!({ "emotion": QUIET, "transcript": "before" }));
    let feed = format!("/v1/emotions/{QUIET}/echoes?limit=100");
    for version in 1..4 {
        // So that every cache knows it as it is.
        for path in [path_of(&echo), feed.clone(), "/v1/echoes/recent?limit=100".to_owned()] {
            world.get(&path).expect(200);
        }
        let change = json!({ "transcript": format!("edit {version}") });
        let after = edited(&world.edge(&ana.editing(id_of(&echo), version, &change)), version + 1);
        assert_eq!(world.get(&path_of(&echo)).expect(200).json(), after);
        for list in [feed.as_str(), "/v1/echoes/recent?limit=100"] {
            let response = world.get(list);
            if let Some(shown) = in_list(&response, id_of(&echo)) {
                assert_eq!(shown, after, "{response}");
            }
        }
        assert_eq!(list_of(&world.get(&ana.timeline())).0, std::slice::from_ref(&after));
        // Drawn by the core that took the edit, from its memory.
        for _ in 0..5 {
            let drawn = world.get(&format!("/v1/emotions/{QUIET}/random")).expect(200);
            if id_of(&drawn.json()) == id_of(&echo) {
                assert_eq!(drawn.json(), after, "{drawn}");
            }
        }
    }
}

/// Whoever read an old copy from the edge and is refused for it reads the present one next: else they would be refused again.
fn a_refused_editor_is_shown_the_version_of_now(world: &World) {
    let ana = world.person("edit");
    let echo = full(world, &ana);
    world.get(&path_of(&echo)).expect(200).expect_header("etag", "\"1\"");
    // An edit of which this edge knows nothing.
    let home = world.core(echo["origin"].as_str().unwrap().parse().unwrap());
    let call = home.call("PATCH", path_of(&echo)).user(&ana.id).signed_header("if-match", "\"1\"");
    call.json(&json!({ "transcript": "elsewhere" })).send().expect(200);
    let edit = ana.editing(id_of(&echo), 1, &json!({ "transcript": "here" }));
    world.edge(&edit).problem("precondition-failed", &[]);
    let now = world.get(&path_of(&echo)).expect(200).expect_header("etag", "\"2\"").json();
    assert_eq!(now["transcript"], "elsewhere");
    edited(&world.edge(&edit.edited("if-match", |_| "\"2\"".to_owned())), 3);
}

fn it_may_be_edited_from_any_region(world: &World) {
    let ana = world.person("edit");
    for city in &cities::ONE_EACH {
        let echo = ana.create_from(world, &cities::LONDON, &json!({ "emotion": "calm", "transcript": "before" }));
        let path = path_of(&echo);
        // A region that has not heard of it yet answers 404, as it must.
        let response = eventually(Duration::from_secs(5), "an edit from another region", || {
            let edit = ana.editing(id_of(&echo), 1, &json!({ "transcript": city.name }));
            let response = world.edge(&edit.from(city));
            if response.status == 404 { Err(response.to_string()) } else { Ok(response) }
        });
        let after = edited(&response, 2);
        assert_eq!(
            (response.one("echoes-region"), &after["origin"]),
            ("eu-west-1", &json!("eu-west-1")),
            "{response}"
        );
        assert_eq!(world.core(Region::EuWest1).get(&path).send().expect(200).json(), after);
        // The writer's own region may hear of it later than the writer reads.
        throughout(Duration::from_millis(1_500), "never what it was", || {
            let response = world.edge(&Request::get(path.as_str()).from(city)).expect(200);
            if response.json() == after { Ok(()) } else { Err(response.to_string()) }
        });
        for core in world.cores() {
            eventually(Duration::from_secs(5), "the edit everywhere", || {
                let response = core.get(&path).send();
                if response.status == 200 && response.json() == after { Ok(()) } else { Err(response.to_string()) }
            });
        }
    }
}

fn the_core_keeps_to_the_same_rules(world: &World) {
    let (ana, ben) = (world.person("edit-ana"), world.person("edit-ben"));
    let echo = ana.create_from(world, &cities::LONDON, &json!({ "emotion": "calm" }));
    let path = path_of(&echo);
    let (home, other) = (world.core(Region::EuWest1), world.core(Region::UsWest2));
    let change = json!({ "transcript": "at the core" });
    let edit = |core: &echoes_tests::cores::Core, user: &str| {
        core.call("PATCH", path.as_str()).user(user).signed_header("if-match", "\"1\"").json(&change)
    };
    let nobodys = home.call("PATCH", path.as_str()).signed_header("if-match", "\"1\"").json(&change).send();
    assert!([400, 401].contains(&nobodys.status), "an edit on nobody's behalf\n{nobodys}");
    edit(&home, &ben.id).send().problem("forbidden", &[]);
    let unconditional = home.call("PATCH", path.as_str()).user(&ana.id);
    unconditional.json(&change).send().problem("precondition-required", &[]);
    let empty = home.call("PATCH", path.as_str()).user(&ana.id).signed_header("if-match", "\"1\"");
    empty.json(&json!({})).send().problem("invalid-request", &["body"]);
    super::replication::await_at(world, Region::UsWest2, &echo, Duration::from_secs(5));
    let response = edit(&other, &ana.id).send().expect(421);
    assert_eq!(response.one("x-echoes-home"), "eu-west-1", "{response}");
    assert_eq!(home.get(&path).send().expect(200).json(), echo);
    let stood_in = edit(&other, &ana.id).signed_header("x-echoes-fallback", "1").send().expect(200).json();
    assert_eq!((&stood_in["version"], &stood_in["origin"]), (&json!(2), &json!("eu-west-1")), "{stood_in}");
    eventually(Duration::from_secs(5), "the fallback's edit at home", || {
        let response = home.get(&path).send();
        if response.json() == stood_in { Ok(()) } else { Err(response.to_string()) }
    });
}

fn a_captured_edit_serves_for_nothing_else(world: &World) {
    let ana = world.person("edit");
    let echo = ana.create_from(world, &cities::ASHBURN, &json!({ "emotion": "calm" }));
    let core = world.core(Region::UsEast1);
    let signed = |version: &str| {
        let call = core.call("PATCH", path_of(&echo)).user(&ana.id).signed_header("if-match", version);
        call.json(&json!({ "tags": ["captured"] })).signed()
    };
    let first = signed("\"1\"");
    let other_version = first.clone().edited("if-match", |_| "\"2\"".to_owned());
    other_version.send(&core.base).problem("unauthenticated", &[]);
    first
        .clone()
        .body(r#"{"tags":["forged"]}"#)
        .without("content-length")
        .send(&core.base)
        .problem("unauthenticated", &[]);
    first.send(&core.base).expect(200);
}
