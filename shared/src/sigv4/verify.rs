//! Verifies a call at the core: default deny, every refusal named.
//!
//! The signature is recomputed over the headers that the caller named and compared in constant time. The head is judged first,
//! with the body hash it claims, so an unknown caller's body is never read.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::canonical::{Request, SigningKey};
use super::keys::{EdgeKey, EdgeKeys};
use super::{ALGORITHM, AMZ_PREFIX, BODY_HASH_HEADER, DATE_HEADER, TERMINATOR};
use crate::hex;
use crate::policy::SIGNATURE_SKEW_SECONDS;
use crate::region::Region;
use crate::timestamp::Timestamp;
use crate::wire::{CORE_PREFIX, SERVICE, max_target_bytes};

const HOST: &str = "host";
/// Headers that a signature names at most; ours name about eight.
const MAX_SIGNED_HEADERS: usize = 32;
/// The SHA-256 of nothing: the body of every read.
const SHA256_OF_NOTHING: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

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

/// The head of a call.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Path and query as they came, still encoded.
    pub target: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
}

/// The body hash that a verified head claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedBody([u8; 32]);

impl ClaimedBody {
    /// Whether `body` is the one that was signed.
    pub fn check(&self, body: &[u8]) -> Result<(), Refusal> {
        let hash = if body.is_empty() { SHA256_OF_NOTHING } else { Sha256::digest(body).into() };
        let same: bool = self.0.ct_eq(&hash).into();
        if same { Ok(()) } else { Err(Refusal::BodyHash) }
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
    pub fn verify(&self, head: Head<'_>, now: Timestamp) -> Result<ClaimedBody, Refusal> {
        if head.target.len() > max_target_bytes(head.target) {
            return Err(Refusal::Malformed);
        }
        refuse_query_credentials(head.target)?;
        let authorization = Authorization::parse(head.headers)?;
        let signed = signed_headers(head.headers, authorization.signed_headers)?;
        let value_of = |wanted: &str| signed.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        let date = value_of(DATE_HEADER).ok_or(Refusal::UnsignedHeader)?;
        check_date(date, now)?;
        let (key_id, scope) = self.check_scope(authorization.credential, date)?;
        let body_hash = value_of(BODY_HASH_HEADER).ok_or(Refusal::UnsignedHeader)?;
        // `UNSIGNED-PAYLOAD` and the streaming forms are no hashes, so they end here for reads too.
        let claimed = hex::sha256(body_hash).ok_or(Refusal::BodyHash)?;
        let key = self.keys.find(key_id).ok_or(Refusal::UnknownKey)?;
        let request = Request {
            method: head.method,
            target: head.target,
            headers: &signed,
            signed_headers: authorization.signed_headers,
            body_hash,
        };
        let key = self.signing_key(key, date).ok_or(Refusal::Malformed)?;
        let expected = key.sign(date, scope, &request.hash());
        let signature = hex::sha256(authorization.signature).ok_or(Refusal::Mismatch)?;
        let same: bool = expected.ct_eq(&signature).into();
        if same { Ok(ClaimedBody(claimed)) } else { Err(Refusal::Mismatch) }
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
        let (key_id, scope) = credential.split_once('/').ok_or(Refusal::Malformed)?;
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
    fn parse(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let header = lines.next().ok_or(Refusal::Malformed)?;
        if lines.next().is_some() {
            return Err(Refusal::DuplicatedHeader);
        }
        header.to_str().ok().and_then(Self::split).ok_or(Refusal::Malformed)
    }

    fn split(header: &'a str) -> Option<Self> {
        let mut parts = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?.split(',');
        let mut part = |name: &str| parts.next()?.trim_start().strip_prefix(name);
        let credential = part("Credential=")?;
        let signed_headers = part("SignedHeaders=")?;
        let signature = part("Signature=")?;
        (parts.next().is_none() && signature.len() == 64).then_some(Self { credential, signed_headers, signature })
    }
}

fn refuse_query_credentials(target: &str) -> Result<(), Refusal> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let is_credential =
        |name: &str| name.get(..AMZ_PREFIX.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(AMZ_PREFIX));
    // Only these need to be decoded.
    let mut suspects = query.split('&').filter(|pair| pair.starts_with(['x', 'X', '%']));
    let found = suspects.any(|pair| form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| is_credential(&name)));
    if found { Err(Refusal::InQuery) } else { Ok(()) }
}

/// A header that the signature names.
struct Signed<'a> {
    name: &'a str,
    value: Option<&'a HeaderValue>,
    is_given_twice: bool,
}

impl<'a> Signed<'a> {
    /// Its name and its one value; two, or one that is no visible text, refuse the call.
    fn pair(self) -> Result<(&'a str, &'a str), Refusal> {
        if self.is_given_twice {
            return Err(Refusal::DuplicatedHeader);
        }
        let value = self.value.ok_or(Refusal::UnsignedHeader)?;
        Ok((self.name, value.to_str().map_err(|_| Refusal::Malformed)?))
    }
}

/// The headers that the signature names, with their values, once all that must be signed are among them.
fn signed_headers<'a>(headers: &'a HeaderMap, names: &'a str) -> Result<Vec<(&'a str, &'a str)>, Refusal> {
    let named = |name| Signed { name, value: None, is_given_twice: false };
    let mut listed: Vec<Signed<'_>> = names.split(';').take(MAX_SIGNED_HEADERS + 1).map(named).collect();
    let ordered = listed.is_sorted_by(|a, b| a.name < b.name);
    let lower = !names.bytes().any(|b| b.is_ascii_uppercase());
    let lists = |name: &str| listed.iter().any(|header| header.name == name);
    if listed.len() > MAX_SIGNED_HEADERS || !ordered || !lower || lists(AUTHORIZATION.as_str()) {
        return Err(Refusal::Malformed);
    }
    if ![HOST, DATE_HEADER, BODY_HASH_HEADER].into_iter().all(lists) {
        return Err(Refusal::UnsignedHeader);
    }
    let must_be_signed = |name: &str| name.starts_with(AMZ_PREFIX) || name.starts_with(CORE_PREFIX);
    for (name, value) in headers {
        match listed.iter_mut().find(|header| header.name == name) {
            Some(header) => header.is_given_twice |= header.value.replace(value).is_some(),
            None if must_be_signed(name.as_str()) => return Err(Refusal::UnsignedHeader),
            None => {}
        }
    }
    listed.into_iter().map(Signed::pair).collect()
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
