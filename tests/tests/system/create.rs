//! `POST /v1/echoes`

use std::time::Duration;

use echoes_tests::people::id_of;
use echoes_tests::shape::{check_echo, list_of};
use echoes_tests::waiting::eventually;
use echoes_tests::{Region, Request, Timestamp, World, clock, fresh, json};

super::trials!(
    TRIALS: every_field_comes_back, absent_fields_stay_absent, the_key_gives_the_time, without_a_key_one_is_minted,
    days_to_live_become_a_ttl, the_limits_themselves_are_allowed, a_key_at_the_ends_of_its_window,
    the_media_type_may_carry_parameters, numbers_come_back_as_sent, an_echo_ends_with_its_ttl,
);

fn every_field_comes_back(world: &World) {
    let ana = world.person("create");
    let content = json!({
        "emotion": "nostalgic", "s3Url": world.s3_url(&ana.id, "x-1.opus"), "location": { "lat": 51.5, "lng": -0.12 },
        "tags": ["rain", "früh", "\u{1f327}"], "transcript": "“Quotes”, \\ and \u{0} and \u{10ffff}\n",
        "detectedMood": "joyful", "metadata": { "device": "phone", "os version": "1.0 — beta" },
    });
    let key = fresh::key();
    let response = world.edge(&ana.creating(key, &content)).expect(201);
    let echo = response.json();
    check_echo(&echo);
    for (name, value) in content.as_object().unwrap() {
        assert_eq!(echo[name], *value, "{name}\n{response}");
    }
    assert_eq!(echo["userId"], ana.id.as_str(), "{response}");
    assert_eq!(echo["version"], 1, "{response}");
    assert_eq!(echo["updatedAt"], echo["timestamp"], "{response}");
    assert_eq!(echo["origin"], response.one("echoes-region"), "{response}");
    assert_eq!(response.one("location"), format!("/v1/echoes/{}", id_of(&echo)), "{response}");
    assert_eq!(response.one("cache-control"), "no-store", "{response}");
    let read = world.get(response.one("location")).expect(200);
    assert_eq!(read.json(), echo, "{read}");
}

fn absent_fields_stay_absent(world: &World) {
    let ana = world.person("create");
    let echo = ana.create(world, &json!({ "emotion": "calm" }));
    let names: Vec<_> = echo.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = ["echoId", "userId", "timestamp", "emotion", "version", "origin", "updatedAt"];
    expected.sort_unstable();
    assert_eq!(names, expected, "{echo}");
}

fn the_key_gives_the_time(world: &World) {
    let ana = world.person("create");
    let at = clock::now().minus_millis(3_600_000);
    let response = world.edge(&ana.creating(fresh::key_at(at), &json!({ "emotion": "calm" }))).expect(201);
    assert_eq!(response.json()["timestamp"], at.to_string(), "{response}");
}

fn without_a_key_one_is_minted(world: &World) {
    let ana = world.person("create");
    let before = clock::now();
    let create = || {
        let request = Request::new("POST", "/v1/echoes").token(&ana.token).json(&json!({ "emotion": "calm" }));
        world.edge(&request).expect(201)
    };
    let (first, second) = (create(), create());
    assert_ne!(id_of(&first.json()), id_of(&second.json()), "two creates without a key are two echoes");
    let at: Timestamp = first.json()["timestamp"].as_str().unwrap().parse().unwrap();
    let near = at.millis_since(before) < 5_000 && before.millis_since(at) < 2_000;
    assert!(near, "expected the time of the create\n{first}");
}

fn days_to_live_become_a_ttl(world: &World) {
    let ana = world.person("create");
    for days in [1, 30, 3_650] {
        let key = fresh::key();
        let response = world.edge(&ana.creating(key, &json!({ "emotion": "calm", "daysToLive": days }))).expect(201);
        let expected = key.timestamp().plus_days(days).epoch_seconds();
        assert_eq!(response.json()["ttl"], expected, "{response}");
    }
}

