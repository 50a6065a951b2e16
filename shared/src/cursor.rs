//! Opaque cursors: where a walk of a list goes on.
//!
//! A cursor names the last echo shown, never a key of the store, so it outlives a change of shards. It is bound to
//! the list it came from and authenticated, so a forged or misplaced one is refused instead of walking elsewhere.
//!
//! As bytes, before base64url: version (1) · length of the key's id (1) · the key's id · echoId (16) · tag (16), the tag
//! being the first half of HMAC-SHA256(secret, all before it · the list's name). Version 2 has a rank before the tag, for lists
//! that are not in the order of time: score (4) · results shown so far (2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

use crate::id::EchoId;

const VERSION: u8 = 1;
const RANKED_VERSION: u8 = 2;
const ID_BYTES: usize = 16;
const RANK_BYTES: usize = 6;
const TAG_BYTES: usize = 16;
const MAX_KEY_ID_BYTES: usize = 16;
const MIN_SECRET_BYTES: usize = 8;
/// Characters of a cursor at most: base64 of the longest bytes above.
const MAX_CHARS: usize = (2 + MAX_KEY_ID_BYTES + ID_BYTES + RANK_BYTES + TAG_BYTES).div_ceil(3) * 4;

/// A cursor that was not made here, was changed, or belongs to another list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidCursor;

impl fmt::Display for InvalidCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a cursor of this list")
    }
}

impl std::error::Error for InvalidCursor {}

/// Where a walk of a list goes on that is not in the order of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// The last echo shown.
    pub last: EchoId,
    /// Its score.
    pub score: f32,
    /// Results shown so far.
    pub shown: u16,
}

/// The keys that make cursors authentic: the first signs, all verify, so keys can be rotated.
#[derive(Clone)]
pub struct CursorKeys(Vec<CursorKey>);

#[derive(Clone)]
struct CursorKey {
    id: String,
    secret: Vec<u8>,
}

impl CursorKeys {
    /// Reads `ID:SECRET[,ID:SECRET]`: ids of 1–16 bytes, secrets of at least 8.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let keys: Option<Vec<_>> = text.split(',').map(CursorKey::parse).collect();
        match keys.as_deref() {
            Some([first, second]) if first.id == second.id => Err("must not name one key twice"),
            Some([_] | [_, _]) => Ok(Self(keys.unwrap_or_default())),
            _ => Err("must be ID:SECRET[,ID:SECRET] with ids of 1 to 16 and secrets of at least 8 characters"),
        }
    }

    /// The cursor that goes on after `last` in the list named `scope`, such as `emotion#happy`.
    pub fn sign(&self, scope: &str, last: EchoId) -> String {
        self.sign_bytes(scope, VERSION, last.as_bytes())
    }

    /// The same in a list that is not in the order of time.
    pub fn sign_ranked(&self, scope: &str, Ranked { last, score, shown }: Ranked) -> String {
        let mut bytes = last.as_bytes().to_vec();
        bytes.extend_from_slice(&score.to_be_bytes());
        bytes.extend_from_slice(&shown.to_be_bytes());
        self.sign_bytes(scope, RANKED_VERSION, &bytes)
    }

    fn sign_bytes(&self, scope: &str, version: u8, place: &[u8]) -> String {
        let Some(key) = self.0.first() else { return String::new() };
        let mut bytes = Vec::with_capacity(2 + MAX_KEY_ID_BYTES + ID_BYTES + RANK_BYTES + TAG_BYTES);
        bytes.push(version);
        bytes.push(u8::try_from(key.id.len()).unwrap_or_default());
        bytes.extend_from_slice(key.id.as_bytes());
        bytes.extend_from_slice(place);
        let tag = key.tag(&bytes, scope);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The last echo shown, if the cursor is authentic and of the list named `scope`.
    pub fn verify(&self, scope: &str, cursor: &str) -> Result<EchoId, InvalidCursor> {
        match self.place(scope, cursor)? {
            (last, None) => Ok(last),
            (_, Some(_)) => Err(InvalidCursor),
        }
    }

    /// The same of a list that is not in the order of time.
    pub fn verify_ranked(&self, scope: &str, cursor: &str) -> Result<Ranked, InvalidCursor> {
        let (last, rank) = self.place(scope, cursor)?;
        rank.map(|(score, shown)| Ranked { last, score, shown }).ok_or(InvalidCursor)
    }

    fn place(&self, scope: &str, cursor: &str) -> Result<(EchoId, Option<Rank>), InvalidCursor> {
        let bytes = decode(cursor)?;
        let parts = Parts::of(&bytes)?;
        let known = |key: &&CursorKey| key.id.as_bytes() == parts.key_id;
        let key = self.0.iter().find(known).ok_or(InvalidCursor)?;
        let authentic: bool = key.tag(parts.signed, scope).ct_eq(parts.tag).into();
        if authentic { Ok((parts.last, parts.rank)) } else { Err(InvalidCursor) }
    }
}

