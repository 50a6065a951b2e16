//! The names of things: people, echoes, and the keys that make a create idempotent.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid, Version};

use crate::policy::{KEY_MAX_AGE_MILLIS, KEY_MAX_AHEAD_MILLIS, MAX_USER_ID_CHARS};
use crate::timestamp::Timestamp;

/// A person: 1–128 of `A-Z a-z 0-9 _ . : @ | -`, not `me` (contract, *Bodies*) nor a dot segment.
///
/// `#` is not among them, so a person's name can never be mistaken for a bucketed key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(String);

/// What cannot be a name: the word of paths such as `/v1/users/me`, and the two segments that every URL parser takes out of
/// a path, so that such a person's timeline could not be asked for.
const RESERVED: [&str; 3] = ["me", ".", ".."];

impl UserId {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this text names a person.
    pub fn is_one(text: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:@|-".contains(&b);
        let fits = (1..=MAX_USER_ID_CHARS).contains(&text.len()) && text.bytes().all(allowed);
        fits && !RESERVED.contains(&text)
    }
}

/// In a map by people a name is looked up as it is.
impl Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if Self::is_one(text) { Ok(Self(text.to_owned())) } else { Err(InvalidId::User) }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The caller's name for one create: a UUIDv7 whose millisecond becomes the echo's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Uuid);

impl IdempotencyKey {
    /// A new key for the present time from ten bytes of randomness.
    pub fn mint(now: Timestamp, random: &[u8; 10]) -> Self {
        Self(v7(now, random))
    }

    /// The millisecond inside the key.
    pub fn timestamp(self) -> Timestamp {
        embedded_timestamp(self.0)
    }

    /// Whether the key's millisecond lies in the window around `now` (24 hours back, 5 minutes ahead).
    pub fn check_window(self, now: Timestamp) -> Result<(), KeyOutsideWindow> {
        let at = self.timestamp();
        let inside = now.millis_since(at) <= KEY_MAX_AGE_MILLIS && at.millis_since(now) <= KEY_MAX_AHEAD_MILLIS;
        if inside { Ok(()) } else { Err(KeyOutsideWindow) }
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_v7(text).map(Self).ok_or(InvalidId::Key)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// An echo's name: a UUIDv7 that any region computes alike from the person and the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EchoId(Uuid);

impl EchoId {
    /// The id of what `user` creates under `key`: the key's millisecond and 74 bits of
    /// SHA-256(userId, 0x00, key), the key as its 36 lower-case characters.
    ///
    /// So a retry in any region writes the same item, and nobody can take another person's id (design, *Keys*).
    pub fn derive(user: &UserId, key: IdempotencyKey) -> Self {
        let mut hash = Sha256::new();
        hash.update(user.as_str().as_bytes());
        hash.update([0]);
        hash.update(key.to_string().as_bytes());
        let digest = hash.finalize();
        let mut bits = [0; 10];
        for (bit, byte) in bits.iter_mut().zip(digest) {
            *bit = byte;
        }
        Self(v7(key.timestamp(), &bits))
    }

    /// The echo's time: the millisecond inside the id.
    pub fn timestamp(self) -> Timestamp {
        embedded_timestamp(self.0)
    }

    /// The id as its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id that these bytes spell, if they are a UUIDv7.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        only_v7(Uuid::from_bytes(bytes)).map(Self)
    }
}

impl FromStr for EchoId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_v7(text).map(Self).ok_or(InvalidId::Echo)
    }
}

impl fmt::Display for EchoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Serialize for EchoId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EchoId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidId {
    /// Not a userId.
    User,
    /// Not an echoId.
    Echo,
    /// Not an idempotency key.
    Key,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "must be 1 to 128 of A-Z a-z 0-9 _ . : @ | - and not `me`, `.` or `..`",
            Self::Echo => "must be a UUIDv7 in its 36-character form",
            Self::Key => "must be a UUIDv7 in its 36-character form",
        })
    }
}

