//! What the edge keeps, for how long, and under which keys.

use std::time::Duration;

use echoes_tests::people::id_of;
use echoes_tests::shape::{check_read, list_of};
use echoes_tests::waiting::eventually;
use echoes_tests::{Request, Response, World, cities, json};

super::trials!(
    TRIALS: the_second_read_is_a_hit, what_is_unknown_adds_no_entry, an_echo_is_kept_too, what_is_private_is_not_kept,
    a_hit_grows_old, every_answer_has_its_own_id, a_create_shows_where_it_was_made,
);

/// Nobody creates echoes of these but the trial that names them.
const QUIET: &str = "/v1/emotions/confident/echoes";
const GROWING: &str = "/v1/emotions/grateful/echoes";

/// The seconds that a hit of the edge alone has left.
fn ttl(response: &Response) -> Option<i64> {
    let text = response.one("cache-status").strip_prefix("echoes-edge; hit; ttl=")?;
    text.split(';').next()?.trim().parse().ok()
}

fn hit(world: &World, target: &str) -> Response {
    eventually(Duration::from_secs(8), "a fresh hit of the edge", || {
        let response = world.get(target).expect(200);
        check_read(&response);
        if ttl(&response).is_some_and(|left| (1..=5).contains(&left)) {
            Ok(response)
        } else {
            Err(response.to_string())
        }
    })
}

/// A list carries a weak tag and is not sent again to whom has it.
pub fn weak_tag_and_304(world: &World, path: &str) {
    let (tag, first) = eventually(Duration::from_secs(5), "two equal reads", || {
        let (first, second) = (world.get(path).expect(200), world.get(path).expect(200));
        let tag = first.one("etag").to_owned();
        if tag == second.one("etag") { Ok((tag, first)) } else { Err(second.to_string()) }
    });
    assert!(tag.starts_with("W/\"") && tag.ends_with('"') && tag.len() > 4, "expected a weak tag\n{first}");
    let strong = tag.trim_start_matches("W/");
    for tags in [tag.as_str(), strong, &format!("\"other\", {tag}"), "*"] {
        let response = world.edge(&Request::get(path).header("if-none-match", tags)).expect(304);
        assert_eq!(response.one("etag"), tag, "{response}");
        assert!(response.header("content-length").is_none_or(|length| length == "0"), "{response}");
        check_read(&response);
    }
    for tags in ["\"other\"", "W/\"other\"", "other"] {
        world.edge(&Request::get(path).header("if-none-match", tags)).expect(200);
    }
    let response = world.edge(&Request::new("HEAD", path).header("if-none-match", tag.as_str()));
    assert_eq!(response.status, 304, "{response}");
}

fn the_second_read_is_a_hit(world: &World) {
    let first = world.get(QUIET).expect(200);
    check_read(&first);
    let second = hit(world, QUIET);
    assert_eq!(second.body, first.body, "{second}");
    assert_eq!(second.one("etag"), first.one("etag"), "{second}");
    assert!(second.one("cache-control").contains("max-age="), "{second}");
    // Another listener's edge is the same one here: what is kept is served whoever asks.
    let far = world.edge(&Request::get(QUIET).from(&cities::TOKYO)).expect(200);
    assert_eq!(far.body, first.body, "{far}");
}

fn what_is_unknown_adds_no_entry(world: &World) {
    for target in ["?x=1", "?limit=20", "?utm_source=a&limit=20&utm_source=b", "?limit=020", "?"] {
        hit(world, QUIET);
        let response = world.get(&format!("{QUIET}{target}")).expect(200);
        assert!(ttl(&response).is_some(), "expected the entry of {QUIET} to answer\n{response}");
    }
    hit(world, QUIET);
    let odd =
        Request::get(QUIET).header("cookie", "a=b").header("accept-language", "de").header("range", "bytes=0-1");
    let response = world.edge(&odd).expect(200);
    assert!(ttl(&response).is_some(), "expected headers of a caller not to matter\n{response}");
}

fn an_echo_is_kept_too(world: &World) {
    let ana = world.person("caching");
    let path = format!("/v1/echoes/{}", id_of(&ana.create(world, &json!({ "emotion": "calm" }))));
    let first = world.get(&path).expect(200);
    assert!(first.one("cache-status").ends_with("echoes-edge; fwd=miss; stored"), "{first}");
    assert!(first.one("cache-status").starts_with("echoes-store"), "{first}");
    assert_eq!(hit(world, &path).body, first.body);
}

fn what_is_private_is_not_kept(world: &World) {
    let ana = world.person("caching");
    ana.create(world, &json!({ "emotion": "excited" }));
    for path in [ana.timeline(), "/v1/emotions/excited/random".to_owned()] {
        for _ in 0..3 {
            let response = world.get(&path).expect(200);
            assert!(ttl(&response).is_none(), "expected no hit\n{response}");
            assert!(response.one("cache-status").contains("echoes-edge; fwd="), "{response}");
        }
    }
}

/// Fresh for five seconds; after that it is served once more while it is refreshed, and then it is fresh again.
fn a_hit_grows_old(world: &World) {
    let path = "/v1/emotions/peaceful/echoes?limit=3";
    let left = ttl(&hit(world, path)).unwrap();
    eventually(Duration::from_secs(4), "less freshness", || {
        let response = world.get(path);
        let now = ttl(&response);
        if now.is_some_and(|now| now < left) || left == 1 { Ok(()) } else { Err(response.to_string()) }
    });
    eventually(Duration::from_secs(8), "a fresh answer again", || {
        let response = world.get(path);
        if ttl(&response) == Some(5) || response.one("cache-status").ends_with("stored") {
            Ok(())
        } else {
            Err(response.to_string())
        }
    });
}

fn every_answer_has_its_own_id(world: &World) {
    let ids: Vec<_> = (0..10).map(|_| hit(world, QUIET).one("echoes-request-id").to_owned()).collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}

fn a_create_shows_where_it_was_made(world: &World) {
    let ana = world.person("caching");
    for _ in 0..3 {
        hit(world, GROWING);
        let echo = ana.create(world, &json!({ "emotion": "grateful" }));
        let response = world.get(GROWING);
        assert!(list_of(&response).0.contains(&echo), "expected the new echo in the feed at once\n{response}");
    }
}
