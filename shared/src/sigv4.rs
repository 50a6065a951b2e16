//! AWS Signature Version 4 between edge and core, both directions over one set of settings.
//!
//! The signed headers are `host`, every `x-amz-*` and every `x-echoes-*`; the body counts through its SHA-256 in
//! `x-amz-content-sha256`. Cloudflare may rewrite other headers on the way, so nothing else needs to be signed.

pub mod keys;
pub mod sign;
pub mod verify;

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{PayloadChecksumKind, PercentEncodingMode, SigningSettings, UriPathNormalizationMode};

use crate::timestamp::Timestamp;

/// The algorithm's name in `Authorization`.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// When the request was signed: `20261122T225953Z`.
pub const DATE_HEADER: &str = "x-amz-date";
/// The SHA-256 of the body in lower-case hex.
pub const BODY_HASH_HEADER: &str = "x-amz-content-sha256";

const AMZ_PREFIX: &str = "x-amz-";
/// What a scope ends with.
const TERMINATOR: &str = "aws4_request";

/// The path is encoded twice, as for every AWS service but S3. It is not normalised: our paths have no dot segments, and
/// a signature for one spelling must not hold for another.
fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Double;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.excluded_headers = None;
    settings
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(at.millis())
}
