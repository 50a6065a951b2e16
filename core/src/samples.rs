//! Echoes for tests.

use echoes_shared::{Echo, Emotion, IdempotencyKey, NewEcho, Region, Timestamp};

/// What tests count from.
pub(crate) const EPOCH_MILLIS: u64 = 1_795_388_393_372;

/// Nothing but an emotion.
pub(crate) fn content(emotion: Emotion) -> NewEcho {
    NewEcho {
        emotion,
        s3_url: None,
        location: None,
        tags: None,
        transcript: None,
        detected_mood: None,
        metadata: None,
        days_to_live: None,
    }
}

/// A happy echo of a person, so many milliseconds after [`EPOCH_MILLIS`].
pub(crate) fn echo(user: &str, millis: u64) -> Echo {
    let key = IdempotencyKey::mint(Timestamp::from_millis(EPOCH_MILLIS + millis), &[7; 10]);
    Echo::create(user.parse().unwrap(), key, content(Emotion::Happy), Region::EuWest1)
}
