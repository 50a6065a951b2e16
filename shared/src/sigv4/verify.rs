//! Verifies a call at the core: default deny, every refusal named.
//!
//! The signature is recomputed over the headers that the caller named and compared in constant time. The head is judged first,
//! with the body hash it claims, so an unknown caller's body is never read.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrayvec::ArrayVec;
use http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::canonical::{Request, SigningKey};
use super::keys::{EdgeKey, EdgeKeys};
use super::{ALGORITHM, AMZ_PREFIX, BODY_HASH_HEADER, DATE_HEADER, TERMINATOR, path_and_query};
use crate::hex;
use crate::policy::SIGNATURE_SKEW_SECONDS;
use crate::region::Region;
use crate::split;
use crate::timestamp::Timestamp;
use crate::wire::{CORE_PREFIX, SERVICE, max_target_bytes};

const AUTHORIZATION: &str = "authorization";
const HOST: &str = "host";
/// Headers that a signature names at most; ours name about eight.
const MAX_SIGNED_HEADERS: usize = 32;
/// The SHA-256 of nothing: the body of every read.
const SHA256_OF_NOTHING: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];
/// The same as every read claims it.
const SHA256_OF_NOTHING_IN_HEX: &[u8; 64] = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Why a call was refused. None of these tells what the signature should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No `Authorization`, one that is not of the form of Signature Version 4, or a target that is too long to judge.
    Malformed,
    /// Credentials in the query.
    InQuery,
    /// `host`, an `x-amz-*` or an `x-echoes-*` header, or another that is signed, is there twice.
    DuplicatedHeader,
    /// `host`, an `x-amz-*` or an `x-echoes-*` header is not signed, or a signed one is missing.
    UnsignedHeader,
    /// The scope names another day, region, service or terminator.
    WrongScope,
    /// The key is not active.
    UnknownKey,
    /// The date is malformed or more than five minutes from ours.
    Skewed,
    /// The body's hash is missing, no hash, or not the body's.
    BodyHash,
    /// The signature is another.
    Mismatch,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "one AWS4-HMAC-SHA256 Authorization header is required",
            Self::InQuery => "credentials in the query are not accepted",
            Self::DuplicatedHeader => "a signed header is given twice",
            Self::UnsignedHeader => "host and every x-amz-* and x-echoes-* header must be there and signed",
            Self::WrongScope => "the credential scope is not this day, region and service",
            Self::UnknownKey => "the access key is not active",
            Self::Skewed => "x-amz-date is malformed or more than five minutes off",
            Self::BodyHash => "x-amz-content-sha256 is not the SHA-256 of the body",
            Self::Mismatch => "the signature does not match",
        })
    }
}

impl std::error::Error for Refusal {}

/// The headers of a call, however they were parsed.
pub trait Headers {
    /// Each line's name, in whatever case, and its value. A header that is given twice is there twice.
    fn each(&self) -> impl Iterator<Item = (&str, &[u8])>;

    /// The values of one header that are text; `name` is in lower case.
    fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let wanted = self.each().filter(move |(other, _)| name.eq_ignore_ascii_case(other));
        wanted.filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }
}

impl Headers for HeaderMap {
    fn each(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }
}

/// The head of a call.
#[derive(Debug)]
pub struct Head<'a, H = HeaderMap> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Path and query as they came, still encoded.
    pub target: &'a str,
    /// All headers.
    pub headers: &'a H,
}

/// The body hash that a verified head claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedBody([u8; 32]);

impl ClaimedBody {
    /// Whether `body` is the one that was signed.
    pub fn check(&self, body: &[u8]) -> Result<(), Refusal> {
        let hash = if body.is_empty() { SHA256_OF_NOTHING } else { Sha256::digest(body).into() };
        // Not a secret: the caller knows its body.
        if self.0 == hash { Ok(()) } else { Err(Refusal::BodyHash) }
    }

