//! What a sample echo holds: mostly everything, sometimes little.

use std::collections::BTreeMap;

use echoes_shared::{Emotion, Location, NewEcho, Timestamp};
use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _};

use super::people::Person;
use super::words;

/// Kilometres are not worth the arithmetic: about 15 km either way.
const JITTER_DEGREES: f64 = 0.15;

/// One in so many echoes expires by itself.
const ONE_IN_EXPIRES: u32 = 60;
/// From the day it was said, so that every sample outlives its loading: longer than the samples reach back.
const DAYS_TO_LIVE: std::ops::Range<u16> = 125..365;

/// What `person` says at `at`.
pub(super) fn new_echo(person: &Person, at: Timestamp, random: &mut impl Rng) -> NewEcho {
    let emotion = emotion(random);
    let language = if random.random_bool(0.8) { person.home.language } else { words::Language::English };
    let expires = random.random_ratio(1, ONE_IN_EXPIRES);
    NewEcho {
        emotion,
        // No sample has audio: a player would be led to objects that are not there.
        s3_url: None,
        location: random.random_bool(0.85).then(|| location(person, random)).flatten(),
        tags: tags(person, emotion, at, random),
        transcript: random.random_bool(0.9).then(|| words::transcript(emotion, language, random)),
        detected_mood: random.random_bool(0.6).then(|| words::mood(emotion).to_owned()),
        metadata: random.random_bool(0.95).then(|| metadata(person, language, random)),
        days_to_live: expires.then(|| random.random_range(DAYS_TO_LIVE)),
    }
}

/// The first of the vocabulary are the popular ones: the smaller of two uniform numbers prefers them.
fn emotion(random: &mut impl Rng) -> Emotion {
    let all = Emotion::ALL;
    let place = random.random_range(0..all.len()).min(random.random_range(0..all.len()));
    all.get(place).copied().unwrap_or(Emotion::Happy)
}

fn location(person: &Person, random: &mut impl Rng) -> Option<Location> {
    let mut near = |degrees: f64| {
        let moved = degrees + random.random_range(-JITTER_DEGREES..JITTER_DEGREES);
        // Four decimals, ten metres: as exact as a phone is, and short to read.
        (moved * 10_000.0).round() / 10_000.0
    };
    Location::new(near(person.home.lat), near(person.home.lng))
}

fn tags(person: &Person, emotion: Emotion, at: Timestamp, random: &mut impl Rng) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    let mut add = |tag: &str| {
        if !tags.iter().any(|there| there == tag) {
            tags.push(tag.to_owned());
        }
    };
    if random.random_bool(0.4) {
        add(person.home.name);
    }
    if random.random_bool(0.3) {
        add(words::hour(at));
    }
    for _ in 0..random.random_range(0..3) {
        if let Some(tag) = words::tags(emotion).choose(random) {
            add(tag);
        }
    }
    (!tags.is_empty()).then_some(tags)
}

fn metadata(person: &Person, language: words::Language, random: &mut impl Rng) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::from([("device".to_owned(), person.device.to_owned())]);
    if random.random_bool(0.5) {
        pairs.insert("language".to_owned(), language.code().to_owned());
    }
    if random.random_bool(0.3) {
        pairs.insert("durationSeconds".to_owned(), random.random_range(2..58).to_string());
    }
    pairs
}
