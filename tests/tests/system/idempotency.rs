//! A create under one key makes one echo, however often, wherever and by whomever it is sent.

use std::collections::BTreeSet;
use std::time::Duration;

use echoes_tests::people::{id_of, statuses};
use echoes_tests::shape::list_of;
use echoes_tests::waiting::{at_once, eventually};
use echoes_tests::{EchoId, Person, Region, Response, World, cities, fresh, json};

super::trials!(
    TRIALS: the_same_again_is_200_and_the_same, other_content_is_409, a_deleted_echo_is_not_created_again,
    a_retry_elsewhere_is_the_same_echo,
    anothers_key_is_ones_own, anothers_key_at_a_core_too, the_id_is_the_persons_and_the_keys,
);
super::trials!(ALONE: fifty_at_once_are_one, fifty_at_once_from_everywhere_are_one);

fn the_same_again_is_200_and_the_same(world: &World) {
    let ana = world.person("again");
    let (key, content) =
        (fresh::key(), json!({ "emotion": "happy", "tags": ["a"], "metadata": { "a": "1", "b": "2" } }));
    let first = world.edge(&ana.creating(key, &content)).expect(201).json();
    for _ in 0..2 {
        let response = world.edge(&ana.creating(key, &content)).expect(200);
        assert_eq!(response.json(), first, "{response}");
    }
    // The order of a JSON object's members is no content, nor is white space, nor the case of the key.
    let same = r#" {"metadata":{"b":"2","a":"1"}, "tags":["a"],"emotion":"happy"}"#;
    let again = ana.creating(key, &content).body(same).edited("idempotency-key", str::to_uppercase);
    let response = world.edge(&again).expect(200);
    assert_eq!(response.json(), first, "{response}");
    assert_eq!(list_of(&world.get(&ana.timeline())).0, [first]);
}

fn other_content_is_409(world: &World) {
    let ana = world.person("clash");
    let key = fresh::key();
    let first = world.edge(&ana.creating(key, &json!({ "emotion": "happy", "tags": ["a"] }))).expect(201).json();
    for content in [
        json!({ "emotion": "sad", "tags": ["a"] }),
        json!({ "emotion": "happy" }),
        json!({ "emotion": "happy", "tags": ["a"], "daysToLive": 1 }),
        json!({ "emotion": "happy", "tags": ["a", "a"] }),
    ] {
        world.edge(&ana.creating(key, &content)).problem("conflict", &[]);
    }
    assert_eq!(list_of(&world.get(&ana.timeline())).0, [first]);
}

fn a_deleted_echo_is_not_created_again(world: &World) {
    let ana = world.person("deleted");
    let (key, content) = (fresh::key(), json!({ "emotion": "happy" }));
    let echo = world.edge(&ana.creating(key, &content)).expect(201).json();
    world.edge(&ana.deleting(id_of(&echo))).expect(204);
    world.edge(&ana.creating(key, &content)).problem("conflict", &[]);
    // Nor in a region that only heard of it.
    eventually(Duration::from_secs(5), "the tombstone in the east", || {
        let response = world.edge(&ana.creating(key, &content).from(&cities::TOKYO));
        if response.status == 409 { Ok(()) } else { Err(response.to_string()) }
    });
    ana.has_nothing(world);
}

/// Demands that each of them says that the echo is there, and that no region says twice that it created it: each may be
/// the first to hear of it.
fn all_taken(responses: &[Response]) {
    let odd = responses.iter().find(|response| ![200, 201].contains(&response.status));
    if let Some(odd) = odd {
        panic!("expected 200 or 201, found {:?}\n{odd}", statuses(responses));
    }
    let created = responses.iter().filter(|response| response.status == 201);
    let regions: Vec<_> = created.map(|response| response.one("echoes-region")).collect();
    let distinct: BTreeSet<_> = regions.iter().collect();
    assert!(!regions.is_empty() && distinct.len() == regions.len(), "expected one 201 a region at most: {regions:?}");
}

fn fifty_at_once_are_one(world: &World) {
    let ana = world.person("fifty");
    let request = ana.creating(fresh::key(), &json!({ "emotion": "happy", "transcript": "once" }));
    let responses = at_once(50, |_| world.edge(&request));
    all_taken(&responses);
    one_in_the_end(world, &ana, &responses);
}

