//! Signs a call from the edge to a core.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, sign};
use aws_sigv4::sign::v4;

use super::keys::EdgeKey;
use super::settings;
use crate::region::Region;
use crate::timestamp::Timestamp;
use crate::wire::SERVICE;

/// A call could not be signed: its URL or a header is not what HTTP allows.
#[derive(Debug)]
pub struct SigningError(String);

impl std::fmt::Display for SigningError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the call cannot be signed: {}", self.0)
    }
}

impl std::error::Error for SigningError {}

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// The whole URL; its host must be what the `Host` header will say.
    pub url: &'a str,
    /// The `x-echoes-*` headers to be sent, names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body to be sent, empty for none.
    pub body: &'a [u8],
}

/// The headers to add to the call: `authorization`, `x-amz-date` and `x-amz-content-sha256`.
pub fn signature_headers(
    call: Call<'_>,
    key: &EdgeKey,
    region: Region,
    now: Timestamp,
) -> Result<Vec<(String, String)>, SigningError> {
    let identity = Credentials::new(key.id(), key.secret(), None, None, "echoes").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region.as_str())
        .name(SERVICE)
        .time(super::system_time(now))
        .settings(settings())
        .build()
        .map_err(|error| SigningError(error.to_string()))?
        .into();
    let body = SignableBody::Bytes(call.body);
    let request = SignableRequest::new(call.method, call.url, call.headers.iter().copied(), body)
        .map_err(|error| SigningError(error.to_string()))?;
    let (instructions, _signature) =
        sign(request, &params).map_err(|error| SigningError(error.to_string()))?.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
