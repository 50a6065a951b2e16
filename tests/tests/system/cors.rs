//! CORS is open for reads, and `OPTIONS` is answered everywhere.

use echoes_tests::{Request, Response, World, fresh};

super::trials!(TRIALS: options_are_answered_everywhere, a_preflight_is_told_what_it_needs, answers_may_be_read);

const ORIGIN: &str = "https://player.example";

fn words(response: &Response, name: &str) -> Vec<String> {
    response.one(name).split(',').map(|word| word.trim().to_ascii_lowercase()).collect()
}

fn options_are_answered_everywhere(world: &World) {
    let echo = format!("/v1/echoes/{}", fresh::key());
    for (path, allowed) in [
        ("/v1/emotions", "get head options"),
        ("/v1/emotions/happy/echoes", "get head options"),
        ("/v1/emotions/happy/random", "get head options"),
        ("/v1/echoes/recent", "get head options"),
        ("/v1/users/ana/echoes", "get head options"),
        ("/v1/status", "get head options"),
        ("/v1/echoes", "post options"),
        (&echo, "get head patch delete options"),
    ] {
        let response = world.edge(&Request::new("OPTIONS", path)).expect(204);
        let said = words(&response, "allow");
        assert!(
            allowed.split(' ').all(|word| said.contains(&word.to_owned())),
            "expected Allow: {allowed}\n{response}"
        );
    }
    for path in ["/v1/nothing", "/v1/emotions/joyful/echoes", "/v1/echoes/1"] {
        let response = world.edge(&Request::new("OPTIONS", path));
        assert!([204, 400, 404].contains(&response.status), "{response}");
    }
}

fn a_preflight_is_told_what_it_needs(world: &World) {
    let preflight = |method: &str, path: &str, headers: &str| {
        let request = Request::new("OPTIONS", path).header("origin", ORIGIN);
        let request = request.header("access-control-request-method", method);
        world.edge(&request.header("access-control-request-headers", headers)).expect(204)
    };
    let asked = "authorization,content-type,idempotency-key";
    let response = preflight("POST", "/v1/echoes", asked);
    assert!(words(&response, "access-control-allow-methods").contains(&"post".to_owned()), "{response}");
    let allowed = words(&response, "access-control-allow-headers");
    assert!(
        asked.split(',').all(|name| allowed.contains(&name.to_owned())),
        "expected {asked} to be allowed\n{response}"
    );
    let response = preflight("PATCH", &format!("/v1/echoes/{}", fresh::key()), "authorization,content-type,if-match");
    assert!(words(&response, "access-control-allow-methods").contains(&"patch".to_owned()), "{response}");
    assert!(words(&response, "access-control-allow-headers").contains(&"if-match".to_owned()), "{response}");
    let response = preflight("DELETE", &format!("/v1/echoes/{}", fresh::key()), "authorization");
    assert!(words(&response, "access-control-allow-methods").contains(&"delete".to_owned()), "{response}");
    let response = preflight("GET", "/v1/emotions", "if-none-match");
    assert!(words(&response, "access-control-allow-headers").contains(&"if-none-match".to_owned()), "{response}");
    assert!(response.header("access-control-allow-credentials").is_none(), "{response}");
}

fn answers_may_be_read(world: &World) {
    for path in ["/v1/emotions", "/v1/emotions/calm/echoes", "/v1/users/nobody/echoes", "/v1/nothing", "/v1/status"] {
        // Twice, since an answer from memory is built differently. The open origin itself is checked for every answer.
        for _ in 0..2 {
            let response = world.edge(&Request::get(path).header("origin", ORIGIN));
            let exposed = words(&response, "access-control-expose-headers");
            for name in ["echoes-request-id", "echoes-region", "etag", "cache-status"] {
                assert!(exposed.contains(&name.to_owned()), "expected scripts to see {name}\n{response}");
            }
        }
    }
}