impl std::error::Error for InvalidId {}

/// An idempotency key whose millisecond is too far from the server's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyOutsideWindow;

impl fmt::Display for KeyOutsideWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its time must be at most 24 hours past and 5 minutes ahead of the server's")
    }
}

impl std::error::Error for KeyOutsideWindow {}

fn v7(at: Timestamp, bits: &[u8; 10]) -> Uuid {
    Builder::from_unix_timestamp_millis(at.millis(), bits).into_uuid()
}

/// Reads only the hyphenated form, so that one id has one spelling in URLs and cache keys; upper case is taken as
/// RFC 9562 asks and folded.
fn parse_v7(text: &str) -> Option<Uuid> {
    const HYPHENATED_CHARS: usize = 36;
    if text.len() != HYPHENATED_CHARS {
        return None;
    }
    only_v7(Uuid::try_parse(text).ok()?)
}

fn only_v7(uuid: Uuid) -> Option<Uuid> {
    let is_v7 = uuid.get_version() == Some(Version::SortRand) && uuid.get_variant() == uuid::Variant::RFC4122;
    is_v7.then_some(uuid)
}

fn embedded_timestamp(uuid: Uuid) -> Timestamp {
    let [a, b, c, d, e, f, ..] = *uuid.as_bytes();
    Timestamp::from_millis(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn key(millis: u64) -> IdempotencyKey {
        IdempotencyKey::mint(Timestamp::from_millis(millis), &[7; 10])
    }

    #[test]
    fn user_ids_keep_to_their_alphabet() {
        for good in ["a", "ana", "auth0|5f7c", "a.b:c@d-e_F9", &"x".repeat(128)] {
            assert!(good.parse::<UserId>().is_ok(), "{good}");
        }
        for bad in ["", "me", ".", "..", "a#202611", "a b", "é", "a/b", &"x".repeat(129), "a\0"] {
            assert_eq!(bad.parse::<UserId>(), Err(InvalidId::User), "{bad}");
        }
    }

    #[test]
    fn an_echo_id_is_a_function_of_person_and_key() {
        let ana: UserId = "ana".parse().unwrap();
        let ben: UserId = "ben".parse().unwrap();
        let id = EchoId::derive(&ana, key(1_795_388_393_372));
        assert_eq!(id, EchoId::derive(&ana, key(1_795_388_393_372)));
        assert_ne!(id, EchoId::derive(&ben, key(1_795_388_393_372)));
        assert_eq!(id.timestamp().millis(), 1_795_388_393_372);
        assert_eq!(id.to_string().parse(), Ok(id));
        // Fixed for ever: stored ids would no longer be found under another rule.
        assert_eq!(id.to_string(), "01a2057c-c79c-7fa9-bf2e-44bbf9a6fe1d");
    }

    #[test]
    fn only_version_7_is_a_key() {
        assert!("019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20".parse::<IdempotencyKey>().is_ok());
        for bad in [
            "",
            "7d444840-9dc0-41d1-b245-5ffdce74fad2",
            "019ab3c15a2e7c319d550b6f5f3b1a20",
            "{019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20}",
            "019ab3c1-5a2e-7c31-cd55-0b6f5f3b1a20",
            "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a2g",
        ] {
            assert_eq!(bad.parse::<IdempotencyKey>(), Err(InvalidId::Key), "{bad}");
        }
    }

    #[test]
    fn the_window_of_a_key_includes_its_ends() {
        let now = Timestamp::from_millis(1_795_388_393_372);
        assert!(key(now.millis() - KEY_MAX_AGE_MILLIS).check_window(now).is_ok());
        assert!(key(now.millis() - KEY_MAX_AGE_MILLIS - 1).check_window(now).is_err());
        assert!(key(now.millis() + KEY_MAX_AHEAD_MILLIS).check_window(now).is_ok());
        assert!(key(now.millis() + KEY_MAX_AHEAD_MILLIS + 1).check_window(now).is_err());
    }
}
