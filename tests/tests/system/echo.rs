//! `GET /v1/echoes/{echoId}`

use echoes_tests::people::id_of;
use echoes_tests::shape::{check_echo, check_read};
use echoes_tests::{Request, World, fresh, json};

super::trials!(
    TRIALS: it_is_the_echo_as_created, its_tag_is_its_version, head_is_get_without_a_body,
    an_id_that_nobody_has_is_404, what_is_no_uuidv7_is_400, an_id_in_capitals_is_the_same,
);

fn it_is_the_echo_as_created(world: &World) {
    let ana = world.person("echo");
    let echo = ana.create(world, &json!({ "emotion": "happy", "transcript": "…" }));
    let response = world.get(&format!("/v1/echoes/{}", id_of(&echo))).expect(200);
    check_read(&response);
    check_echo(&response.json());
    assert_eq!(response.json(), echo, "{response}");
}

fn its_tag_is_its_version(world: &World) {
    let ana = world.person("echo");
    let path = format!("/v1/echoes/{}", id_of(&ana.create(world, &json!({ "emotion": "happy" }))));
    let response = world.get(&path).expect(200).expect_header("etag", "\"1\"");
    check_read(&response);
    for tags in ["\"1\"", "W/\"1\"", "\"7\", W/\"1\"", "*"] {
        let response = world.edge(&Request::get(path.as_str()).header("if-none-match", tags)).expect(304);
        assert_eq!(response.one("etag"), "\"1\"", "{response}");
    }
    for tags in ["\"2\"", "1", "\"11\"", "", "\""] {
        world.edge(&Request::get(path.as_str()).header("if-none-match", tags)).expect(200);
    }
}

fn head_is_get_without_a_body(world: &World) {
    let ana = world.person("echo");
    let path = format!("/v1/echoes/{}", id_of(&ana.create(world, &json!({ "emotion": "happy" }))));
    for _ in 0..2 {
        let response = world.edge(&Request::new("HEAD", path.as_str())).expect(200).expect_header("etag", "\"1\"");
        check_read(&response);
        assert_eq!(response.one("content-type"), "application/json", "{response}");
    }
    let nobody = format!("/v1/echoes/{}", fresh::key());
    world.edge(&Request::new("HEAD", nobody)).expect(404);
}

fn an_id_that_nobody_has_is_404(world: &World) {
    world.get(&format!("/v1/echoes/{}", fresh::key())).problem("not-found", &[]);
}

fn what_is_no_uuidv7_is_400(world: &World) {
    let key = fresh::key().to_string();
    let other_version = format!("{}4{}", &key[..14], &key[15..]);
    let bare = key.replace('-', "");
    for id in [other_version.as_str(), bare.as_str(), "1", "recents", "me", "%00", &format!("{key}0")] {
        world.get(&format!("/v1/echoes/{id}")).problem("invalid-request", &["echoId"]);
    }
}

fn an_id_in_capitals_is_the_same(world: &World) {
    let ana = world.person("echo");
    let echo = ana.create(world, &json!({ "emotion": "happy" }));
    let response = world.get(&format!("/v1/echoes/{}", id_of(&echo).to_uppercase())).expect(200);
    assert_eq!(response.json(), echo, "{response}");
}
