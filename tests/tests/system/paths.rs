//! Paths and methods that lead nowhere.

use echoes_tests::{Request, World, fresh, json};

super::trials!(
    TRIALS: an_unknown_path_is_404, another_method_is_405_and_told_what_is_allowed, dots_lead_nowhere,
    a_zero_byte_is_no_id, a_path_of_8_kib_is_413, an_unknown_query_is_ignored, a_userid_with_a_hash_is_400,
);

fn an_unknown_path_is_404(world: &World) {
    for path in [
        "/v1",
        "/v1/",
        "/v2/emotions",
        "/v1/nothing",
        "/v1/emotions/",
        "/v1/emotions/happy",
        "/V1/emotions",
        "/v1/emotions/happy/echoes/",
        "/v1/emotions/happy/echoes/1",
        "/v1//emotions",
        "//v1/emotions",
        "/v1/echoes/recent/",
        "/v1/users/ana",
        "/v1/status/x",
        "/healthz",
        "/metrics",
        "/v1/emotions;x=1",
        "/v1/emotions%2Fhappy%2Fechoes",
        "/favicon.ico",
        "/.env",
        "/v1/emotions%3Flimit=1",
    ] {
        world.get(path).problem("not-found", &[]);
        world.edge(&Request::new("POST", path).json(&json!({}))).problem("not-found", &[]);
    }
}

fn another_method_is_405_and_told_what_is_allowed(world: &World) {
    let echo = format!("/v1/echoes/{}", fresh::key());
    let read = ["GET", "HEAD", "OPTIONS"];
    for (path, allowed) in [
        ("/v1/emotions", &read[..]),
        ("/v1/emotions/happy/echoes", &read),
        ("/v1/emotions/happy/random", &read),
        ("/v1/echoes/recent", &read),
        ("/v1/users/ana/echoes", &read),
        ("/v1/status", &read),
        ("/v1/echoes", &["POST", "OPTIONS"]),
        (&echo, &["GET", "HEAD", "PATCH", "DELETE", "OPTIONS"]),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"].iter().filter(|method| !allowed.contains(method)) {
            let response = world.edge(&Request::new(method, path));
            response.problem("method-not-allowed", &[]);
            let said: Vec<_> = response.one("allow").split(',').map(str::trim).collect();
            assert!(
                allowed.iter().all(|method| said.contains(method)),
                "expected Allow to name {allowed:?}\n{response}"
            );
            assert!(!said.contains(method), "expected Allow without {method}\n{response}");
        }
    }
}

/// `..` is resolved before anybody sees it, as every URL parser does, or is a name like any other: it never leads to a
/// thing that the whole path does not name.
fn dots_lead_nowhere(world: &World) {
    for path in [
        "/v1/../../etc/passwd",
        "/../../../etc/passwd",
        "/v1/echoes/../../../etc/passwd",
        "/v1/%2e%2e/%2e%2e/etc/passwd",
        "/v1/emotions/..",
        "/v1/emotions/happy/..%2f..%2fechoes",
        "/v1/emotions/..%5cechoes/echoes",
        "/v1/emotions/happy/echoes/..",
        "/v1/..;/metrics",
        "/v1/emotions/..%2fhappy/echoes",
    ] {
        world.get(path).problem("not-found", &[]);
    }
    for path in ["/v1/users/..%2fana/echoes", "/v1/users/..%2f..%2fadmin/echoes", "/v1/users/ana%2f..%2fben/echoes"] {
        world.get(path).problem("invalid-request", &["userId"]);
    }
    world.get("/v1/echoes/..%2frecent").problem("invalid-request", &["echoId"]);
}

fn a_zero_byte_is_no_id(world: &World) {
    world.get("/v1/emotions/%00/echoes").problem("not-found", &[]);
    world.get("/v1/emotions/happy%00/echoes").problem("not-found", &[]);
    world.get("/v1/%00").problem("not-found", &[]);
    world.get("/v1/echoes/%00").problem("invalid-request", &["echoId"]);
    world.get(&format!("/v1/echoes/{}%00", fresh::key())).problem("invalid-request", &["echoId"]);
    world.get("/v1/users/ana%00/echoes").problem("invalid-request", &["userId"]);
    world.get("/v1/emotions/calm/echoes?limit=%00").problem("invalid-request", &["limit"]);
}

fn a_path_of_8_kib_is_413(world: &World) {
    let long = "a".repeat(8 * 1_024);
    for target in [format!("/v1/users/{long}/echoes"), format!("/{long}"), format!("/v1/emotions?x={long}")] {
        let response = world.get(&target);
        response.problem("too-large", &["path"]);
        assert!(response.body.len() < 1_024, "expected the path not to be repeated\n{response}");
    }
}

fn an_unknown_query_is_ignored(world: &World) {
    for target in
        ["/v1/emotions?x=1", "/v1/emotions/calm/echoes?x=1&y&&=&limit=5", "/v1/status?region=mars", "/v1/emotions?"]
    {
        world.get(target).expect(200);
    }
    // Percent-signs that encode nothing are no reason to fail.
    world.get("/v1/emotions/calm/echoes?%=%zz&x=%E0%A4").expect(200);
}

fn a_userid_with_a_hash_is_400(world: &World) {
    world.get("/v1/users/ana%23202611/echoes").problem("invalid-request", &["userId"]);
    // A bare hash begins a fragment, which never belongs to the path.
    world.get("/v1/users/ana#202611/echoes").problem("not-found", &[]);
}
