//! What a signed call must look like, besides being signed.

use echoes_tests::cores::Core;
use echoes_tests::programs::sign_with_botocore;
use echoes_tests::{Person, Request, World, json};

use super::{REGION, check_refusal, create, refused};

super::super::trials!(
    TRIALS: headers_must_be_signed_and_single, payloads_must_be_hashed, credentials_do_not_belong_in_the_query,
    other_forms_of_authorization, a_refusal_tells_nothing,
);

/// An edit of an `Authorization` header.
type Edit = fn(&str) -> String;

fn headers_must_be_signed_and_single(world: &World) {
    let core = world.core(REGION);
    let (ana, ben) = (world.person("signed-ana"), world.person("signed-ben"));
    let signed = || create(&core, &ana).signed();
    for (name, value) in
        [("x-echoes-fallback", "1"), ("x-echoes-anything", ""), ("x-amz-security-token", "x"), ("x-amz-meta", "x")]
    {
        refused(&core, &signed().header(name, value), &format!("{name} added unsigned"));
    }
    for name in ["x-echoes-user", "x-amz-date", "x-amz-content-sha256", "authorization", "x-echoes-request-id"] {
        let value = signed().value(name).unwrap().to_owned();
        refused(&core, &signed().header(name, value), &format!("{name} twice"));
    }
    refused(&core, &signed().header("x-echoes-user", ben.id.as_str()), "a second user");
    let host = signed().value("host").unwrap().to_owned();
    let response = signed().header("host", host).send(&core.base);
    assert!([400, 401, 403].contains(&response.status), "two hosts\n{response}");
    // A header that the list of signed ones leaves out.
    for name in ["host", "x-amz-date", "x-amz-content-sha256", "x-echoes-user"] {
        let unlisted = |value: &str| {
            let edited = value.replace(&format!("{name};"), "").replace(&format!(";{name},"), ",");
            assert_ne!(edited, value, "{name} is not listed in {value}");
            edited
        };
        refused(&core, &signed().edited("authorization", unlisted), &format!("{name} not listed"));
    }
    ana.has_nothing(world);
    ben.has_nothing(world);
}

fn payloads_must_be_hashed(world: &World) {
    let core = world.core(REGION);
    let ana = world.person("signed");
    let zeros = "0".repeat(64);
    for hash in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", "abc", &zeros] {
        refused(&core, &create(&core, &ana).signed().edited("x-amz-content-sha256", |_| hash.to_owned()), hash);
    }
    unsigned_payload_with_a_true_signature(&core, &ana);
    ana.has_nothing(world);
}

/// As an honest client of S3 would sign it; the core must not take even that.
fn unsigned_payload_with_a_true_signature(core: &Core, ana: &Person) {
    let call = json!({
        "method": "POST", "url": format!("{}/v1/echoes", core.base), "body": "",
        "headers": { "x-echoes-user": ana.id }, "payloadHash": "UNSIGNED-PAYLOAD",
        "service": "echoes", "region": core.region.as_str(), "accessKeyId": core.key.id(), "secretAccessKey": core.secret,
    });
    let mut request = Request::new("POST", "/v1/echoes");
    request.headers = sign_with_botocore(&call).into_iter().filter(|(name, _)| name != "content-length").collect();
    refused(core, &request.json_text(r#"{"emotion":"happy"}"#), "UNSIGNED-PAYLOAD, truly signed");
}

fn credentials_do_not_belong_in_the_query(world: &World) {
    let core = world.core(REGION);
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}%2F20261122%2Feu-west-1%2Fechoes%2Faws4_request\
         &X-Amz-Date=20261122T000000Z&X-Amz-Expires=600&X-Amz-SignedHeaders=host&X-Amz-Signature={}",
        core.key.id(),
        "0".repeat(64),
    );
    refused(&core, &Request::get(format!("/v1/emotions?{query}")), "in the query alone");
    for query in [query.as_str(), "X-Amz-Signature=1", "x-amz-credential=1", "X%2DAmz-Date=1"] {
        // Signed with it, and so right but for the rule.
        refused(&core, &core.get(&format!("/v1/emotions?{query}")).signed(), query);
    }
}

fn other_forms_of_authorization(world: &World) {
    let core = world.core(REGION);
    let signed = || core.get("/v1/emotions").signed();
    for value in ["", "Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=x", "Basic YTpi"] {
        refused(&core, &signed().edited("authorization", |_| value.to_owned()), value);
    }
    let edits: [(&str, Edit); 5] = [
        ("another algorithm", |value| value.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1")),
        ("a part more", |value| format!("{value}, X=1")),
        ("capitals among the headers", |value| value.replace("SignedHeaders=host", "SignedHeaders=HOST")),
        ("a header twice in the list", |value| value.replace("SignedHeaders=host", "SignedHeaders=host;host")),
        ("a short signature", |value| value[..value.len() - 1].to_owned()),
    ];
    for (what, edit) in edits {
        refused(&core, &signed().edited("authorization", edit), what);
    }
}

fn a_refusal_tells_nothing(world: &World) {
    let core = world.core(REGION);
    let signed = core.get("/v1/emotions").signed();
    let right = signed.value("authorization").unwrap().rsplit_once('=').unwrap().1.to_owned();
    let forged = signed.edited("authorization", |value| value.replace(&right, &"0".repeat(64)));
    let response = forged.send(&core.base);
    check_refusal(&response, "a forged signature");
    let shown = response.to_string();
    let answer = shown.split_once("--- answered").unwrap().1;
    assert!(
        !answer.contains(&right) && !answer.contains(&core.secret),
        "the answer gives the signature away\n{response}"
    );
}
