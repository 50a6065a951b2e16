//! What is wrong with a create is said by name, from the edge; nothing is stored.

use std::time::Duration;

use echoes_tests::{Person, Request, Response, World, clock, exchange, fresh, json};

super::trials!(
    TRIALS: a_body_that_is_no_json_object, a_field_of_the_wrong_kind_is_named, all_faults_are_named_at_once,
    numbers_off_the_globe, an_s3_url_of_another, a_body_of_65_kib, a_body_in_chunks_is_counted_too,
    another_media_type, a_key_that_is_none, a_key_outside_its_window, a_length_that_lies, a_body_in_another_coding,
);

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