    /// A hash as a call claims it, in lower-case hex.
    fn parse(text: &[u8]) -> Option<Self> {
        if text == SHA256_OF_NOTHING_IN_HEX { Some(Self(SHA256_OF_NOTHING)) } else { hex::sha256(text).map(Self) }
    }
}

/// Verifies calls to the core of one region.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: EdgeKeys,
    region: Region,
    derived: Arc<Mutex<Vec<Derived>>>,
}

/// What one key signs with on one day: to derive it costs as much as everything else. Only known keys and the days within five
/// minutes of now come this far.
#[derive(Debug)]
struct Derived {
    key_id: String,
    day: String,
    key: SigningKey,
}

/// Two keys on two days, around midnight.
const MAX_DERIVED: usize = 4;

impl Verifier {
    /// A verifier of calls to `region` under any of `keys`.
    pub fn new(keys: EdgeKeys, region: Region) -> Self {
        Self { keys, region, derived: Arc::default() }
    }

    /// Judges the head; the body must then be checked against the hash returned.
    pub fn verify(&self, head: Head<'_, impl Headers>, now: Timestamp) -> Result<ClaimedBody, Refusal> {
        if head.target.len() > max_target_bytes(head.target) {
            return Err(Refusal::Malformed);
        }
        let (path, query) = path_and_query(head.target);
        refuse_query_credentials(query)?;
        let authorization = Authorization::parse(head.headers)?;
        let signed = signed_headers(head.headers, authorization.signed_headers)?;
        let value_of = |wanted: &str| signed.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        value_of(HOST).ok_or(Refusal::UnsignedHeader)?;
        let date = value_of(DATE_HEADER).ok_or(Refusal::UnsignedHeader)?;
        let date = std::str::from_utf8(date).map_err(|_| Refusal::Skewed)?;
        check_date(date, now)?;
        let (key_id, scope) = self.check_scope(authorization.credential, date)?;
        let body_hash = value_of(BODY_HASH_HEADER).ok_or(Refusal::UnsignedHeader)?;
        // `UNSIGNED-PAYLOAD` and the streaming forms are no hashes, so they end here for reads too.
        let claimed = ClaimedBody::parse(body_hash).ok_or(Refusal::BodyHash)?;
        let key = self.keys.find(key_id).ok_or(Refusal::UnknownKey)?;
        let request = Request {
            method: head.method,
            path,
            query,
            headers: &signed,
            signed_headers: authorization.signed_headers,
            body_hash,
        };
        let key = self.signing_key(key, date).ok_or(Refusal::Malformed)?;
        let expected = key.sign(date, scope, &request);
        if is_same(&hex::of_sha256(&expected), authorization.signature) {
            Ok(claimed)
        } else {
            Err(Refusal::Mismatch)
        }
    }

    /// What `key` signs with on the day of `date`.
    fn signing_key(&self, key: &EdgeKey, date: &str) -> Option<SigningKey> {
        let day = date.get(..8)?;
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = derived.iter().find(|known| known.day == day && known.key_id == key.id()) {
            return Some(known.key.clone());
        }
        let new = SigningKey::derive(key.secret(), day, self.region.as_str(), SERVICE)?;
        derived.truncate(MAX_DERIVED - 1);
        derived.insert(0, Derived { key_id: key.id().to_owned(), day: day.to_owned(), key: new.clone() });
        Some(new)
    }

    /// The key's id and the scope, if that is this region's on the day of `date`.
    fn check_scope<'a>(&self, credential: &'a str, date: &str) -> Result<(&'a str, &'a str), Refusal> {
        let (key_id, scope) = split::once(credential, b'/').ok_or(Refusal::Malformed)?;
        let day = date.get(..8).ok_or(Refusal::Skewed)?;
        let mut rest = Some(scope);
        for part in [day, self.region.as_str(), SERVICE] {
            rest = rest.and_then(|rest| rest.strip_prefix(part)?.strip_prefix('/'));
        }
        if rest == Some(TERMINATOR) { Ok((key_id, scope)) } else { Err(Refusal::WrongScope) }
    }
}

