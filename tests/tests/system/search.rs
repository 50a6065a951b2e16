//! `GET /v1/search`

use std::collections::BTreeSet;
use std::time::Duration;

use echoes_tests::people::id_of;
use echoes_tests::shape::{check_echo, check_read};
use echoes_tests::waiting::eventually;
use echoes_tests::{Person, Request, Response, Value, World, cities, json};

super::trials!(
    TRIALS: words_phrases_and_scripts_without_spaces, filters_leave_out_the_rest, near_is_measured,
    cursors_show_everything_once, what_is_found_is_shown_where_it_stands, an_edit_is_found_and_a_delete_is_not,
    every_region_finds_it, a_bad_query_names_the_parameter, odd_queries_are_harmless, a_cursor_of_another_search,
    it_has_a_weak_tag_and_answers_304, other_methods_are_405,
);

/// How long the index may take, on a machine that is busy, and an edge that has answered the same before.
const SOON: Duration = Duration::from_secs(20);

/// The results of an answer, checked, and the cursor of the next page.
#[track_caller]
fn results_of(response: &Response) -> (Vec<Value>, Option<String>) {
    assert!(response.status == 200, "expected results\n{response}");
    check_read(response);
    let body = response.json();
    let mut fields = body.as_object().into_iter().flat_map(|fields| fields.keys());
    assert!(fields.all(|name| ["results", "nextCursor"].contains(&name.as_str())), "{response}");
    let results = body["results"].as_array().cloned().unwrap_or_else(|| panic!("no results\n{response}"));
    for result in &results {
        check_echo(&result["echo"]);
        let known = ["echo", "score", "highlights", "distanceKm"];
        let mut fields = result.as_object().into_iter().flat_map(|fields| fields.keys());
        assert!(fields.all(|name| known.contains(&name.as_str())), "unexpected fields in {result}");
    }
    (results, body["nextCursor"].as_str().map(str::to_owned))
}

