//! The echo, as every response shows it, and the content a person posts to create one.

mod edit;
pub mod edition;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::emotion::Emotion;
use crate::hex;
use crate::id::{EchoId, IdempotencyKey, UserId};
use crate::policy::MAX_DAYS_TO_LIVE;
use crate::region::Region;
use crate::timestamp::Timestamp;

pub use edit::{Change, EchoEdit};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// A place on Earth in degrees. Both numbers are finite and in range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Degrees")]
pub struct Location {
    /// Degrees north, −90 to 90.
    pub lat: f64,
    /// Degrees east, −180 to 180.
    pub lng: f64,
}

/// Two numbers that may be no place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Degrees {
    lat: f64,
    lng: f64,
}

impl TryFrom<Degrees> for Location {
    type Error = &'static str;

    fn try_from(Degrees { lat, lng }: Degrees) -> Result<Self, Self::Error> {
        Self::new(lat, lng).ok_or("must be a place on Earth")
    }
}

impl Location {
    /// A place, unless a number is not finite or out of range.
    ///
    /// Magnitudes below 10⁻¹² (a thousandth of a millimetre) become zero: DynamoDB's numbers end at 10⁻¹³⁰.
    pub fn new(lat: f64, lng: f64) -> Option<Self> {
        let settle = |degrees: f64| if degrees.abs() < 1e-12 { 0.0 } else { degrees };
        let valid = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lng);
        valid.then(|| Self { lat: settle(lat), lng: settle(lng) })
    }
}

/// What a person posts to create an echo, checked. See [`crate::validate::new_echo`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewEcho {
    /// How the person feels.
    pub emotion: Emotion,
    /// Where the audio lies: `s3://BUCKET/audio/USER/…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_url: Option<String>,
    /// Where it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// At most 10 tags of 1–32 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// What was said, at most 5,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// The mood a model heard, 1–32 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected_mood: Option<String>,
    /// At most 20 pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// Days until the echo expires, 1–3,650.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_to_live: Option<u16>,
}

impl NewEcho {
    /// SHA-256 of the content in lower-case hex: equal exactly for equal content, and the same in every region.
    ///
    /// A create under a used key is a repeat where the hashes agree, and a clash where they differ. The bytes
    /// hashed are the content's JSON in the order of the fields above, metadata sorted by key.
    pub fn content_hash(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        hex::lower(&Sha256::digest(json))
    }
}

/// An echo, in the form of every response (contract, *Bodies*). Absent fields are absent, never null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Echo {
    /// The echo's name.
    pub echo_id: EchoId,
    /// Who said it.
    pub user_id: UserId,
    /// When: the millisecond inside `echo_id`.
    pub timestamp: Timestamp,
    /// How it feels.
    pub emotion: Emotion,
    /// Where the audio lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_url: Option<String>,
    /// Where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// What was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// The mood a model heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_mood: Option<String>,
    /// Free pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// Epoch second from which the echo is invisible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// 1 when created, one more with each edit.
    pub version: u64,
    /// The region that took the create.
    pub origin: Region,
    /// When it was last edited; its own timestamp until then.
    pub updated_at: Timestamp,
}

impl Echo {
    /// The echo that `user` creates under `key`: a function of its arguments, so that every region makes the same.
    pub fn create(user: UserId, key: IdempotencyKey, content: NewEcho, origin: Region) -> Self {
        let echo_id = EchoId::derive(&user, key);
        let timestamp = echo_id.timestamp();
        Self {
            echo_id,
            user_id: user,
            timestamp,
            emotion: content.emotion,
            s3_url: content.s3_url,
            location: content.location,
            tags: content.tags,
            transcript: content.transcript,
            detected_mood: content.detected_mood,
            metadata: content.metadata,
            ttl: content.days_to_live.map(|days| timestamp.plus_days(u32::from(days)).epoch_seconds()),
            version: 1,
            origin,
            updated_at: timestamp,
        }
    }

