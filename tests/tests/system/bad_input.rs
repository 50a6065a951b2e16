//! What is wrong with a create, a query or a key is said by name, from the edge; nothing is stored.

use std::time::Duration;

use echoes_tests::cores::Core;
use echoes_tests::waiting::eventually;
use echoes_tests::{Person, Request, Response, World, clock, exchange, fresh, json};

super::trials!(
    TRIALS: a_body_that_is_no_json_object, a_field_of_the_wrong_kind_is_named, all_faults_are_named_at_once,
    numbers_off_the_globe, an_s3_url_of_another, a_body_of_65_kib, a_body_in_chunks_is_counted_too,
    another_media_type, a_key_that_is_none, a_key_outside_its_window, limits_and_cursors,
    a_known_parameter_twice, a_length_that_lies, a_body_in_another_coding,
);
super::trials!(ALONE: nothing_reaches_a_core);

fn post(world: &World, person: &Person, body: impl Into<Vec<u8>>) -> Response {
    let request = Request::new("POST", "/v1/echoes").token(&person.token);
    world.edge(&request.header("idempotency-key", fresh::key().to_string()).json_text(body))
}

fn a_body_that_is_no_json_object(world: &World) {
    let ana = world.person("bad");
    let deep = "[".repeat(10_000);
    for body in
        ["{", "", " ", "null", "[]", "\"happy\"", "1", "{\"emotion\":\"happy\"}x", "{'emotion':'happy'}", &deep]
    {
        post(world, &ana, body).problem("invalid-request", &["body"]);
    }
    for body in [
        &b"{\"emotion\":\"happy\",\"transcript\":\"\xff\"}"[..],
        b"\x00",
        b"{\"emotion\":\"happy\",\"transcript\":\"\\ud800\"}",
        b"\xef\xbb\xbf{\"emotion\":\"happy\"}",
    ] {
        post(world, &ana, body).problem("invalid-request", &["body"]);
    }
    for number in ["NaN", "Infinity", "1e999", "01"] {
        let body = format!(r#"{{"emotion":"happy","location":{{"lat":{number},"lng":0}}}}"#);
        let problem = post(world, &ana, body);
        assert_eq!(problem.status, 400, "{problem}");
    }
    ana.has_nothing(world);
}

fn a_field_of_the_wrong_kind_is_named(world: &World) {
    let ana = world.person("bad");
    let with = |rest: &str| format!(r#"{{"emotion":"happy",{rest}}}"#);
    let long_tag = format!(r#""tags":["{}"]"#, "é".repeat(33));
    let long_text = format!(r#""transcript":"{}""#, "x".repeat(5_001));
    let long_mood = format!(r#""detectedMood":"{}""#, "x".repeat(33));
    let long_key = format!(r#""metadata":{{"{}":"x"}}"#, "k".repeat(65));
    let long_value = format!(r#""metadata":{{"k":"{}"}}"#, "v".repeat(257));
    let pairs: Vec<String> = (0..21).map(|nth| format!(r#""k{nth}":"v""#)).collect();
    let many_pairs = format!(r#""metadata":{{{}}}"#, pairs.join(","));
    for (body, field) in [
        ("{}", "emotion"),
        (r#"{"emotion":null}"#, "emotion"),
        (r#"{"emotion":5}"#, "emotion"),
        (r#"{"emotion":["happy"]}"#, "emotion"),
        (r#"{"emotion":"joyful"}"#, "emotion"),
        (r#"{"emotion":"Happy"}"#, "emotion"),
        (r#"{"emotion":"happy#3"}"#, "emotion"),
        (&with(r#""echoId":"019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20""#), "echoId"),
        (&with(r#""timestamp":"2026-11-22T22:59:53.372Z""#), "timestamp"),
        (&with(r#""version":2"#), "version"),
        (&with(r#""origin":"us-east-1""#), "origin"),
        (&with(r#""ttl":1"#), "ttl"),
        (&with(r#""Tags":[]"#), "Tags"),
        (&with(r#""__proto__":{}"#), "__proto__"),
        (&with(r#""location":null"#), "location"),
        (&with(r#""location":[1,2]"#), "location"),
        (&with(r#""location":{}"#), "location.lat"),
        (&with(r#""location":{"lat":1}"#), "location.lng"),
        (&with(r#""location":{"lat":1,"lng":1,"alt":1}"#), "location.alt"),
        (&with(r#""tags":"rain""#), "tags"),
        (&with(r#""tags":["1","2","3","4","5","6","7","8","9","10","11"]"#), "tags"),
        (&with(r#""tags":["a",5]"#), "tags[1]"),
        (&with(r#""tags":["a",""]"#), "tags[1]"),
        (&with(&long_tag), "tags[0]"),
        (&with(r#""transcript":5"#), "transcript"),
        (&with(&long_text), "transcript"),
        (&with(r#""detectedMood":"""#), "detectedMood"),
        (&with(&long_mood), "detectedMood"),
        (&with(r#""metadata":[]"#), "metadata"),
        (&with(r#""metadata":{"a":1}"#), "metadata.a"),
        (&with(r#""metadata":{"":"1"}"#), "metadata"),
        (&with(&long_key), "metadata"),
        (&with(&long_value), "metadata.k"),
        (&with(&many_pairs), "metadata"),
        (&with(r#""daysToLive":0"#), "daysToLive"),
        (&with(r#""daysToLive":3651"#), "daysToLive"),
        (&with(r#""daysToLive":-1"#), "daysToLive"),
        (&with(r#""daysToLive":1.5"#), "daysToLive"),
        (&with(r#""daysToLive":"1""#), "daysToLive"),
    ] {
        post(world, &ana, body).problem("invalid-request", &[field]);
    }
    ana.has_nothing(world);
}

fn all_faults_are_named_at_once(world: &World) {
    let ana = world.person("bad");
    let body = r#"{"emotion":"joyful","tags":1,"daysToLive":0,"extra":1}"#;
    let response = post(world, &ana, body);
    response.problem("invalid-request", &["emotion", "tags", "daysToLive", "extra"]);
    ana.has_nothing(world);
}

fn numbers_off_the_globe(world: &World) {
    let ana = world.person("bad");
    for (lat, lng, field) in [
        ("91", "0", "location.lat"),
        ("-90.0001", "0", "location.lat"),
        ("1e308", "0", "location.lat"),
        ("\"NaN\"", "0", "location.lat"),
        ("\"51.5\"", "0", "location.lat"),
        ("null", "0", "location.lat"),
        ("0", "180.5", "location.lng"),
        ("0", "-181", "location.lng"),
        ("0", "\"inf\"", "location.lng"),
    ] {
        let body = format!(r#"{{"emotion":"happy","location":{{"lat":{lat},"lng":{lng}}}}}"#);
        post(world, &ana, body).problem("invalid-request", &[field]);
    }
    ana.has_nothing(world);
}

fn an_s3_url_of_another(world: &World) {
    let (ana, ben) = (world.person("bad-ana"), world.person("bad-ben"));
    for url in [
        world.s3_url(&ben.id, "x.opus"),
        world.s3_url(&ana.id, "../x.opus"),
        world.s3_url(&ana.id, ""),
        world.s3_url(&ana.id, "x/y"),
        world.s3_url(&ana.id, "x.opus").replace("echoes-audio", "echoes-other"),
        world.s3_url(&ana.id, "x.opus").replace("s3://", "https://"),
        world.s3_url(&format!("{}-more", ana.id), "x.opus"),
        String::new(),
    ] {
        let body = json!({ "emotion": "happy", "s3Url": url }).to_string();
        post(world, &ana, body).problem("invalid-request", &["s3Url"]);
    }
    ana.has_nothing(world);
}

fn a_body_of_65_kib(world: &World) {
    let ana = world.person("bad");
    let body = |bytes: usize| {
        let shell = r#"{"emotion":"happy","transcript":""}"#;
        shell.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - shell.len())))
    };
    post(world, &ana, body(65 * 1_024)).problem("too-large", &["body"]);
    post(world, &ana, body(64 * 1_024 + 1)).problem("too-large", &["body"]);
    // As large as allowed, so that its text is what is wrong.
    post(world, &ana, body(64 * 1_024)).problem("invalid-request", &["transcript"]);
    ana.has_nothing(world);
}

fn a_body_in_chunks_is_counted_too(world: &World) {
    let ana = world.person("bad");
    let request = |body: String| {
        let request = Request::new("POST", "/v1/echoes").token(&ana.token).json_text(body);
        Request { chunked: true, ..request }
    };
    let body = format!(r#"{{"emotion":"happy","transcript":"{}"}}"#, "x".repeat(65 * 1_024));
    world.edge(&request(body)).problem("too-large", &["body"]);
    ana.has_nothing(world);
    world.edge(&request(r#"{"emotion":"happy"}"#.to_owned())).expect(201);
}

fn another_media_type(world: &World) {
    let ana = world.person("bad");
    let post = || Request::new("POST", "/v1/echoes").token(&ana.token).body(r#"{"emotion":"happy"}"#);
    for media_type in ["text/plain", "application/jsonp", "application/x-www-form-urlencoded", "*/*", "json", ""] {
        world.edge(&post().header("content-type", media_type)).problem("unsupported-media-type", &["Content-Type"]);
    }
    world.edge(&post()).problem("unsupported-media-type", &["Content-Type"]);
    let twice = post().header("content-type", "application/json").header("content-type", "text/plain");
    world.edge(&twice).problem("unsupported-media-type", &["Content-Type"]);
    ana.has_nothing(world);
}

fn a_key_that_is_none(world: &World) {
    let ana = world.person("bad");
    let good = fresh::key().to_string();
    let version_4 = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
    let other_variant = format!("{}c{}", &good[..19], &good[20..]);
    for key in [
        version_4,
        "",
        "1",
        &good.replace('-', ""),
        &format!("{{{good}}}"),
        &format!("{good}, {good}"),
        &other_variant,
    ] {
        let request = Request::new("POST", "/v1/echoes").token(&ana.token).header("idempotency-key", key);
        world.edge(&request.json(&json!({ "emotion": "happy" }))).problem("invalid-request", &["Idempotency-Key"]);
    }
    let twice = ana.creating(fresh::key(), &json!({ "emotion": "happy" })).header("idempotency-key", good);
    world.edge(&twice).problem("invalid-request", &["Idempotency-Key"]);
    ana.has_nothing(world);
}

fn a_key_outside_its_window(world: &World) {
    let ana = world.person("bad");
    let now = clock::now();
    let minute = 60_000;
    for at in
        [now.minus_millis(25 * 60 * minute), now.minus_millis(24 * 60 * minute + 5_000), now.plus_millis(6 * minute)]
    {
        let request = ana.creating(fresh::key_at(at), &json!({ "emotion": "happy" }));
        world.edge(&request).problem("invalid-request", &["Idempotency-Key"]);
        // The core keeps to it too, whatever the edge lets through.
        let call = world.cores()[0].call("POST", "/v1/echoes").user(&ana.id).idempotent(fresh::key_at(at));
        call.json(&json!({ "emotion": "happy" })).send().problem("invalid-request", &["Idempotency-Key"]);
    }
    ana.has_nothing(world);
}

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
    forged_cursors(world);
}

/// A true cursor with one bit flipped in each of its bytes.
fn forged_cursors(world: &World) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let ana = world.person("bad");
    (0..2).for_each(|_| drop(ana.create(world, &json!({ "emotion": "happy" }))));
    let (_, cursor) = echoes_tests::shape::list_of(&world.get(&format!("{}?limit=1", ana.timeline())));
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
        let response = post(world, &ana, body);
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

/// A body shorter or longer than announced: at worst the connection ends, and what is cut off is not stored.
fn a_length_that_lies(world: &World) {
    let ana = world.person("bad");
    let body = r#"{"emotion":"happy","transcript":"cut"}"#;
    let request = |length: &str| {
        let request = Request::new("POST", "/v1/echoes").token(&ana.token).json_text(body);
        request.header("content-length", length).bytes(world.edge_base())
    };
    // Cut off in the middle: nobody is left to be answered, so what the runtime then says is its own affair.
    exchange::exchange_raw(world.edge_base(), &request("1000"), Duration::from_secs(5));
    for length in ["20", "-1", "1e3", "99999999999999999999", "38, 39"] {
        let answer = exchange::exchange_raw(world.edge_base(), &request(length), Duration::from_secs(5));
        let answer = String::from_utf8_lossy(&answer);
        let first = answer.lines().next().unwrap_or_default();
        let refused = first.is_empty() || first.starts_with("HTTP/1.1 4") || first.starts_with("HTTP/1.1 501");
        assert!(refused, "expected a length of {length} to be refused or the connection to end, found\n{answer}");
    }
    ana.has_nothing(world);
    world.get("/v1/emotions").expect(200);
}

fn a_body_in_another_coding(world: &World) {
    let ana = world.person("bad");
    for coding in ["gzip", "br", "rubbish"] {
        let request = Request::new("POST", "/v1/echoes").token(&ana.token).header("content-encoding", coding);
        let response = world.edge(&request.json_text(&b"\x1f\x8b\x08\x00rubbish"[..]));
        assert!([400, 415].contains(&response.status), "{response}");
    }
    ana.has_nothing(world);
}
