//! A core answers only what the edge has signed: two signers are accepted, and every change to what they signed is refused.

use echoes_shared::sigv4::keys::EdgeKey;
use echoes_tests::cores::{Call, Core};
use echoes_tests::programs::sign_with_botocore;
use echoes_tests::{Person, Region, Request, Response, World, clock, fresh, json};

mod forms;

super::trials!(
    TRIALS: what_we_sign_is_accepted, what_botocore_signs_is_accepted, nothing_unsigned_is_answered,
    method_path_and_query_count, every_signed_header_counts, the_body_counts, the_scope_counts, the_date_counts,
    the_key_counts, one_flipped_bit_is_noticed,
);
pub use forms::TRIALS as FORMS;

const REGION: Region = Region::EuWest1;

fn refused(core: &Core, request: &Request, what: &str) {
    let response = request.send(&core.base);
    check_refusal(&response, what);
}

fn check_refusal(response: &Response, what: &str) {
    assert!([401, 403].contains(&response.status), "expected a refusal: {what}\n{response}");
    response.problem(if response.status == 401 { "unauthenticated" } else { "forbidden" }, &[]);
}

/// A create that would succeed, signed. Each use needs its own key, so that a stored echo would show.
fn create(core: &Core, ana: &Person) -> Call {
    let call = core.call("POST", "/v1/echoes?x=1&y=a%20b").user(&ana.id).signed_header("x-echoes-request-id", "r-1");
    call.idempotent(fresh::key()).json(&json!({ "emotion": "happy" }))
}

fn what_we_sign_is_accepted(world: &World) {
    let ana = world.person("signed");
    for core in world.cores() {
        create(&core, &ana).send().expect(201);
        let response = core.get("/v1/users/auth0%7Ca.b~c%40d/echoes?limit=5&x=%2F%25&z=a+b&empty").send();
        assert!([200, 400].contains(&response.status), "{response}");
        core.get("/v1/emotions").send().expect(200).expect_header("echoes-region", core.region.as_str());
    }
    let minutes = 60_000;
    let core = world.core(REGION);
    for at in [clock::now().minus_millis(4 * minutes), clock::now().plus_millis(4 * minutes)] {
        core.get("/v1/emotions").at(at).send().expect(200);
    }
}

fn what_botocore_signs_is_accepted(world: &World) {
    let ana = world.person("signed");
    let core = world.core(REGION);
    for (method, target, body, status) in [
        ("GET", "/v1/emotions", "", 200),
        ("GET", "/v1/users/auth0%7Cana/echoes?limit=5&emotion=sad", "", 200),
        ("GET", "/v1/emotions/happy/echoes?x=a%20b&limit=2&empty=", "", 200),
        ("POST", "/v1/echoes", r#"{"emotion":"happy","transcript":"é — signed elsewhere"}"#, 201),
    ] {
        let call = json!({
            "method": method, "url": format!("{}{target}", core.base), "body": body,
            "headers": { "x-echoes-user": ana.id, "x-echoes-request-id": "r-2" },
            "service": "echoes", "region": REGION.as_str(), "accessKeyId": core.key.id(), "secretAccessKey": core.secret,
        });
        let mut request = Request::new(method, target).body(body);
        request.headers =
            sign_with_botocore(&call).into_iter().filter(|(name, _)| name != "content-length").collect();
        if method == "POST" {
            request = request.header("content-type", "application/json");
        }
        let response = request.send(&core.base);
        assert_eq!(response.status, status, "{response}");
        refused(
            &core,
            &request.edited("x-echoes-user", |user| format!("{user}x")),
            "another user under botocore's signature",
        );
    }
}

fn nothing_unsigned_is_answered(world: &World) {
    let core = world.core(REGION);
    for path in [
        "/v1/emotions",
        "/v1/status",
        "/v1/echoes/recent",
        "/v1/nothing",
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/%00",
        "/v1/emotions/../status",
        "*",
    ] {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "PATCH"] {
            let response = Request::new(method, path).send(&core.base);
            let malformed = path == "*" && response.status == 400;
            assert!(malformed || [401, 403].contains(&response.status), "expected default deny\n{response}");
        }
    }
    // Signed, an unknown path is what it is.
    core.get("/v1/nothing").send().problem("not-found", &[]);
    core.get("/healthz").send().problem("not-found", &[]);
}

fn method_path_and_query_count(world: &World) {
    let core = world.core(REGION);
    let ana = world.person("signed");
    let signed = || core.get("/v1/users/auth0%7Cana/echoes?cursor&limit=5").signed();
    signed().send(&core.base);
    let response = Request { method: "HEAD".to_owned(), ..signed() }.send(&core.base);
    assert_eq!(response.status, 401, "{response}");
    for method in ["POST", "DELETE", "OPTIONS", "get"] {
        refused(&core, &Request { method: method.to_owned(), ..signed() }, method);
    }
    for target in [
        "/v1/users/auth0%7Cben/echoes?cursor&limit=5",
        "/v1/users/auth0|ana/echoes?cursor&limit=6",
        "/v1/users/auth0%7Cana/echoes?cursor&limit=6",
        "/v1/users/auth0%7Cana/echoes?limit=5",
        "/v1/users/auth0%7Cana/echoes?cursor&limit=5&x=1",
        "/v1/users/auth0%7Cana/echoes?cursor&limit=5&limit=5",
        "/v1/users/auth0%7Cana/echoes",
        "/v1/emotions",
        "/V1/users/auth0%7Cana/echoes?cursor&limit=5",
    ] {
        refused(&core, &Request { target: target.to_owned(), ..signed() }, target);
    }
    refused(&core, &Request { target: "/v1/echoes".to_owned(), ..create(&core, &ana).signed() }, "without its query");
    ana.has_nothing(world);
}