/// The parts of an `Authorization` header.
struct Authorization<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(headers: &'a impl Headers) -> Result<Self, Refusal> {
        let mut lines = headers.each().filter(|(name, _)| name.eq_ignore_ascii_case(AUTHORIZATION));
        let (_, header) = lines.next().ok_or(Refusal::Malformed)?;
        if lines.next().is_some() {
            return Err(Refusal::DuplicatedHeader);
        }
        std::str::from_utf8(header).ok().and_then(Self::split).ok_or(Refusal::Malformed)
    }

    fn split(header: &'a str) -> Option<Self> {
        let mut parts = split::each(header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?, b',');
        let mut part = |name: &str| parts.next()?.trim_start().strip_prefix(name);
        let credential = part("Credential=")?;
        let signed_headers = part("SignedHeaders=")?;
        let signature = part("Signature=")?;
        (parts.next().is_none() && signature.len() == 64).then_some(Self { credential, signed_headers, signature })
    }
}

fn refuse_query_credentials(query: &str) -> Result<(), Refusal> {
    // Only these need to be decoded.
    let mut suspects = split::each(query, b'&').filter(|pair| pair.starts_with(['x', 'X', '%']));
    let found =
        suspects.any(|pair| form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| begins_with(&name, AMZ_PREFIX)));
    if found { Err(Refusal::InQuery) } else { Ok(()) }
}

/// The headers that a signature names, with their values.
type Signed<'a> = ArrayVec<(&'a str, &'a [u8]), MAX_SIGNED_HEADERS>;

/// The headers that the signature names, once all that must be signed are among them.
fn signed_headers<'a>(headers: &'a impl Headers, names: &'a str) -> Result<Signed<'a>, Refusal> {
    let mut signed = ArrayVec::<_, MAX_SIGNED_HEADERS>::new();
    let mut last = "";
    for name in split::each(names, b';') {
        if name <= last || name == AUTHORIZATION || signed.try_push((name, None)).is_err() {
            return Err(Refusal::Malformed);
        }
        last = name;
    }
    if names.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(Refusal::Malformed);
    }
    let mut duplicated = false;
    for (name, value) in headers.each() {
        match signed.iter_mut().find(|(listed, _)| listed.eq_ignore_ascii_case(name)) {
            Some(_) if !value.is_ascii() => return Err(Refusal::Malformed),
            Some((_, place)) => duplicated |= place.replace(value).is_some(),
            None if must_be_signed(name) => return Err(Refusal::UnsignedHeader),
            None => {}
        }
    }
    if duplicated {
        return Err(Refusal::DuplicatedHeader);
    }
    signed.into_iter().map(|(name, value)| Ok((name, value.ok_or(Refusal::UnsignedHeader)?))).collect()
}

fn must_be_signed(name: &str) -> bool {
    [AMZ_PREFIX, CORE_PREFIX].into_iter().any(|prefix| begins_with(name, prefix))
}

/// The same in whatever case.
fn begins_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Whether a signature is the one that was expected, found out in a time that does not tell where they differ.
fn is_same(expected: &[u8; 64], signature: &str) -> bool {
    let Ok(signature) = <&[u8; 64]>::try_from(signature.as_bytes()) else { return false };
    // Eight bytes at a time.
    let words = |text: &[u8; 64]| -> [u64; 8] {
        let (words, _) = text.as_chunks::<8>();
        std::array::from_fn(|at| words.get(at).map_or(0, |word| u64::from_le_bytes(*word)))
    };
    words(expected).ct_eq(&words(signature)).into()
}

/// Whether an `x-amz-date` is within five minutes of `now`.
fn check_date(text: &str, now: Timestamp) -> Result<(), Refusal> {
    let at = Timestamp::from_basic(text).ok_or(Refusal::Skewed)?;
    let skew = now.epoch_seconds().abs_diff(at.epoch_seconds());
    if skew <= SIGNATURE_SKEW_SECONDS { Ok(()) } else { Err(Refusal::Skewed) }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
