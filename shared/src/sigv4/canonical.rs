//! What both halves compute alike: the canonical request, the string to sign, and the signature under a day's key.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::{ALGORITHM, TERMINATOR};
use crate::{hex, split};

/// What a canonical request leaves as it is: RFC 3986's unreserved characters.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The path is encoded once more as it stands, so that `%40` becomes `%2540`, as for every AWS service but S3; its slashes stay. It
/// is not normalised: our paths have no dot segments, and a signature for one spelling must not hold for another.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Room for the canonical request of most calls. More is not kept.
const USUAL_BYTES: usize = 1_024;

thread_local! {
    /// Where a thread puts together what it hashes.
    static TEXT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What is signed of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub method: &'a str,
    /// As it is sent.
    pub path: &'a str,
    /// As it is sent, without its `?`.
    pub query: &'a str,
    /// The signed headers, sorted by their names, which are in lower case.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Their names with `;` between them.
    pub signed_headers: &'a str,
    /// The SHA-256 of the body in hex.
    pub body_hash: &'a [u8],
}

impl Request<'_> {
    /// The canonical request, behind what is in `text`.
    fn write(&self, text: &mut Vec<u8>) {
        append(text, &[self.method, "\n"]);
        utf8_percent_encode(self.path, PATH).for_each(|part| append(text, &[part]));
        append(text, &["\n", &canonical_query(self.query), "\n"]);
        for (name, value) in self.headers {
            append(text, &[name, ":"]);
            text.extend_from_slice(&single_spaced(value));
            append(text, &["\n"]);
        }
        append(text, &["\n", self.signed_headers, "\n"]);
        text.extend_from_slice(self.body_hash);
    }
}

fn append(text: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
}

/// A header's value without the spaces around it, and one where there are several.
fn single_spaced(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b' ', value).is_none() {
        return Cow::Borrowed(value);
    }
    let words: Vec<&[u8]> = value.split(|b| *b == b' ').filter(|word| !word.is_empty()).collect();
    Cow::Owned(words.join(&b' '))
}

/// The parameters sorted and encoded in the one way that AWS has.
fn canonical_query(query: &str) -> Cow<'_, str> {
    if query.is_empty() || is_canonical(query) {
        return Cow::Borrowed(query);
    }
    let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let pairs =
        sorted(form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (encoded(&name), encoded(&value))));
    Cow::Owned(pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"))
}

/// Whether the parameters are so already, as those of most reads: in order, with nothing to decode and nothing to encode.
fn is_canonical(query: &str) -> bool {
    let plain =
        |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
    let mut last = None;
    split::each(query, b'&').all(|pair| {
        let Some(pair) = split::once(pair, b'=') else { return false };
        let follows = last.is_none_or(|last| last <= pair) && plain(pair.0) && plain(pair.1);
        last = Some(pair);
        follows
    })
}

/// A handful of things in order. The standard library's sort, made for many, would cost the Worker 2 KB (gzip) for each type.
pub(super) fn sorted<T: Ord>(things: impl Iterator<Item = T>) -> Vec<T> {
    let mut sorted = Vec::new();
    for thing in things {
        let at = sorted.partition_point(|other| *other <= thing);
        sorted.insert(at, thing);
    }
    sorted
}

/// What a secret signs with on one day, in one region, for one service. `Debug` does not show it.
#[derive(Clone)]
pub(super) struct SigningKey(Hmac<Sha256>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// The key of `day`, `20261122`; none for no secret, since HMAC itself takes keys of any length.
    pub(super) fn derive(secret: &str, day: &str, region: &str, service: &str) -> Option<Self> {
        let mut key = keyed(format!("AWS4{secret}").as_bytes())?;
        for part in [day, region, service, TERMINATOR] {
            key = keyed(&finished(key, part.as_bytes()))?;
        }
        Some(Self(key))
    }

    /// The signature of a request. `date` is its `x-amz-date`, `scope` `DAY/REGION/SERVICE/aws4_request`. What is hashed is put
    /// together first: a hash that is given many small parts takes longer.
    pub(super) fn sign(self, date: &str, scope: &str, request: &Request<'_>) -> [u8; 32] {
        let mut text = TEXT.take();
        text.reserve(USUAL_BYTES);
        request.write(&mut text);
        let hash = hex::of_sha256(&Sha256::digest(&text).into());
        text.clear();
        append(&mut text, &[ALGORITHM, "\n", date, "\n", scope, "\n"]);
        text.extend_from_slice(&hash);
        let signature = finished(self.0, &text);
        text.clear();
        text.shrink_to(USUAL_BYTES);
        TEXT.set(text);
        signature
    }
}

fn keyed(key: &[u8]) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(key).ok()
}

fn finished(mut key: Hmac<Sha256>, message: &[u8]) -> [u8; 32] {
    key.update(message);
    key.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// `get-vanilla` of AWS's published test suite for Signature Version 4.
    #[test]
    fn the_published_vector_comes_out() {
        let body_hash = hex::lower(&Sha256::digest(b""));
        let request = Request {
            method: "GET",
            path: "/",
            query: "",
            headers: &[("host", b"example.amazonaws.com"), ("x-amz-date", b"20150830T123600Z")],
            signed_headers: "host;x-amz-date",
            body_hash: body_hash.as_bytes(),
        };
        let mut text = Vec::new();
        request.write(&mut text);
        let hash = "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63";
        assert_eq!(hex::lower(&Sha256::digest(text)), hash);
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let key = SigningKey::derive(secret, "20150830", "us-east-1", "service").unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
        let signature = key.sign("20150830T123600Z", "20150830/us-east-1/service/aws4_request", &request);
        assert_eq!(hex::lower(&signature), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    }

    #[test]
    fn what_is_canonical_stays_and_all_else_becomes_so() {
        for (query, canonical) in [
            ("", ""),
            ("limit=20", "limit=20"),
            ("a=&a=0&b=1", "a=&a=0&b=1"),
            ("=x", "=x"),
            ("a-b=1&a=2", "a=2&a-b=1"),
            ("b=1&a=2", "a=2&b=1"),
            ("a=1&a=0", "a=0&a=1"),
            ("a", "a="),
            ("a=1&", "a=1"),
            ("&", ""),
            ("a=1&&b=2", "a=1&b=2"),
            ("a=b=c", "a=b%3Dc"),
            ("a=%7e&b=%2d", "a=~&b=-"),
            ("a+b=c+d", "a%20b=c%20d"),
            ("a=\u{e9}", "a=%C3%A9"),
            ("a=*", "a=%2A"),
        ] {
            assert_eq!(canonical_query(query), canonical, "{query}");
        }
    }

    #[test]
    fn spaces_are_single() {
        for (value, single) in [("", ""), ("a", "a"), (" a  b ", "a b"), ("  ", ""), ("a\tb", "a\tb")] {
            assert_eq!(*single_spaced(value.as_bytes()), *single.as_bytes());
        }
    }
}