fn fifty_at_once_from_everywhere_are_one(world: &World) {
    let ana = world.person("fifty");
    let request = ana.creating(fresh::key(), &json!({ "emotion": "happy", "transcript": "once" }));
    let responses = at_once(50, |nth| world.edge(&request.clone().from(&cities::CITIES[nth % 20])));
    all_taken(&responses);
    one_in_the_end(world, &ana, &responses);
}

/// Demands that all answers name one echo, and that the person has this one alone, alike in all regions.
fn one_in_the_end(world: &World, person: &Person, responses: &[Response]) {
    let ids: BTreeSet<String> = responses.iter().map(|response| id_of(&response.json()).to_owned()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    eventually(Duration::from_secs(5), "one echo, alike everywhere", || {
        let seen: Vec<_> = world.cores().iter().map(|core| list_of(&core.get(&person.timeline()).send()).0).collect();
        let one =
            seen.iter().all(|echoes| *echoes == seen[0] && echoes.len() == 1 && ids.contains(id_of(&echoes[0])));
        if one { Ok(()) } else { Err(format!("{seen:#?}")) }
    });
}

fn a_retry_elsewhere_is_the_same_echo(world: &World) {
    let ana = world.person("retry");
    let (key, content) = (fresh::key(), json!({ "emotion": "happy" }));
    let first = world.edge(&ana.creating(key, &content).from(&cities::LONDON)).expect(201).json();
    let response = eventually(Duration::from_secs(5), "the retry in the west to find the echo", || {
        let response = world.edge(&ana.creating(key, &content).from(&cities::SEATTLE));
        assert_eq!(id_of(&response.json()), id_of(&first), "{response}");
        if response.status == 200 { Ok(response) } else { Err(response.to_string()) }
    });
    one_in_the_end(world, &ana, &[response]);
}

fn anothers_key_is_ones_own(world: &World) {
    let (ana, ben) = (world.person("taken-ana"), world.person("taken-ben"));
    let key = fresh::key();
    let anas =
        world.edge(&ana.creating(key, &json!({ "emotion": "happy", "transcript": "ana's" }))).expect(201).json();
    for content in
        [json!({ "emotion": "happy", "transcript": "ben's" }), json!({ "emotion": "happy", "transcript": "ana's" })]
    {
        let response = world.edge(&ben.creating(key, &content));
        assert!([201, 409].contains(&response.status), "{response}");
        if response.status == 201 {
            let bens = response.json();
            assert_ne!(id_of(&bens), id_of(&anas), "{response}");
            assert_eq!(bens["userId"], ben.id.as_str(), "{response}");
        }
    }
    assert_eq!(world.get(&format!("/v1/echoes/{}", id_of(&anas))).expect(200).json(), anas);
    assert_eq!(list_of(&world.get(&ana.timeline())).0, [anas]);
    assert_eq!(list_of(&world.get(&ben.timeline())).0.len(), 1);
}

fn anothers_key_at_a_core_too(world: &World) {
    let (ana, ben) = (world.person("taken-ana"), world.person("taken-ben"));
    let (key, core) = (fresh::key(), world.core(Region::UsEast1));
    let create = |user: &str, text: &str| {
        let call = core.call("POST", "/v1/echoes").user(user).idempotent(key);
        call.json(&json!({ "emotion": "happy", "transcript": text })).send().expect(201).json()
    };
    let (anas, bens) = (create(&ana.id, "ana's"), create(&ben.id, "ben's"));
    assert_ne!(id_of(&anas), id_of(&bens));
    assert_eq!((&bens["userId"], &bens["transcript"]), (&json!(ben.id), &json!("ben's")));
    // Ben has ana's id, and can do nothing with it.
    let path = format!("/v1/echoes/{}", id_of(&anas));
    core.call("DELETE", path.as_str()).user(&ben.id).send().problem("forbidden", &[]);
    core.call("DELETE", path.as_str())
        .user(&ben.id)
        .signed_header("x-echoes-fallback", "1")
        .send()
        .problem("forbidden", &[]);
    assert_eq!(core.get(&path).send().expect(200).json(), anas);
}

fn the_id_is_the_persons_and_the_keys(world: &World) {
    let ana = world.person("id");
    let key = fresh::key();
    let echo = world.edge(&ana.creating(key, &json!({ "emotion": "happy" }))).expect(201).json();
    let expected = EchoId::derive(&ana.id.parse().unwrap(), key);
    assert_eq!(id_of(&echo), expected.to_string());
}
