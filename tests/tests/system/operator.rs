//! What the operator sees: the admin port, and the program's own words.

use std::collections::BTreeMap;
use std::time::Duration;

use echoes_tests::metrics::sample;
use echoes_tests::programs::{Finished, echoes, variables_of};
use echoes_tests::waiting::eventually;
use echoes_tests::{Region, Value, World, json};

super::trials!(
    TRIALS: healthz_says_ok, readyz_names_its_dependencies, metrics_count_what_happens,
    the_admin_port_serves_nothing_else, a_missing_variable_exits_2_and_is_named,
    a_malformed_variable_exits_2_and_is_named, memcached_without_redis_exits_2, a_taken_port_exits_1, the_tables_are_as_designed,
    tables_can_be_described, help_is_everywhere, wrong_usage_exits_2,
);
super::trials!(FAULTS: readyz_says_what_is_missing);

fn healthz_says_ok(world: &World) {
    for core in world.cores() {
        let response = core.admin("/healthz").expect(200);
        assert!(!response.body.is_empty(), "{response}");
    }
}

fn readyz_names_its_dependencies(world: &World) {
    for core in world.cores() {
        let response = core.admin("/readyz").expect(200);
        assert!(response.text().contains("dynamodb"), "expected the dependency's name\n{response}");
    }
}

