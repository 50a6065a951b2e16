//! `POST /v1/echoes/batch`

mod homes;

use std::time::Duration;

use echoes_tests::batches::{blamed, create, delete, results_of, statuses};
use echoes_tests::people::id_of;
use echoes_tests::shape::list_of;
use echoes_tests::waiting::eventually;
use echoes_tests::{EchoId, Person, Region, Request, Value, World, cities, clock, fresh, json};

super::trials!(
    TRIALS: every_operation_has_its_outcome, operations_on_one_echo_keep_their_order,
    the_same_batch_again_is_the_same_echoes, creates_without_a_key_are_one_each, a_faulty_item_hurts_itself_alone,
    a_faulty_envelope_refuses_the_whole, a_hundred_and_one_are_too_many, a_body_of_a_mebibyte,
    an_echo_of_65_kib_is_its_own_fault, it_needs_a_token_and_json, what_was_done_is_seen_at_once,
    an_edit_is_not_undone,
);
super::trials!(ALONE: a_hundred_mixed);
pub use homes::{FAULTS, HOMES};

fn sent(world: &World, person: &Person, operations: &[Value]) -> Vec<Value> {
    results_of(&world.edge(&person.batch(operations)))
}

/// The ids of what is created under these keys.
fn ids(person: &Person, keys: &[echoes_tests::IdempotencyKey]) -> Vec<String> {
    let user = person.id.parse().expect("a userId");
    keys.iter().map(|&key| EchoId::derive(&user, key).to_string()).collect()
}

fn every_operation_has_its_outcome(world: &World) {
    let (ana, ben) = (world.person("batch-ana"), world.person("batch-ben"));
    let (mine, bens) =
        (ana.create(world, &json!({ "emotion": "calm" })), ben.create(world, &json!({ "emotion": "calm" })));
    let (key, used) = (fresh::key(), fresh::key());
    let first = world.edge(&ana.creating(used, &json!({ "emotion": "sad" }))).expect(201).json();
    let results = sent(
        world,
        &ana,
        &[
            create(key, &json!({ "emotion": "happy", "tags": ["one"], "location": { "lat": 1.5, "lng": -2 } })),
            delete(id_of(&mine)),
            delete(&fresh::key().to_string()),
            delete(id_of(&bens)),
            create(used, &json!({ "emotion": "sad" })),
            create(fresh::key_at(clock::now().minus_days(2)), &json!({ "emotion": "sad" })),
            json!({ "op": "create", "echo": { "emotion": "joyful" } }),
        ],
    );
    assert_eq!(statuses(&results), [201, 204, 404, 403, 200, 400, 400]);
    assert_eq!(id_of(&results[0]["echo"]), ids(&ana, &[key])[0]);
    assert_eq!(results[0]["echo"]["userId"], ana.id.as_str());
    assert_eq!(results[4]["echo"], first);
    assert_eq!(blamed(&results[5]), ["operations[5].key"]);
    assert_eq!(blamed(&results[6]), ["operations[6].echo.emotion"]);
    assert_eq!(world.get(&format!("/v1/echoes/{}", id_of(&bens))).expect(200).json(), bens);
    world.get(&format!("/v1/echoes/{}", id_of(&mine))).problem("not-found", &[]);
    assert_eq!(list_of(&world.get(&ana.timeline())).0.len(), 2);
}

fn operations_on_one_echo_keep_their_order(world: &World) {
    let ana = world.person("batch-order");
    let keys = [fresh::key(), fresh::key()];
    let ids = ids(&ana, &keys);
    let content = json!({ "emotion": "calm" });
    let operations = [
        create(keys[0], &content),
        create(keys[1], &content),
        delete(&ids[0]),
        create(keys[0], &content),
        create(keys[1], &content),
        create(keys[1], &json!({ "emotion": "sad" })),
        delete(&ids[0]),
    ];
    assert_eq!(statuses(&sent(world, &ana, &operations)), [201, 201, 204, 409, 200, 409, 204]);
    let left = list_of(&world.get(&ana.timeline())).0;
    assert_eq!(left.iter().map(id_of).collect::<Vec<_>>(), [ids[1].as_str()]);
    // The delete of what is not there yet comes first, and is told so.
    let late = fresh::key();
    let early = [delete(&self::ids(&ana, &[late])[0]), create(late, &content)];
    assert_eq!(statuses(&sent(world, &ana, &early)), [404, 201]);
}

