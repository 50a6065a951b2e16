//! What is wrong with a query is said by name, from the edge; and nothing that the edge can know costs a call to a core.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use echoes_tests::cores::Core;
use echoes_tests::shape::list_of;
use echoes_tests::waiting::eventually;
use echoes_tests::{Request, World, clock, fresh, json};

super::trials!(TRIALS: limits_and_cursors, forged_cursors, a_known_parameter_twice);
super::trials!(ALONE: nothing_reaches_a_core);

fn limits_and_cursors(world: &World) {
    let huge = "A".repeat(3_000);
    for path in ["/v1/emotions/calm/echoes", "/v1/echoes/recent", "/v1/users/ana/echoes"] {
        for limit in ["0", "101", "-1", "+5", "%2B5", "5.0", "1e1", "", "ten", "99999999999999999999", "٣", "0x10"] {
            world.get(&format!("{path}?limit={limit}")).problem("invalid-request", &["limit"]);
        }
        for cursor in ["", "forged", "AAAA", "%00", "!!", "null", &huge] {
            world.get(&format!("{path}?cursor={cursor}")).problem("invalid-request", &["cursor"]);
        }
        world.get(&format!("{path}?limit=0&cursor=x")).problem("invalid-request", &["limit", "cursor"]);
    }
}

/// A true cursor with one bit flipped in each of its bytes.
fn forged_cursors(world: &World) {
    let ana = world.person("bad");
    (0..2).for_each(|_| drop(ana.create(world, &json!({ "emotion": "happy" }))));
    let (_, cursor) = list_of(&world.get(&format!("{}?limit=1", ana.timeline())));
    let bytes = URL_SAFE_NO_PAD.decode(cursor.expect("a second page")).expect("base64url");
    for at in 0..bytes.len() {
        let mut forged = bytes.clone();
        forged[at] ^= 1;
        let forged = URL_SAFE_NO_PAD.encode(forged);
        world.get(&format!("{}?cursor={forged}", ana.timeline())).problem("invalid-request", &["cursor"]);
    }
}

fn a_known_parameter_twice(world: &World) {
    for query in ["limit=5&limit=5", "limit=5&x=1&limit=6", "limit=5&li%6Dit=5"] {
        world.get(&format!("/v1/emotions/calm/echoes?{query}")).problem("invalid-request", &["limit"]);
        world.get(&format!("/v1/echoes/recent?{query}")).problem("invalid-request", &["limit"]);
    }
    world.get("/v1/emotions/calm/echoes?emotion=x&emotion=y&x=1&x=2").expect(200);
    world.get("/v1/emotions?limit=0&limit=0").expect(200);
}

/// What the edge can know it says itself: no core counts a request for it.
fn nothing_reaches_a_core(world: &World) {
    let ana = world.person("bad");
    let good = world.edge(&ana.creating(fresh::key(), &json!({ "emotion": "happy" }))).expect(201);
    let counted = || world.cores().iter().map(requests_counted).sum::<f64>();
    // A refresh behind an earlier answer may still be under way.
    let before = eventually(Duration::from_secs(10), "cores that are left alone", || {
        let first = counted();
        std::thread::sleep(Duration::from_millis(300));
        if counted() <= first { Ok(first) } else { Err("they are asked".to_owned()) }
    });
    assert!(before > 0.0 && good.status == 201, "expected the metrics to count");
    for body in ["{", "[]", r#"{"emotion":"joyful"}"#, r#"{"emotion":"happy","x":1}"#, &"x".repeat(65 * 1_024)] {
        let response = world.edge(&ana.creating(fresh::key(), &json!({})).body(body));
        assert!([400, 413].contains(&response.status), "{response}");
    }
    for target in [
        "/v1/emotions/joyful/echoes",
        "/v1/emotions/joyful/random",
        "/v1/emotions/calm/echoes?limit=0",
        "/v1/emotions/calm/echoes?cursor=forged",
        "/v1/users/ana/echoes?emotion=joyful",
        "/v1/users/me/echoes",
        "/v1/echoes/7d444840-9dc0-41d1-b245-5ffdce74fad2",
        "/v1/nothing",
    ] {
        let response = world.get(target);
        assert!([400, 404].contains(&response.status), "{response}");
    }
    let late = ana.creating(fresh::key_at(clock::now().minus_days(2)), &json!({ "emotion": "happy" }));
    for request in [
        Request::new("POST", "/v1/echoes").json(&json!({ "emotion": "happy" })),
        Request::new("POST", "/v1/echoes").token("rubbish").json(&json!({ "emotion": "happy" })),
        Request::new("POST", "/v1/echoes").token(&ana.token).body("x"),
        Request::new("DELETE", format!("/v1/echoes/{}", fresh::key())),
        Request::new("PUT", "/v1/emotions"),
        Request::new("OPTIONS", "/v1/echoes"),
        late,
    ] {
        let response = world.edge(&request);
        assert!([204, 400, 401, 405, 415].contains(&response.status), "{response}");
    }
    assert_eq!(counted(), before, "expected no core to be asked");
}

/// The requests that a core has counted on its signed port.
fn requests_counted(core: &Core) -> f64 {
    let text = core.admin("/metrics").expect(200).text();
    let samples = text.lines().filter(|line| line.starts_with("echoes_http_requests_total{"));
    samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}