    /// What was posted to create it: its content until the first edit, with whole days to live; `None` where that can no
    /// longer be told.
    pub fn posted(&self) -> Option<NewEcho> {
        let days_to_live = match self.ttl {
            None => None,
            Some(ttl) => {
                let lives_seconds = ttl.checked_sub(self.timestamp.epoch_seconds())?;
                let days = u16::try_from(lives_seconds / SECONDS_PER_DAY).ok()?;
                let whole = lives_seconds.is_multiple_of(SECONDS_PER_DAY) && (1..=MAX_DAYS_TO_LIVE).contains(&days);
                Some(whole.then_some(days)?)
            }
        };
        (self.version == 1).then(|| NewEcho {
            emotion: self.emotion,
            s3_url: self.s3_url.clone(),
            location: self.location,
            tags: self.tags.clone(),
            transcript: self.transcript.clone(),
            detected_mood: self.detected_mood.clone(),
            metadata: self.metadata.clone(),
            days_to_live,
        })
    }

    /// Whether the echo is still visible: from the second of its `ttl` on it is not, swept or not.
    pub fn lives_at(&self, now: Timestamp) -> bool {
        self.ttl.is_none_or(|ttl| now.epoch_seconds() < ttl)
    }

    /// The entity tag of one echo, `"VERSION"` with its quotes.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn content() -> NewEcho {
        NewEcho {
            emotion: Emotion::Happy,
            s3_url: None,
            location: Location::new(51.5, -0.12),
            tags: Some(vec!["rain".into()]),
            transcript: None,
            detected_mood: None,
            metadata: Some([("device".into(), "phone".into())].into()),
            days_to_live: Some(2),
        }
    }

    fn created() -> Echo {
        let key = IdempotencyKey::mint(Timestamp::from_millis(1_795_388_393_372), &[7; 10]);
        Echo::create("ana".parse().unwrap(), key, content(), Region::EuWest1)
    }

    #[test]
    fn the_body_is_the_contracts() {
        let json = serde_json::to_string(&created()).unwrap();
        let expected = concat!(
            r#"{"echoId":"01a2057c-c79c-7fa9-bf2e-44bbf9a6fe1d","userId":"ana","#,
            r#""timestamp":"2026-11-22T22:59:53.372Z","emotion":"happy","location":{"lat":51.5,"lng":-0.12},"#,
            r#""tags":["rain"],"metadata":{"device":"phone"},"ttl":1795561193,"version":1,"#,
            r#""origin":"eu-west-1","updatedAt":"2026-11-22T22:59:53.372Z"}"#
        );
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Echo>(&json).unwrap(), created());
    }

    #[test]
    fn an_echo_ends_with_the_second_of_its_ttl() {
        let echo = created();
        let ttl = echo.ttl.unwrap();
        assert!(echo.lives_at(Timestamp::from_millis(ttl * 1_000 - 1)));
        assert!(!echo.lives_at(Timestamp::from_millis(ttl * 1_000)));
    }

    #[test]
    fn what_was_posted_can_be_told_until_the_first_edit() {
        let echo = created();
        assert_eq!(echo.posted(), Some(content()));
        assert_eq!(Echo { ttl: None, ..echo.clone() }.posted().unwrap().days_to_live, None);
        assert_eq!(Echo { version: 2, ..echo.clone() }.posted(), None);
        for ttl in [0, 1, echo.timestamp.epoch_seconds(), echo.ttl.unwrap() + 1, u64::MAX] {
            assert_eq!(Echo { ttl: Some(ttl), ..echo.clone() }.posted(), None, "{ttl}");
        }
    }

    #[test]
    fn every_field_counts_in_the_content_hash() {
        let mut hashes = vec![content().content_hash()];
        let edits: [fn(&mut NewEcho); 5] = [
            |c| c.emotion = Emotion::Sad,
            |c| c.location = None,
            |c| c.tags = Some(vec![]),
            |c| c.transcript = Some(String::new()),
            |c| c.days_to_live = None,
        ];
        for edit in edits {
            let mut changed = content();
            edit(&mut changed);
            hashes.push(changed.content_hash());
        }
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
        assert!(hashes.iter().all(|h| h.len() == 64));
    }

    #[test]
    fn places_off_the_globe_are_none() {
        for (lat, lng) in [(91.0, 0.0), (0.0, 180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert_eq!(Location::new(lat, lng), None);
        }
        let tiny = Location::new(5e-324, -0.0).unwrap();
        assert_eq!((tiny.lat, tiny.lng), (0.0, 0.0));
        assert!(tiny.lng.is_sign_positive());
        assert!(serde_json::from_str::<Location>(r#"{"lat":91,"lng":0}"#).is_err());
    }
}
