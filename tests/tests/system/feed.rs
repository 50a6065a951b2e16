//! `GET /v1/emotions/{emotion}/echoes`

use std::collections::BTreeSet;
use std::time::Duration;

use echoes_tests::people::id_of;
use echoes_tests::shape::{check_read, list_of};
use echoes_tests::waiting::{at_once, eventually};
use echoes_tests::{Request, Value, World, cities, clock, fresh, json};

super::trials!(
    TRIALS: an_emotion_without_echoes_is_an_empty_list, a_new_echo_comes_first, a_walk_shows_every_echo_once,
    the_page_is_as_long_as_asked, it_has_a_weak_tag_and_answers_304, head_is_get_without_a_body,
    a_cursor_belongs_to_its_list, an_unknown_emotion_is_404,
    echoes_of_one_millisecond_are_all_there,
);

/// Nobody creates echoes of these but the trial that names them.
const EMPTY: &str = "/v1/emotions/bored/echoes";
const WALKED: &str = "melancholic";

fn an_emotion_without_echoes_is_an_empty_list(world: &World) {
    let response = world.get(EMPTY).expect(200);
    check_read(&response);
    assert_eq!(response.json(), json!({ "echoes": [] }), "{response}");
}

fn a_new_echo_comes_first(world: &World) {
    let ana = world.person("feed");
    for _ in 0..2 {
        let echo = ana.create(world, &json!({ "emotion": "relieved", "transcript": "at last" }));
        eventually(Duration::from_secs(8), "the echo at the head of its feed", || {
            let response = world.get("/v1/emotions/relieved/echoes");
            check_read(&response);
            let (echoes, _) = list_of(&response);
            assert!(echoes.iter().all(|echo| echo["emotion"] == "relieved"), "expected one emotion\n{response}");
            if echoes.first() == Some(&echo) { Ok(()) } else { Err(response.to_string()) }
        });
    }
}

/// 45 echoes by several people from several regions, walked in pages of every kind.
fn a_walk_shows_every_echo_once(world: &World) {
    let people: Vec<_> = (0..3).map(|_| world.person("walk")).collect();
    let created = at_once(5, |worker| {
        let create = |nth: usize| {
            let content = json!({ "emotion": WALKED, "transcript": format!("{worker}-{nth}") });
            let echo = people[nth % 3].create_from(world, &cities::ONE_EACH[worker % 4], &content);
            id_of(&echo).to_owned()
        };
        (0..9).map(create).collect::<Vec<_>>()
    });
    let created: BTreeSet<String> = created.into_iter().flatten().collect();
    assert_eq!(created.len(), 45);
    let whole = format!("/v1/emotions/{WALKED}/echoes?limit=100");
    let all = eventually(Duration::from_secs(15), "all 45 in the feed", || {
        let response = world.get(&whole);
        let (echoes, cursor) = list_of(&response);
        if echoes.len() < 45 {
            return Err(format!("{} of 45\n{response}", echoes.len()));
        }
        assert_eq!(cursor, None, "expected no nextCursor at the end\n{response}");
        Ok(echoes)
    });
    let ids: BTreeSet<String> = all.iter().map(|echo| id_of(echo).to_owned()).collect();
    assert_eq!(ids, created);
    // 45 and 15 end exactly with a page; 10 does not; 44 leaves one.
    for (limit, pages) in [(10, 5), (15, 3), (44, 2), (45, 1)] {
        let walked = walk(world, &format!("/v1/emotions/{WALKED}/echoes"), limit);
        assert_eq!(walked.len(), pages, "pages of {limit}: {:?}", walked.iter().map(Vec::len).collect::<Vec<_>>());
        assert!(walked.iter().rev().skip(1).all(|page| page.len() == limit), "a short page before the end");
        assert_eq!(walked.concat(), all, "the walk by {limit} differs from the whole list");
    }
}

fn the_page_is_as_long_as_asked(world: &World) {
    let ana = world.person("limit");
    for nth in 0..22 {
        ana.create(world, &json!({ "emotion": "amused", "transcript": format!("{nth}") }));
    }
    for (query, length) in [("?limit=1", 1), ("?limit=22", 22), ("", 20), ("?limit=7&page=2&limits=3", 7)] {
        eventually(Duration::from_secs(8), "a page of the length asked for", || {
            let response = world.get(&format!("/v1/emotions/amused/echoes{query}"));
            let (echoes, _) = list_of(&response);
            if echoes.len() == length { Ok(()) } else { Err(format!("expected {length}\n{response}")) }
        });
    }
}

fn it_has_a_weak_tag_and_answers_304(world: &World) {
    super::caching::weak_tag_and_304(world, EMPTY);
}

fn head_is_get_without_a_body(world: &World) {
    let response = world.edge(&Request::new("HEAD", EMPTY)).expect(200);
    check_read(&response);
    assert_eq!(response.one("content-type"), "application/json", "{response}");
    response.one("etag");
}

fn a_cursor_belongs_to_its_list(world: &World) {
    let ana = world.person("cursor");
    for nth in 0..3 {
        ana.create(world, &json!({ "emotion": "curious", "transcript": format!("{nth}") }));
    }
    let cursor = eventually(Duration::from_secs(8), "a cursor", || {
        let response = world.get("/v1/emotions/curious/echoes?limit=1");
        list_of(&response).1.ok_or_else(|| response.to_string())
    });
    world.get(&format!("/v1/emotions/curious/echoes?limit=2&cursor={cursor}")).expect(200);
    let elsewhere = ["/v1/emotions/calm/echoes".to_owned(), "/v1/echoes/recent".to_owned(), ana.timeline()];
    for path in elsewhere {
        world.get(&format!("{path}?cursor={cursor}")).problem("invalid-request", &["cursor"]);
    }
}

fn an_unknown_emotion_is_404(world: &World) {
    for word in ["joyful", "Happy", "happy%20", "happy%233", "happy%23", "", "hap%70y"] {
        world.get(&format!("/v1/emotions/{word}/echoes")).problem("not-found", &[]);
        world.get(&format!("/v1/emotions/{word}/random")).problem("not-found", &[]);
    }
}

fn echoes_of_one_millisecond_are_all_there(world: &World) {
    let at = clock::now();
    let create =
        |_| world.edge(&world.person("same").creating(fresh::key_at(at), &json!({ "emotion": "energetic" })));
    let mut created: Vec<Value> = (0..6).map(create).map(|response| response.expect(201).json()).collect();
    created.sort_by_key(|echo| std::cmp::Reverse(id_of(echo).to_owned()));
    assert!(created.iter().all(|echo| echo["timestamp"] == at.to_string()), "{created:?}");
    for limit in [1, 2, 4] {
        eventually(Duration::from_secs(8), "all six, by their ids", || {
            let walked = walk(world, "/v1/emotions/energetic/echoes", limit).concat();
            if walked == created { Ok(()) } else { Err(format!("by {limit}: {walked:#?}")) }
        });
    }
}

/// Every page of a list, by following its cursors.
pub fn walk(world: &World, path: &str, limit: usize) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut target = format!("{path}?limit={limit}");
    loop {
        let (echoes, cursor) = list_of(&world.get(&target));
        pages.push(echoes);
        let Some(cursor) = cursor else { return pages };
        assert!(pages.len() < 200, "the walk of {path} does not end");
        target = format!("{path}?limit={limit}&cursor={cursor}");
    }
}
