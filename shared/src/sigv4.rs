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

use crate::split;

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
    split::once(target, b'?').unwrap_or((target, ""))
}