/// The transcripts of what a search finds, in its order.
#[track_caller]
fn found(world: &World, query: &str) -> Vec<String> {
    let (results, _) = results_of(&world.get(&format!("/v1/search?limit=100&{query}")));
    results.iter().map(|result| result["echo"]["transcript"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Waits until a search finds exactly this, in this order.
fn finds(world: &World, query: &str, expected: &[&str]) {
    eventually(SOON, query, || {
        let found = found(world, query);
        if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
    });
}

/// A person who says these, one after the other, and all of it can be found.
fn who_says(world: &World, contents: &[Value]) -> (Person, Vec<Value>) {
    let person = world.person("search");
    let echoes: Vec<Value> = contents.iter().map(|content| person.create(world, content)).collect();
    let newest_first: Vec<&str> =
        contents.iter().rev().map(|content| content["transcript"].as_str().unwrap_or_default()).collect();
    finds(world, &format!("userId={}", person.id), &newest_first);
    (person, echoes)
}

fn saying(transcript: &str) -> Value {
    json!({ "emotion": "calm", "transcript": transcript })
}

fn words_phrases_and_scripts_without_spaces(world: &World) {
    let texts = [
        "Rain on the roof",
        "the roof in the rain",
        "東京タワーの上で雨",
        "ฝนตกที่บ้าน",
        "Straße im Café",
        "ёлка; \"don't\"",
    ];
    let (ana, _) = who_says(world, &texts.map(saying));
    for (q, expected) in [
        ("rain", &[texts[1], texts[0]][..]),
        ("ROOF rain", &[texts[1], texts[0]]),
        ("\"the roof\"", &[texts[1], texts[0]]),
        ("\"on the roof\"", &[texts[0]]),
        ("\"on the roof", &[texts[0]]),
        ("rain snow", &[]),
        ("東京", &[texts[2]]),
        ("タワー", &[texts[2]]),
        ("京東", &[]),
        ("ตกที่", &[texts[3]]),
        ("STRASSE cafe", &[texts[4]]),
        ("Елка don’t", &[texts[5]]),
    ] {
        let q = percent(q);
        assert_eq!(found(world, &format!("userId={}&sort=time&q={q}", ana.id)), expected, "{q}");
        let mut by_relevance = found(world, &format!("userId={}&q={q}", ana.id));
        by_relevance.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(by_relevance, expected, "{q}");
    }
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn filters_leave_out_the_rest(world: &World) {
    let (ana, echoes) = who_says(
        world,
        &[
            json!({ "emotion": "calm", "transcript": "one", "tags": ["Räin drops"] }),
            json!({ "emotion": "sad", "transcript": "two", "tags": ["drops"] }),
            json!({ "emotion": "sad", "transcript": "three drops" }),
        ],
    );
    let time = |nth: usize| echoes[nth]["timestamp"].as_str().expect("a time");
    for (query, expected) in [
        ("emotion=sad".to_owned(), &["three drops", "two"][..]),
        ("tag=RAIN%20drops".to_owned(), &["one"]),
        ("tag=drops".to_owned(), &["two"]),
        ("q=drops&sort=time".to_owned(), &["three drops", "two", "one"]),
        ("q=drops&sort=time&emotion=calm".to_owned(), &["one"]),
        (format!("from={}", time(1)), &["three drops", "two"]),
        (format!("to={}", time(1)), &["one"]),
        (format!("from={}&to={}", time(1), time(2)), &["two"]),
        ("to=2001-02-03".to_owned(), &[]),
    ] {
        assert_eq!(found(world, &format!("userId={}&{query}", ana.id)), expected, "{query}");
    }
}

fn near_is_measured(world: &World) {
    let at = |transcript: &str, lat: f64, lng: f64| json!({ "emotion": "calm", "transcript": transcript, "location": { "lat": lat, "lng": lng } });
    let (ana, _) = who_says(
        world,
        &[
            at("London", 51.5074, -0.1278),
            at("Greenwich", 51.4826, 0.0077),
            at("Paris", 48.8566, 2.3522),
            saying("nowhere"),
        ],
    );
    let near = |rest: &str| found(world, &format!("userId={}&near=51.5074,-0.1278{rest}", ana.id));
    assert_eq!(near(""), ["Greenwich", "London"]);
    assert_eq!(near("&radiusKm=5"), ["London"]);
    assert_eq!(near("&radiusKm=400"), ["Paris", "Greenwich", "London"]);
    let response = world.get(&format!("/v1/search?userId={}&near=51.5074,-0.1278&radiusKm=400", ana.id));
    let (results, _) = results_of(&response);
    let km = |nth: usize| results[nth]["distanceKm"].as_f64().unwrap_or_else(|| panic!("no distance\n{response}"));
    assert!((km(0) - 343.6).abs() < 0.5 && (km(1) - 9.8).abs() < 0.3 && km(2) == 0.0, "{response}");
}

fn cursors_show_everything_once(world: &World) {
    let texts: Vec<String> = (0..23).map(|nth| format!("{} {nth}", "drop ".repeat(nth % 4 + 1))).collect();
    let contents: Vec<Value> = texts.iter().map(|text| saying(text)).collect();
    let (ana, echoes) = who_says(world, &contents);
    let all: BTreeSet<&str> = echoes.iter().map(id_of).collect();
    for sort in ["relevance", "time"] {
        let mut path = format!("/v1/search?userId={}&q=drop&sort={sort}&limit=5", ana.id);
        let base = path.clone();
        let mut seen = Vec::new();
        for _ in 0..6 {
            let (results, cursor) = results_of(&world.get(&path));
            seen.extend(results.iter().map(|result| id_of(&result["echo"]).to_owned()));
            let Some(cursor) = cursor else { break };
            path = format!("{base}&cursor={cursor}");
        }
        assert_eq!(seen.len(), all.len(), "{sort}: each once");
        assert_eq!(seen.iter().map(String::as_str).collect::<BTreeSet<_>>(), all, "{sort}");
    }
}

fn what_is_found_is_shown_where_it_stands(world: &World) {
    let (ana, _) = who_says(world, &[saying("<b>Rain</b> & 'räin' on \"me\" <script>")]);
    let response = world.get(&format!("/v1/search?userId={}&q=rain", ana.id));
    let (results, _) = results_of(&response);
    let shown = "&lt;b&gt;<em>Rain</em>&lt;/b&gt; &amp; &#39;<em>räin</em>&#39; on &quot;me&quot; &lt;script&gt;";
    assert_eq!(results[0]["highlights"], json!([shown]), "{response}");
    assert!(results[0]["score"].as_f64().is_some_and(|score| score > 0.0), "{response}");
    let by_time = world.get(&format!("/v1/search?userId={}", ana.id));
    assert!(results_of(&by_time).0[0].get("highlights").is_none(), "{by_time}");
}

fn an_edit_is_found_and_a_delete_is_not(world: &World) {
    let (ana, echoes) = who_says(world, &[saying("first thunder"), saying("second thunder")]);
    let query = |word: &str| format!("userId={}&sort=time&q={word}", ana.id);
    assert_eq!(found(world, &query("thunder")), ["second thunder", "first thunder"]);
    world.edge(&ana.editing(id_of(&echoes[0]), 1, &json!({ "transcript": "lightning" }))).expect(200);
    finds(world, &query("lightning"), &["lightning"]);
    finds(world, &query("thunder"), &["second thunder"]);
    world.edge(&ana.deleting(id_of(&echoes[1]))).expect(204);
    // At this edge at once, whatever the index knows; in every region soon.
    assert!(found(world, &query("thunder")).is_empty());
    for core in world.cores() {
        eventually(SOON, "a delete that is heard of", || {
            let response = core.get(&format!("/v1/search?q=thunder&userId={}", ana.id)).send();
            match response.status == 200 && response.json() == json!({ "results": [] }) {
                true => Ok(()),
                false => Err(response.to_string()),
            }
        });
    }
}

fn every_region_finds_it(world: &World) {
    let (ana, echoes) = who_says(world, &[saying("everywhere")]);
    for city in &cities::ONE_EACH {
        let path = format!("/v1/search?q=everywhere&userId={}", ana.id);
        eventually(SOON, "the echo in every region", || {
            let response = world.edge(&Request::get(path.as_str()).from(city));
            let (results, _) = results_of(&response);
            let ids: Vec<&str> = results.iter().map(|result| id_of(&result["echo"])).collect();
            if ids == [id_of(&echoes[0])] { Ok(()) } else { Err(response.to_string()) }
        });
    }
}

fn a_bad_query_names_the_parameter(world: &World) {
    let long = |count: usize| format!("q={}", "x".repeat(count));
    for (query, fields) in [
        ("q=", &["q"][..]),
        ("q=*", &["q"]),
        ("q=%22%22", &["q"]),
        ("q=***%20???", &["q"]),
        ("q=%5C", &["q"]),
        (&long(257), &["q"]),
        (&long(5_000), &["q"]),
        ("q=a&q=a", &["q"]),
        ("emotion=joyful", &["emotion"]),
        ("tag=", &["tag"]),
        ("userId=me", &["userId"]),
        ("from=yesterday", &["from"]),
        ("from=2026-01-02&to=2026-01-01", &["to"]),
        ("near=91,0", &["near"]),
        ("near=here", &["near"]),
        ("near=1,2&radiusKm=-1", &["radiusKm"]),
        ("near=1,2&radiusKm=501", &["radiusKm"]),
        ("radiusKm=1", &["radiusKm"]),
        ("sort=score", &["sort"]),
        ("limit=0", &["limit"]),
        ("cursor=forged", &["cursor"]),
        ("q=&near=x&limit=x", &["q", "near", "limit"]),
    ] {
        world.get(&format!("/v1/search?{query}")).problem("invalid-request", fields);
    }
}

fn odd_queries_are_harmless(world: &World) {
    for q in [
        "\"unbalanced",
        "a\"b",
        "(a OR",
        "a AND NOT b",
        "field:[* TO *]",
        "a*b?c~2^3",
        "<script>",
        "' OR 1=1 --",
        "{\"a\":1}",
        "\u{202e}abc",
        "a\u{0}b",
        "ﷺ",
        "🏳️‍🌈 a",
    ] {
        results_of(&world.get(&format!("/v1/search?q={}", percent(q))));
    }
    results_of(&world.get("/v1/search?x=1&x=2"));
    results_of(&world.get(&format!("/v1/search?q={}", "%F0%9F%8C%A7".repeat(256))));
}

fn a_cursor_of_another_search(world: &World) {
    let (ana, _) = who_says(world, &[saying("again"), saying("again")]);
    let path = |q: &str| format!("/v1/search?userId={}&limit=1&q={q}", ana.id);
    let (_, cursor) = results_of(&world.get(&path("again")));
    let cursor = cursor.expect("a second page");
    for other in [path("other"), format!("{}&sort=time", path("again")), ana.timeline() + "?limit=1"] {
        world.get(&format!("{other}&cursor={cursor}")).problem("invalid-request", &["cursor"]);
    }
    results_of(&world.get(&format!("{}&cursor={cursor}", path("again"))));
}

fn it_has_a_weak_tag_and_answers_304(world: &World) {
    let (ana, _) = who_says(world, &[saying("tagged")]);
    super::caching::weak_tag_and_304(world, &format!("/v1/search?userId={}", ana.id));
    let head = world.edge(&Request::new("HEAD", format!("/v1/search?userId={}", ana.id))).expect(200);
    check_read(&head);
}

fn other_methods_are_405(world: &World) {
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let response = world.edge(&Request::new(method, "/v1/search?q=a"));
        assert_eq!((response.status, response.one("allow")), (405, "GET, HEAD, OPTIONS"), "{response}");
    }
}
