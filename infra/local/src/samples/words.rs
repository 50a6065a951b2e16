//! The words of the sample echoes: short sentences in six languages, by how they feel.

mod english;
mod others;

use echoes_shared::{Emotion, Timestamp};
use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _};

/// What an echo is spoken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Spanish,
    French,
    German,
    Portuguese,
    Japanese,
}

impl Language {
    /// Its ISO 639-1 code.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
            Self::French => "fr",
            Self::German => "de",
            Self::Portuguese => "pt",
            Self::Japanese => "ja",
        }
    }

    const fn phrases(self) -> &'static Phrases {
        match self {
            Self::English => &english::ENGLISH,
            Self::Spanish => &others::SPANISH,
            Self::French => &others::FRENCH,
            Self::German => &others::GERMAN,
            Self::Portuguese => &others::PORTUGUESE,
            Self::Japanese => &others::JAPANESE,
        }
    }
}

/// The sentences of one language. Whatever stands together reads well together.
struct Phrases {
    openings: &'static [&'static str],
    bright: &'static [&'static str],
    soft: &'static [&'static str],
    low: &'static [&'static str],
    sharp: &'static [&'static str],
    closings: &'static [&'static str],
    /// Between sentences; Japanese needs none.
    space: &'static str,
}

/// Emotions that share their sentences.
#[derive(Clone, Copy)]
enum Family {
    Bright,
    Soft,
    Low,
    Sharp,
}

const fn family(emotion: Emotion) -> Family {
    use Emotion::{
        Angry, Anxious, Bored, Calm, Grateful, Hopeful, Lonely, Loving, Melancholic, Nostalgic, Peaceful, Relieved,
        Sad, Tired,
    };
    match emotion {
        Calm | Peaceful | Grateful | Hopeful | Loving | Relieved | Nostalgic => Family::Soft,
        Sad | Lonely | Melancholic | Tired | Bored => Family::Low,
        Angry | Anxious => Family::Sharp,
        _ => Family::Bright,
    }
}

/// A sentence or three.
pub(super) fn transcript(emotion: Emotion, language: Language, random: &mut impl Rng) -> String {
    let phrases = language.phrases();
    let middles = match family(emotion) {
        Family::Bright => phrases.bright,
        Family::Soft => phrases.soft,
        Family::Low => phrases.low,
        Family::Sharp => phrases.sharp,
    };
    let opening = random.random_bool(0.5).then(|| phrases.openings.choose(random)).flatten();
    let middle = middles.choose(random);
    let closing = random.random_bool(0.4).then(|| phrases.closings.choose(random)).flatten();
    let sentences: Vec<&str> = [opening, middle, closing].into_iter().flatten().copied().collect();
    sentences.join(phrases.space)
}

/// What a model would hear.
pub(super) const fn mood(emotion: Emotion) -> &'static str {
    match family(emotion) {
        Family::Bright => "joyful",
        Family::Soft => "serene",
        Family::Low => "subdued",
        Family::Sharp => "tense",
    }
}

/// Tags that go with an emotion.
pub(super) const fn tags(emotion: Emotion) -> &'static [&'static str] {
    match family(emotion) {
        Family::Bright => &["friends", "music", "win", "laughter", "sunshine", "match-day", "birthday", "dance"],
        Family::Soft => &["home", "rain", "sea", "tea", "garden", "family", "walk", "thanks"],
        Family::Low => &["late-train", "grey-day", "missing-you", "overtime", "empty-room", "rain"],
        Family::Sharp => &["traffic", "deadline", "noise", "queue", "exam"],
    }
}

/// The part of the day by UTC: it need not be the speaker's own.
pub(super) fn hour(at: Timestamp) -> &'static str {
    match at.epoch_seconds() / 3_600 % 24 {
        5..=10 => "morning",
        11..=16 => "afternoon",
        17..=21 => "evening",
        _ => "night",
    }
}