fn the_same_batch_again_is_the_same_echoes(world: &World) {
    let ana = world.person("batch-again");
    let operations: Vec<_> =
        (0..8).map(|nth| create(fresh::key(), &json!({ "emotion": "calm", "tags": [nth.to_string()] }))).collect();
    let first = sent(world, &ana, &operations);
    assert_eq!(statuses(&first), [201; 8]);
    for _ in 0..2 {
        let again = sent(world, &ana, &operations);
        assert_eq!(statuses(&again), [200; 8]);
        assert!(again.iter().zip(&first).all(|(again, first)| again["echo"] == first["echo"]), "{again:?}");
    }
    // In another region too, as soon as it has heard of them.
    eventually(Duration::from_secs(5), "the same echoes in the east", || {
        let again = results_of(&world.edge(&ana.batch(&operations).from(&cities::TOKYO)));
        assert!(again.iter().zip(&first).all(|(again, first)| id_of(&again["echo"]) == id_of(&first["echo"])));
        if statuses(&again) == [200; 8] { Ok(()) } else { Err(format!("{:?}", statuses(&again))) }
    });
    assert_eq!(list_of(&world.get(&ana.timeline())).0.len(), 8);
}

fn creates_without_a_key_are_one_each(world: &World) {
    let ana = world.person("batch-keyless");
    let operation =
        json!({ "op": "create", "echo": { "emotion": "calm", "metadata": { "key": "k", "op": "delete" } } });
    let results = sent(world, &ana, &[operation.clone(), operation]);
    assert_eq!(statuses(&results), [201, 201]);
    assert_ne!(id_of(&results[0]["echo"]), id_of(&results[1]["echo"]));
    assert_eq!(results[0]["echo"]["metadata"], json!({ "key": "k", "op": "delete" }));
    assert_eq!(list_of(&world.get(&ana.timeline())).0.len(), 2);
}

fn a_faulty_item_hurts_itself_alone(world: &World) {
    let ana = world.person("batch-faulty");
    let id = fresh::key().to_string();
    let good = json!({ "emotion": "calm" });
    let faulty = [
        (json!(1), vec!["operations[0]"]),
        (json!([]), vec!["operations[1]"]),
        (json!({}), vec!["operations[2].op"]),
        (json!({ "op": "update", "echoId": id }), vec!["operations[3].op"]),
        (json!({ "op": "create" }), vec!["operations[4].echo"]),
        (json!({ "op": "create", "key": "1", "echo": good }), vec!["operations[5].key"]),
        (json!({ "op": "create", "echo": good, "echoId": id }), vec!["operations[6].echoId"]),
        (
            json!({ "op": "create", "echo": { "emotion": "calm", "tags": ["a", ""] } }),
            vec!["operations[7].echo.tags[1]"],
        ),
        (
            json!({ "op": "create", "echo": { "emotion": "x", "location": { "lat": 91, "lng": 0 }, "userId": "ben" } }),
            vec!["operations[8].echo.emotion", "operations[8].echo.location.lat", "operations[8].echo.userId"],
        ),
        (
            json!({ "op": "create", "echo": { "emotion": "calm", "s3Url": "s3://other/audio/x/y" } }),
            vec!["operations[9].echo.s3Url"],
        ),
        (json!({ "op": "delete" }), vec!["operations[10].echoId"]),
        (json!({ "op": "delete", "echoId": "1" }), vec!["operations[11].echoId"]),
        (json!({ "op": "delete", "echoId": id, "key": id }), vec!["operations[12].key"]),
    ];
    let mut operations: Vec<_> = faulty.iter().map(|(operation, _)| operation.clone()).collect();
    operations.push(create(fresh::key(), &good));
    let results = sent(world, &ana, &operations);
    for (result, (operation, fields)) in results.iter().zip(&faulty) {
        assert_eq!((&result["status"], blamed(result)), (&json!(400), fields.clone()), "{operation}");
    }
    assert_eq!(statuses(&results[faulty.len()..]), [201]);
    assert_eq!(list_of(&world.get(&ana.timeline())).0.len(), 1);
}