fn every_signed_header_counts(world: &World) {
    let core = world.core(REGION);
    let (ana, ben) = (world.person("signed-ana"), world.person("signed-ben"));
    let signed = || create(&core, &ana).signed();
    refused(&core, &signed().edited("x-echoes-user", |_| ben.id.clone()), "another user");
    refused(&core, &signed().edited("x-echoes-request-id", |_| "r-3".to_owned()), "another request id");
    refused(&core, &signed().edited("host", |_| "127.0.0.1:7001".to_owned()), "another host");
    refused(&core, &signed().edited("host", |_| "localhost:7003".to_owned()), "another name of the host");
    for name in ["x-echoes-user", "x-echoes-request-id", "x-amz-date", "x-amz-content-sha256", "authorization"] {
        refused(&core, &signed().without(name), &format!("without {name}"));
    }
    ana.has_nothing(world);
    ben.has_nothing(world);
}

fn the_body_counts(world: &World) {
    let core = world.core(REGION);
    let ana = world.person("signed");
    for body in ["", r#"{"emotion":"happy"} "#, r#"{"emotion":"sad"}"#, r#"{"emotion":"happx"}"#] {
        let mut request = create(&core, &ana).signed();
        request.body = body.into();
        refused(&core, &request, body);
    }
    ana.has_nothing(world);
}

fn the_scope_counts(world: &World) {
    let core = world.core(REGION);
    let ana = world.person("signed");
    for region in Region::ALL.into_iter().filter(|region| *region != REGION) {
        refused(&core, &create(&core, &ana).scope(region).signed(), &format!("signed for {region}"));
    }
    let day = clock::now().to_string()[..10].replace('-', "");
    for (from, to) in [
        (format!("/{day}/"), "/20261121/".to_owned()),
        ("/eu-west-1/".to_owned(), "/us-east-1/".to_owned()),
        ("/echoes/".to_owned(), "/dynamodb/".to_owned()),
        ("/aws4_request".to_owned(), "/aws5_request".to_owned()),
        ("/aws4_request".to_owned(), "".to_owned()),
        ("/aws4_request".to_owned(), "/aws4_request/more".to_owned()),
    ] {
        let request = create(&core, &ana).signed().edited("authorization", |value| {
            assert!(value.contains(&from), "{value} lacks {from}");
            value.replace(&from, &to)
        });
        refused(&core, &request, &format!("{from} → {to}"));
    }
    ana.has_nothing(world);
}

fn the_date_counts(world: &World) {
    let core = world.core(REGION);
    let ana = world.person("signed");
    let minutes = 60_000;
    for at in [
        clock::now().minus_millis(6 * minutes),
        clock::now().plus_millis(6 * minutes),
        clock::now().minus_days(1),
        clock::now().plus_days(365),
    ] {
        refused(&core, &create(&core, &ana).at(at).signed(), &format!("signed at {at}"));
    }
    let later = |value: &str| {
        let last = value.as_bytes()[14];
        format!("{}{}Z", &value[..14], char::from(if last == b'0' { b'1' } else { last - 1 }))
    };
    refused(&core, &create(&core, &ana).signed().edited("x-amz-date", later), "a second away");
    for date in ["", "now", "20261122", "2026-11-22T22:59:53Z"] {
        refused(&core, &create(&core, &ana).signed().edited("x-amz-date", |_| date.to_owned()), date);
    }
    ana.has_nothing(world);
}

fn the_key_counts(world: &World) {
    let core = world.core(REGION);
    let ana = world.person("signed");
    let other_secret = EdgeKey::new(core.key.id(), "another-secret").unwrap();
    let other_id = EdgeKey::new("ANOTHERKEY", &core.secret).unwrap();
    for key in [other_secret, other_id] {
        refused(&core, &create(&core, &ana).key(key.clone()).signed(), &format!("{key:?}"));
    }
    ana.has_nothing(world);
}

fn one_flipped_bit_is_noticed(world: &World) {
    let core = world.core(REGION);
    let ana = world.person("signed");
    let signed = create(&core, &ana).signed();
    let value = signed.value("authorization").unwrap().to_owned();
    for back in 1..=64 {
        // The digits of one flipped bit, as hexadecimal digits again.
        let at = value.len() - back;
        let digit = u32::from_str_radix(&value[at..=at], 16).unwrap() ^ (1 << (back % 4));
        let forged = format!("{}{digit:x}{}", &value[..at], &value[at + 1..]);
        refused(&core, &signed.clone().edited("authorization", |_| forged), "a flipped bit");
    }
    let shouted = value.replace(&value[value.len() - 64..], &value[value.len() - 64..].to_uppercase());
    if shouted != value {
        refused(&core, &signed.clone().edited("authorization", |_| shouted), "capitals");
    }
    ana.has_nothing(world);
    signed.send(&core.base).expect(201);
}
