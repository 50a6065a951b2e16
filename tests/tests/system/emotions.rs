//! `GET /v1/emotions`

use std::time::Duration;

use echoes_tests::shape::check_read;
use echoes_tests::waiting::eventually;
use echoes_tests::{Request, World, json};

super::trials!(TRIALS: the_whole_vocabulary_is_listed, it_has_a_weak_tag_and_answers_304, head_is_get_without_a_body);

const PATH: &str = "/v1/emotions";

/// The contract's own list, copied by hand.
pub const VOCABULARY: [&str; 24] = [
    "happy",
    "calm",
    "excited",
    "peaceful",
    "energetic",
    "sad",
    "angry",
    "anxious",
    "grateful",
    "hopeful",
    "lonely",
    "nostalgic",
    "loving",
    "proud",
    "surprised",
    "curious",
    "amused",
    "inspired",
    "bored",
    "tired",
    "melancholic",
    "relieved",
    "confident",
    "playful",
];

fn the_whole_vocabulary_is_listed(world: &World) {
    let response = world.get(PATH).expect(200);
    check_read(&response);
    let body = response.json();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["emotions"], "{response}");
    let entries = body["emotions"].as_array().unwrap();
    let words: Vec<_> = entries.iter().map(|entry| entry["emotion"].as_str().unwrap()).collect();
    assert_eq!(words, VOCABULARY, "{response}");
    for entry in entries {
        let count = entry.get("echoes").is_none_or(|count| count.is_u64());
        let known = entry.as_object().unwrap().keys().all(|name| ["emotion", "echoes"].contains(&name.as_str()));
        assert!(count && known, "expected a word and at most a count: {entry}\n{response}");
    }
}

/// Others create echoes meanwhile, so the counts may be others with any request.
fn it_has_a_weak_tag_and_answers_304(world: &World) {
    eventually(Duration::from_secs(10), "304 for the tag of now", || {
        let tag = world.get(PATH).expect(200).one("etag").to_owned();
        assert!(tag.starts_with("W/\"") && tag.ends_with('"') && tag.len() > 4, "expected a weak tag: {tag}");
        let response = world.edge(&Request::get(PATH).header("if-none-match", tag.as_str()));
        if response.status == 304 && response.one("etag") == tag { Ok(()) } else { Err(response.to_string()) }
    });
}

fn head_is_get_without_a_body(world: &World) {
    eventually(Duration::from_secs(10), "one tag for both", || {
        let response = world.edge(&Request::new("HEAD", PATH)).expect(200);
        let get = world.get(PATH).expect(200);
        assert_eq!(response.one("content-type"), "application/json", "{response}");
        assert_eq!(get.json()["emotions"][0]["emotion"], json!("happy"), "{get}");
        if response.one("etag") == get.one("etag") { Ok(()) } else { Err(response.to_string()) }
    });
}
