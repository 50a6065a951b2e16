//! Who is believed, and who is not: Bearer tokens on the two calls that need one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use echoes_tests::{Request, Response, World, fresh, json};

super::trials!(
    TRIALS: without_a_token_nobody_is_known, a_token_must_be_good, alg_none_is_no_signature,
    a_changed_claim_breaks_the_signature, other_forms_are_no_tokens, a_subject_that_is_no_userid_is_403,
    the_body_cannot_name_the_person, reads_need_no_token, an_audience_counts_as_a_whole,
);

fn create(world: &World, authorization: Option<&str>) -> Response {
    let request = Request::new("POST", "/v1/echoes").json(&json!({ "emotion": "happy" }));
    let request = match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    };
    world.edge(&request)
}

fn refused(response: &Response) {
    response.problem("unauthenticated", &[]);
    let challenge = response.one("www-authenticate");
    assert!(challenge.starts_with("Bearer"), "expected a Bearer challenge\n{response}");
}

fn without_a_token_nobody_is_known(world: &World) {
    refused(&create(world, None));
    refused(&create(world, Some("")));
}

fn a_token_must_be_good(world: &World) {
    let name = fresh::name("identity");
    let bearer = |wishes: echoes_tests::Value| format!("Bearer {}", world.control().token(&wishes));
    let good = bearer(json!({ "sub": name, "expiresInSeconds": 60 }));
    for wishes in [
        json!({ "sub": name, "expiresInSeconds": -1 }),
        json!({ "sub": name, "expiresInSeconds": -86_400 }),
        json!({ "sub": name, "expiresInSeconds": 60, "aud": "another" }),
        json!({ "sub": name, "expiresInSeconds": 60, "aud": "" }),
        json!({ "sub": name, "expiresInSeconds": 60, "iss": "https://another.example" }),
        json!({ "sub": name, "expiresInSeconds": 60, "key": "unknown" }),
    ] {
        refused(&create(world, Some(&bearer(wishes))));
    }
    world.named(&name).has_nothing(world);
    create(world, Some(&good)).expect(201);
    create(world, Some(&good.replace("Bearer", "bearer"))).expect(201);
}

fn alg_none_is_no_signature(world: &World) {
    let ana = world.person("identity");
    let [_, claims, signature] = parts(&ana.token);
    for algorithm in ["none", "None", "NONE", "", "HS256", "ES256K", "RS256"] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": algorithm, "typ": "JWT" }).to_string());
        for signature in ["", &signature] {
            refused(&create(world, Some(&format!("Bearer {header}.{claims}.{signature}"))));
        }
    }
    ana.has_nothing(world);
}

fn a_changed_claim_breaks_the_signature(world: &World) {
    let (ana, ben) = (world.person("identity-ana"), world.person("identity-ben"));
    let [header, _, signature] = parts(&ana.token);
    let [_, bens_claims, _] = parts(&ben.token);
    refused(&create(world, Some(&format!("Bearer {header}.{bens_claims}.{signature}"))));
    let mut bytes = URL_SAFE_NO_PAD.decode(&signature).unwrap();
    bytes[10] ^= 1;
    let [_, claims, _] = parts(&ana.token);
    refused(&create(world, Some(&format!("Bearer {header}.{claims}.{}", URL_SAFE_NO_PAD.encode(bytes)))));
    ana.has_nothing(world);
    ben.has_nothing(world);
}

fn other_forms_are_no_tokens(world: &World) {
    let ana = world.person("identity");
    let [header, claims, signature] = parts(&ana.token);
    for value in [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer ..",
        "Bearer a.b.c",
        "Basic YW5hOmFuYQ==",
        &ana.token,
        &format!("Bearer {} ", "a".repeat(9_000)),
        &format!("Bearer {header}.{claims}"),
        &format!("Bearer {header}.{claims}.{signature}.{signature}"),
        &format!("Bearer {header}.{claims}.{signature}="),
        &format!("Bearer {}, Bearer {}", ana.token, ana.token),
    ] {
        refused(&create(world, Some(value)));
    }
    let twice = Request::new("POST", "/v1/echoes").token(&ana.token).token(&world.person("identity").token);
    refused(&world.edge(&twice.json(&json!({ "emotion": "happy" }))));
    ana.has_nothing(world);
}

fn a_subject_that_is_no_userid_is_403(world: &World) {
    for sub in ["me", "", "a#202611", "a b", "é", "a/b", &"x".repeat(129), "a\u{0}"] {
        let token = world.control().token(&json!({ "sub": sub, "expiresInSeconds": 60 }));
        create(world, Some(&format!("Bearer {token}"))).problem("forbidden", &[]);
        let delete = Request::new("DELETE", format!("/v1/echoes/{}", fresh::key())).token(&token);
        world.edge(&delete).problem("forbidden", &[]);
    }
}

fn the_body_cannot_name_the_person(world: &World) {
    let (ana, ben) = (world.person("identity-ana"), world.person("identity-ben"));
    let request = ana.creating(fresh::key(), &json!({ "emotion": "happy", "userId": ben.id }));
    world.edge(&request).problem("invalid-request", &["userId"]);
    // Nor can the headers between edge and core.
    let request = ana.creating(fresh::key(), &json!({ "emotion": "happy" })).header("x-echoes-user", ben.id.as_str());
    let echo = world.edge(&request).expect(201).json();
    assert_eq!(echo["userId"], ana.id.as_str(), "{echo}");
    ben.has_nothing(world);
}

fn reads_need_no_token(world: &World) {
    for path in
        ["/v1/emotions", "/v1/emotions/calm/echoes", "/v1/echoes/recent", "/v1/users/nobody/echoes", "/v1/status"]
    {
        world.edge(&Request::get(path).header("authorization", "Bearer rubbish")).expect(200);
    }
}

fn an_audience_counts_as_a_whole(world: &World) {
    let name = fresh::name("identity");
    for aud in ["echoes,other", "echoes ", "ECHOES", "echoes.dev"] {
        let token = world.control().token(&json!({ "sub": name, "expiresInSeconds": 60, "aud": aud }));
        refused(&create(world, Some(&format!("Bearer {token}"))));
    }
}

fn parts(token: &str) -> [String; 3] {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap_or_else(|parts| panic!("no JWT: {parts:?}"))
}