fn metrics_count_what_happens(world: &World) {
    let core = world.core(Region::UsWest2);
    let text = || {
        let response = core.admin("/metrics").expect(200);
        let media_type = response.one("content-type");
        assert!(media_type.starts_with("text/plain"), "expected Prometheus text\n{response}");
        response.text()
    };
    let route = r#"route="/v1/emotions/{emotion}/echoes""#;
    let labels = [route, r#"status="200""#];
    let before = text();
    let seen = sample(&before, "echoes_http_requests_total", &labels);
    for emotion in ["happy", "sad", "calm"] {
        core.get(&format!("/v1/emotions/{emotion}/echoes")).send().expect(200);
    }
    let after = text();
    assert!(sample(&after, "echoes_http_requests_total", &labels) >= seen + 3.0, "expected three more\n{after}");
    assert!(sample(&after, "echoes_http_request_seconds_count", &[route]) >= 3.0, "expected a histogram\n{after}");
    assert!(sample(&after, "echoes_http_request_seconds_bucket", &[route, r#"le="+Inf""#]) >= 3.0, "{after}");
    let calls = sample(&after, "echoes_dynamodb_calls_total", &[r#"operation="Query""#, r#"outcome="ok""#]);
    assert!(calls >= 3.0, "expected the calls to DynamoDB\n{after}");
    assert!(
        !after.contains("auth0") && !after.contains("/users/ana"),
        "expected routes as labels, no paths\n{after}"
    );
    let families = ["echoes_http_requests_total", "echoes_http_request_seconds", "echoes_dynamodb_calls_total"];
    for family in families {
        assert!(after.contains(&format!("# TYPE {family} ")), "expected the type of {family}\n{after}");
    }
}

fn the_admin_port_serves_nothing_else(world: &World) {
    let core = world.core(Region::UsEast1);
    for path in ["/v1/emotions", "/v1/echoes/recent", "/", "/v1/status"] {
        let response = core.admin(path);
        assert_eq!(response.status, 404, "{response}");
    }
}

/// One line on stderr that names the variable, and exit 2.
fn expect_refusal(finished: &Finished, named: &str) {
    assert_eq!(finished.code, Some(2), "expected exit 2 for {named}: {finished:#?}");
    assert_eq!(finished.stderr.trim_end().lines().count(), 1, "expected one line on stderr: {finished:#?}");
    assert!(finished.stderr.contains(named), "expected {named} to be named: {finished:#?}");
}

fn a_missing_variable_exits_2_and_is_named(world: &World) {
    let whole = variables_of(&world.state, Region::UsEast1);
    for name in ["ECHOES_REGION", "ECHOES_LISTEN", "ECHOES_EDGE_KEYS", "ECHOES_CURSOR_KEYS", "ECHOES_AUDIO_BUCKET"] {
        assert!(whole.contains_key(name), "expected {name} in the region's shell file");
        let mut variables = whole.clone();
        variables.remove(name);
        expect_refusal(&echoes(&["serve"], &variables), name);
    }
    expect_refusal(&echoes(&["work"], &BTreeMap::new()), "ECHOES_REGION");
    expect_refusal(&echoes(&["table", "check"], &BTreeMap::new()), "ECHOES_REGION");
    expect_refusal(&echoes(&["table", "describe"], &BTreeMap::new()), "ECHOES_REGION");
    expect_refusal(&echoes(&["table", "create"], &BTreeMap::new()), "ECHOES_REGION");
}

fn a_malformed_variable_exits_2_and_is_named(world: &World) {
    let whole = variables_of(&world.state, Region::UsEast1);
    for (name, value) in [
        ("ECHOES_REGION", "mars-north-1"),
        ("ECHOES_REGION", ""),
        ("ECHOES_LISTEN", "7001"),
        ("ECHOES_LISTEN", "localhost:http"),
        ("ECHOES_ADMIN_LISTEN", "nowhere"),
        ("ECHOES_TABLE", "a b"),
        ("ECHOES_EDGE_KEYS", "sesame"),
        ("ECHOES_EDGE_KEYS", "A:secretive,B:secretive,C:secretive"),
        ("ECHOES_CURSOR_KEYS", "k1:short"),
        ("ECHOES_AUDIO_BUCKET", ""),
        ("ECHOES_REDIS_URL", "http://secretive@127.0.0.1"),
        ("ECHOES_MEMCACHED_SERVERS", "127.0.0.1:11401,nowhere:"),
        ("ECHOES_CACHE_MEMORY_BYTES", "lots"),
    ] {
        let mut variables = whole.clone();
        variables.insert(name.to_owned(), value.to_owned());
        let finished = echoes(&["serve"], &variables);
        expect_refusal(&finished, name);
        assert!(!finished.stderr.contains("secretive"), "expected no secrets on stderr: {finished:#?}");
    }
}

fn memcached_without_redis_exits_2(world: &World) {
    let mut variables = variables_of(&world.state, Region::UsEast1);
    variables.remove("ECHOES_REDIS_URL");
    let finished = echoes(&["serve"], &variables);
    expect_refusal(&finished, "ECHOES_MEMCACHED_SERVERS");
    assert!(finished.stderr.contains("ECHOES_REDIS_URL"), "expected what it needs: {finished:#?}");
}

fn a_taken_port_exits_1(world: &World) {
    let finished = echoes(&["serve"], &variables_of(&world.state, Region::UsEast1));
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert_eq!(finished.stderr.trim_end().lines().count(), 1, "expected one line on stderr: {finished:#?}");
    assert!(finished.stderr.contains("ECHOES_LISTEN"), "expected the variable's name: {finished:#?}");
}

fn the_tables_are_as_designed(world: &World) {
    for region in Region::ALL {
        let variables = variables_of(&world.state, region);
        let finished = echoes(&["table", "check"], &variables);
        assert_eq!(finished.code, Some(0), "{region}: {finished:#?}");
        let finished = echoes(&["table", "check", "--json"], &variables);
        assert_eq!(finished.code, Some(0), "{region}: {finished:#?}");
        let found: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(found, json!({ "differences": [] }), "{region}");
    }
    // A table of another name is not there, which is a failure and no wrong usage; nothing begins over it.
    let mut variables = variables_of(&world.state, Region::UsEast1);
    variables.insert("ECHOES_TABLE".to_owned(), "NoSuchTable".to_owned());
    variables.insert("ECHOES_REDIS_URL".to_owned(), "redis://127.0.0.1:1".to_owned());
    for command in [&["table", "check"][..], &["work"], &["work", "--once"]] {
        let finished = echoes(command, &variables);
        assert_eq!(finished.code, Some(1), "{command:?}: {finished:#?}");
    }
}

fn tables_can_be_described(world: &World) {
    let variables = variables_of(&world.state, Region::EuWest1);
    let finished = echoes(&["table", "describe"], &variables);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let json = echoes(&["table", "describe", "--json"], &variables);
    let found: Value = serde_json::from_str(&json.stdout).unwrap_or_else(|error| panic!("{error}: {json:#?}"));
    let text = found.to_string();
    for name in [
        "EchoesTable",
        "EchoesOps",
        "EchoesLocal",
        "emotion-timestamp-index",
        "echoId-index",
        "userId-emotion-index",
        "recent-index",
    ] {
        assert!(finished.stdout.contains(name), "expected {name} in the text: {finished:#?}");
        assert!(text.contains(name), "expected {name} in the JSON: {text}");
    }
}

fn help_is_everywhere(_world: &World) {
    let none = BTreeMap::new();
    for command in [
        &["--help"][..],
        &["serve", "--help"],
        &["work", "--help"],
        &["table", "--help"],
        &["table", "create", "--help"],
        &["table", "describe", "--help"],
        &["table", "check", "--help"],
        &["--version"],
    ] {
        let finished = echoes(command, &none);
        assert_eq!(finished.code, Some(0), "{command:?}: {finished:#?}");
        assert!(!finished.stdout.is_empty() && finished.stderr.is_empty(), "{command:?}: {finished:#?}");
    }
}

fn wrong_usage_exits_2(world: &World) {
    let variables = variables_of(&world.state, Region::UsEast1);
    for command in [
        &[][..],
        &["sing"],
        &["serve", "--loud"],
        &["work", "--json"],
        &["table"],
        &["table", "check", "--yaml"],
        &["table", "create", "--billing", "provisioned"],
        &["table", "create", "--billing", "free"],
        &["table", "create", "--read", "5", "--write", "5"],
        &["table", "create", "--billing", "provisioned", "--read", "0", "--write", "5"],
    ] {
        let finished = echoes(command, &variables);
        assert_eq!(finished.code, Some(2), "{command:?}: {finished:#?}");
        assert!(!finished.stderr.is_empty(), "{command:?}: {finished:#?}");
    }
}

fn readyz_says_what_is_missing(world: &World) {
    let control = world.control();
    let core = world.core(Region::UsWest2);
    control.change(core.region, &json!({ "dynamodb": "stopped" }));
    let response = core.admin("/readyz").expect(503);
    assert!(response.text().contains("dynamodb"), "expected the missing dependency's name\n{response}");
    core.admin("/healthz").expect(200);
    let response = core.get("/v1/echoes/recent").send();
    response.problem("unavailable", &[]);
    assert!(response.one("retry-after").parse::<u32>().is_ok(), "{response}");
    control.change(core.region, &json!({ "dynamodb": "running" }));
    eventually(Duration::from_secs(5), "readiness", || {
        let response = core.admin("/readyz");
        if response.status == 200 { Ok(()) } else { Err(response.to_string()) }
    });
    core.get("/v1/echoes/recent").send().expect(200);
}