fn a_faulty_envelope_refuses_the_whole(world: &World) {
    let ana = world.person("batch-envelope");
    let good = create(fresh::key(), &json!({ "emotion": "calm" }));
    let post = |text: &str| world.edge(&ana.batch(&[]).body(text));
    for text in ["", "{", "[]", "null", "{\"operations\":[1]}x", &"[".repeat(10_000)] {
        post(text).problem("invalid-request", &["body"]);
    }
    for text in ["{}", r#"{"operations":null}"#, r#"{"operations":{}}"#, r#"{"operations":[]}"#] {
        post(text).problem("invalid-request", &["operations"]);
    }
    post(&json!({ "operations": [good], "atomic": true }).to_string()).problem("invalid-request", &["atomic"]);
    ana.has_nothing(world);
}

fn a_hundred_and_one_are_too_many(world: &World) {
    let ana = world.person("batch-many");
    let operations: Vec<_> = (0..101).map(|_| create(fresh::key(), &json!({ "emotion": "calm" }))).collect();
    world.edge(&ana.batch(&operations)).problem("invalid-request", &["operations"]);
    ana.has_nothing(world);
}

/// Creates without keys, of so many bytes in all. The edge adds the keys, and that is not the caller's fault.
fn padded(total_bytes: usize) -> String {
    const COUNT: usize = 20;
    let text = |spaces: usize| format!(r#"{{"op":"create",{}"echo":{{"emotion":"calm"}}}}"#, " ".repeat(spaces));
    let around = r#"{"operations":[]}"#.len() + COUNT - 1;
    let spaces = (total_bytes - around) / COUNT - text(0).len();
    let mut operations = vec![text(spaces); COUNT];
    let rest = total_bytes - around - COUNT * text(spaces).len();
    operations[0] = text(spaces + rest);
    let body = format!(r#"{{"operations":[{}]}}"#, operations.join(","));
    assert_eq!(body.len(), total_bytes);
    body
}

fn a_body_of_a_mebibyte(world: &World) {
    const MEBIBYTE: usize = 1_024 * 1_024;
    let ana = world.person("batch-large");
    for chunked in [false, true] {
        let mut request = ana.batch(&[]).body(padded(MEBIBYTE + 1));
        request.chunked = chunked;
        world.edge(&request).problem("too-large", &["body"]);
    }
    ana.has_nothing(world);
    let results = results_of(&world.edge(&ana.batch(&[]).body(padded(MEBIBYTE))));
    assert_eq!(statuses(&results), [201; 20]);
}

fn an_echo_of_65_kib_is_its_own_fault(world: &World) {
    let ana = world.person("batch-long");
    let long = json!({ "emotion": "calm", "transcript": "x".repeat(65 * 1_024) });
    let results =
        sent(world, &ana, &[create(fresh::key(), &long), create(fresh::key(), &json!({ "emotion": "calm" }))]);
    assert_eq!(statuses(&results), [413, 201]);
    assert_eq!(blamed(&results[0]), ["operations[0].echo"]);
}

fn it_needs_a_token_and_json(world: &World) {
    let ana = world.person("batch");
    let operations = [create(fresh::key(), &json!({ "emotion": "calm" }))];
    world.edge(&ana.batch(&operations).without("authorization")).problem("unauthenticated", &[]);
    let plain = ana.batch(&operations).edited("content-type", |_| "text/plain".to_owned());
    world.edge(&plain).problem("unsupported-media-type", &["Content-Type"]);
    world.edge(&ana.batch(&operations).without("content-type")).problem("unsupported-media-type", &["Content-Type"]);
    for method in ["GET", "PUT", "DELETE"] {
        let response = world.edge(&Request::new(method, "/v1/echoes/batch"));
        assert_eq!((response.status, response.one("allow")), (405, "POST, OPTIONS"), "{response}");
    }
    ana.has_nothing(world);
}

fn what_was_done_is_seen_at_once(world: &World) {
    let ana = world.person("batch-seen");
    let gone = ana.create(world, &json!({ "emotion": "relieved" }));
    let path = format!("/v1/echoes/{}", id_of(&gone));
    // So that every cache knows it.
    world.get(&path).expect(200);
    world.get("/v1/emotions/relieved/echoes?limit=100").expect(200);
    let key = fresh::key();
    let results = sent(world, &ana, &[delete(id_of(&gone)), create(key, &json!({ "emotion": "relieved" }))]);
    assert_eq!(statuses(&results), [204, 201]);
    world.get(&path).problem("not-found", &[]);
    let feed = list_of(&world.get("/v1/emotions/relieved/echoes?limit=100")).0;
    assert!(feed.contains(&results[1]["echo"]) && !feed.contains(&gone), "{feed:?}");
    assert_eq!(list_of(&world.get(&ana.timeline())).0, [results[1]["echo"].clone()]);
}

fn an_edit_is_not_undone(world: &World) {
    let ana = world.person("batch-edit");
    let (key, content) = (fresh::key(), json!({ "emotion": "calm", "tags": ["first"] }));
    let echo = world.edge(&ana.creating(key, &content)).expect(201).json();
    let edit = Request::new("PATCH", format!("/v1/echoes/{}", id_of(&echo))).token(&ana.token);
    let edited =
        world.edge(&edit.header("if-match", "\"1\"").json(&json!({ "tags": ["second"] }))).expect(200).json();
    // The batch that made it, sent again by a client that never heard the answer.
    let results = sent(world, &ana, &[create(key, &content), create(fresh::key(), &content)]);
    assert_eq!(statuses(&results), [200, 201]);
    assert_eq!(results[0]["echo"], edited);
    let now = world.core(Region::UsEast1).get(&format!("/v1/echoes/{}", id_of(&echo))).send().expect(200).json();
    assert_eq!((&now["tags"], &now["version"]), (&json!(["second"]), &json!(2)));
}

fn a_hundred_mixed(world: &World) {
    let ana = world.person("batch-hundred");
    let keys: Vec<_> = (0..60).map(|_| fresh::key()).collect();
    let ids = ids(&ana, &keys);
    let operation = |nth: usize| create(keys[nth], &json!({ "emotion": "calm", "tags": [nth.to_string()] }));
    let first: Vec<_> = (0..60).map(operation).collect();
    assert!(
        ana.batch_until_done(world, &first)
            .iter()
            .all(|result| [200, 201].contains(&statuses(std::slice::from_ref(result))[0]))
    );
    // Deletes of some, repeats of others, faults between them.
    let mut operations: Vec<_> = (0..30).map(|nth| delete(&ids[nth])).collect();
    operations.extend((30..60).map(operation));
    operations.extend((0..20).map(|_| json!({ "op": "delete", "echoId": fresh::key().to_string() })));
    operations.extend((0..20).map(|_| json!({ "op": "create", "echo": {} })));
    let results = ana.batch_until_done(world, &operations);
    let expected: Vec<u64> = [(204, 30), (200, 30), (404, 20), (400, 20)]
        .into_iter()
        .flat_map(|(status, count)| vec![status; count])
        .collect();
    assert_eq!(statuses(&results), expected);
    assert!(
        results[30..60].iter().zip(&ids[30..]).all(|(result, id)| id_of(&result["echo"]) == id),
        "each in its place"
    );
    let left = list_of(&world.get(&format!("{}?limit=100", ana.timeline()))).0;
    assert_eq!(left.len(), 30);
}
