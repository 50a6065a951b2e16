//! AWS Signature Version 4 between edge and core, both directions over one canonical form.
//!
//! The signed headers are `host`, every `x-amz-*` and every `x-echoes-*`; the body counts through its SHA-256 in
//! `x-amz-content-sha256`. Cloudflare may rewrite other headers on the way, so nothing else needs to be signed.

#[cfg(test)]
mod aws_tests;
mod canonical;
pub mod keys;
pub mod sign;
pub mod verify;

/// The algorithm's name in `Authorization`.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// When the request was signed: `20261122T225953Z`.
pub const DATE_HEADER: &str = "x-amz-date";
/// The SHA-256 of the body in lower-case hex.
pub const BODY_HASH_HEADER: &str = "x-amz-content-sha256";

const AMZ_PREFIX: &str = "x-amz-";
/// What a scope ends with.
const TERMINATOR: &str = "aws4_request";

/// A target's path and its query, empty for none.
fn path_and_query(target: &str) -> (&str, &str) {
    split_once(target, b'?').unwrap_or((target, ""))
}

/// What is before the first `at`, an ASCII character, and what is behind it. The standard library's search is made for longer texts.
fn split_once(text: &str, at: u8) -> Option<(&str, &str)> {
    let place = memchr::memchr(at, text.as_bytes())?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// The parts between each `at`, an ASCII character.
fn split(text: &str, at: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (part, behind) = split_once(rest?, at).map_or((rest?, None), |(part, behind)| (part, Some(behind)));
        rest = behind;
        Some(part)
    })
}