impl fmt::Debug for CursorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl CursorKey {
    fn parse(pair: &str) -> Option<Self> {
        let (id, secret) = pair.split_once(':')?;
        let fits = (1..=MAX_KEY_ID_BYTES).contains(&id.len()) && secret.len() >= MIN_SECRET_BYTES;
        fits.then(|| Self { id: id.to_owned(), secret: secret.as_bytes().to_vec() })
    }

    fn tag(&self, signed: &[u8], scope: &str) -> [u8; TAG_BYTES] {
        let mut tag = [0; TAG_BYTES];
        // HMAC takes a key of any length, so the error is never seen; a zero tag would match nothing we sign.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) {
            mac.update(signed);
            mac.update(scope.as_bytes());
            for (to, from) in tag.iter_mut().zip(mac.finalize().into_bytes()) {
                *to = from;
            }
        }
        tag
    }
}

/// Whether a text could be a cursor at all: what the edge, which has no keys, can know.
pub fn check_shape(cursor: &str) -> Result<(), InvalidCursor> {
    Parts::of(&decode(cursor)?).map(|_| ())
}

fn decode(cursor: &str) -> Result<Vec<u8>, InvalidCursor> {
    if cursor.len() > MAX_CHARS {
        return Err(InvalidCursor);
    }
    URL_SAFE_NO_PAD.decode(cursor).map_err(|_| InvalidCursor)
}

/// A score, and how many results were shown.
type Rank = (f32, u16);

struct Parts<'a> {
    signed: &'a [u8],
    key_id: &'a [u8],
    last: EchoId,
    rank: Option<Rank>,
    tag: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, InvalidCursor> {
        Self::split(bytes).ok_or(InvalidCursor)
    }

    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        let (&[version, key_id_bytes], rest) = signed.split_first_chunk::<2>()?;
        let (key_id, place) = rest.split_at_checked(usize::from(key_id_bytes))?;
        let (id, rank) = place.split_at_checked(ID_BYTES)?;
        let last = EchoId::from_bytes(id.try_into().ok()?)?;
        let rank = match version {
            VERSION => rank.is_empty().then_some(None)?,
            RANKED_VERSION => Some(read_rank(rank)?),
            _ => return None,
        };
        Some(Self { signed, key_id, last, rank, tag })
    }
}

fn read_rank(bytes: &[u8]) -> Option<Rank> {
    let (&score, shown) = bytes.split_first_chunk()?;
    Some((f32::from_be_bytes(score), u16::from_be_bytes(shown.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn keys() -> CursorKeys {
        CursorKeys::parse("k2:a-secret-of-sixteen-or-more,k1:another-secret-that-is-old").unwrap()
    }

    fn echo() -> EchoId {
        "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20".parse().unwrap()
    }

    #[test]
    fn a_cursor_goes_on_in_its_own_list_only() {
        let cursor = keys().sign("emotion:happy", echo());
        assert_eq!(keys().verify("emotion:happy", &cursor), Ok(echo()));
        assert_eq!(keys().verify("emotion:sad", &cursor), Err(InvalidCursor));
        assert_eq!(check_shape(&cursor), Ok(()));
    }

    #[test]
    fn a_rank_goes_on_in_ranked_lists_only() {
        let rank = Ranked { last: echo(), score: 1.25, shown: 40 };
        let cursor = keys().sign_ranked("search#q=a", rank);
        assert_eq!(keys().verify_ranked("search#q=a", &cursor), Ok(rank));
        assert_eq!(keys().verify_ranked("search#q=b", &cursor), Err(InvalidCursor));
        assert_eq!(keys().verify("search#q=a", &cursor), Err(InvalidCursor));
        assert_eq!(keys().verify_ranked("recent", &keys().sign("recent", echo())), Err(InvalidCursor));
        assert_eq!(check_shape(&cursor), Ok(()));
        assert!(cursor.len() < MAX_CHARS, "{}", cursor.len());
    }

    #[test]
    fn keys_can_be_rotated() {
        let old = CursorKeys::parse("k1:another-secret-that-is-old").unwrap();
        let cursor = old.sign("recent", echo());
        assert_eq!(keys().verify("recent", &cursor), Ok(echo()));
        assert_eq!(old.verify("recent", &keys().sign("recent", echo())), Err(InvalidCursor));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = URL_SAFE_NO_PAD.decode(keys().sign("recent", echo())).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys().verify("recent", &URL_SAFE_NO_PAD.encode(forged)), Err(InvalidCursor), "{bit}");
        }
    }

    #[test]
    fn other_texts_are_no_cursors() {
        for text in ["", "x", "AAAA", "!!!!", &"A".repeat(10_000), &keys().sign("recent", echo())[1..]] {
            assert_eq!(check_shape(text), Err(InvalidCursor), "{text}");
        }
        assert!(CursorKeys::parse("").is_err());
        assert!(CursorKeys::parse("k1:short").is_err());
        assert!(!format!("{:?}", keys()).contains("secret"));
    }
}