fn the_limits_themselves_are_allowed(world: &World) {
    let ana = world.person("create");
    let pairs: serde_json::Map<_, _> = (0..20).map(|nth| (format!("{nth:0>64}"), json!("é".repeat(256)))).collect();
    let content = json!({
        "emotion": "calm", "tags": vec!["é".repeat(32); 10], "transcript": "é".repeat(5_000),
        "detectedMood": "é".repeat(32), "metadata": pairs, "location": { "lat": -90, "lng": 180 },
    });
    let echo = ana.create(world, &content);
    assert_eq!(echo["metadata"], content["metadata"]);
    assert_eq!(echo["transcript"], content["transcript"]);
    assert_eq!((echo["location"]["lat"].as_f64(), echo["location"]["lng"].as_f64()), (Some(-90.0), Some(180.0)));
    for (name, value) in [("tags", json!([])), ("metadata", json!({})), ("transcript", json!(""))] {
        let echo = ana.create(world, &json!({ "emotion": "calm", name: value }));
        assert!(echo.get(name).is_none_or(|found| *found == value), "{echo}");
    }
}

fn a_key_at_the_ends_of_its_window(world: &World) {
    let ana = world.person("create");
    let now = clock::now();
    for at in [now.minus_millis(24 * 3_600_000 - 10_000), now.plus_millis(5 * 60_000 - 10_000)] {
        world.edge(&ana.creating(fresh::key_at(at), &json!({ "emotion": "calm" }))).expect(201);
    }
}

fn the_media_type_may_carry_parameters(world: &World) {
    let ana = world.person("create");
    for media_type in ["application/json; charset=utf-8", "Application/JSON"] {
        let request = Request::new("POST", "/v1/echoes").token(&ana.token).header("content-type", media_type);
        world.edge(&request.body(r#"{"emotion":"calm"}"#)).expect(201);
    }
}

fn numbers_come_back_as_sent(world: &World) {
    let ana = world.person("create");
    for (lat, lng) in
        [(51.123_456_789_012_345, -0.123_456_789_012_345_6), (1e-7, 179.999_999_999_999_97), (-0.0, 0.5)]
    {
        let echo = ana.create(world, &json!({ "emotion": "calm", "location": { "lat": lat, "lng": lng } }));
        let read = world.get(&format!("/v1/echoes/{}", id_of(&echo))).expect(200);
        for echo in [&echo, &read.json()] {
            let found = (echo["location"]["lat"].as_f64(), echo["location"]["lng"].as_f64());
            assert_eq!(found, (Some(lat), Some(lng)), "{echo}");
        }
    }
}

/// A key almost a day old and one day to live: the echo ends within seconds.
fn an_echo_ends_with_its_ttl(world: &World) {
    let ana = world.person("create");
    let key = fresh::key_at(clock::now().minus_millis(24 * 3_600_000 - 4_000));
    let echo = world.edge(&ana.creating(key, &json!({ "emotion": "calm", "daysToLive": 1 }))).expect(201).json();
    let core = world.core(Region::UsEast1);
    let path = format!("/v1/echoes/{}", id_of(&echo));
    core.get(&path).send().expect(200);
    assert_eq!(list_of(&world.get(&ana.timeline())).0, std::slice::from_ref(&echo));
    let ends = Timestamp::from_millis(echo["ttl"].as_u64().unwrap() * 1_000);
    eventually(Duration::from_secs(8), "the end of the echo", || {
        let response = core.get(&path).send();
        let (asked, status) = (clock::now(), response.status);
        // The second in which it ends may be either.
        assert!(status == 200 || asked.plus_millis(1_000) >= ends, "gone too soon\n{response}");
        if status == 404 { Ok(()) } else { Err(response.to_string()) }
    });
    for path in [ana.timeline(), format!("{}?emotion=calm", ana.timeline())] {
        assert!(list_of(&world.get(&path)).0.is_empty(), "expected it to be gone from {path}");
    }
    let feed = core.get("/v1/emotions/calm/echoes?limit=100").send().expect(200);
    assert!(!list_of(&feed).0.contains(&echo), "expected it to be gone from the feed\n{feed}");
}
