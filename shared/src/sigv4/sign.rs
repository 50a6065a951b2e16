//! Signs a call from the edge to a core.
//!
//! By hand, where the verifier recomputes with the `aws-sigv4` crate: that crate would cost the Worker 45 KB (gzip), and so
//! each half is tested against the other's code.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::keys::EdgeKey;
use super::{ALGORITHM, BODY_HASH_HEADER, DATE_HEADER, TERMINATOR};
use crate::hex;
use crate::region::Region;
use crate::timestamp::Timestamp;
use crate::wire::SERVICE;

/// What a canonical request leaves as it is: RFC 3986's unreserved characters.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The path is encoded once more as it stands, so that `%40` becomes `%2540`; its slashes stay.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// A call could not be signed: its URL or a header is not what HTTP allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningError(&'static str);

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
    /// The whole URL, its path without `.` and `..`; its host must be what the `Host` header will say.
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
    let date = amz_date(now);
    let body_hash = hex::lower(&Sha256::digest(call.body));
    let (request, signed_headers) = canonical_request(call, &date, &body_hash)?;
    let day = date.get(..8).unwrap_or_default();
    let scope = format!("{day}/{region}/{SERVICE}/{TERMINATOR}");
    let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex::lower(&Sha256::digest(request)));

    let mut signing_key = hmac(format!("AWS4{}", key.secret()).as_bytes(), day);
    for part in [region.as_str(), SERVICE, TERMINATOR] {
        signing_key = hmac(&signing_key, part);
    }
    let signature = hex::lower(&hmac(&signing_key, &to_sign));
    let credential = format!("{}/{scope}", key.id());
    let authorization =
        format!("{ALGORITHM} Credential={credential}, SignedHeaders={signed_headers}, Signature={signature}");
    Ok(vec![
        ("authorization".to_owned(), authorization),
        (DATE_HEADER.to_owned(), date),
        (BODY_HASH_HEADER.to_owned(), body_hash),
    ])
}

/// The canonical request and its list of signed headers.
fn canonical_request(call: Call<'_>, date: &str, body_hash: &str) -> Result<(String, String), SigningError> {
    let (host, target) = host_and_target(call.url)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let own = [("host", host), (DATE_HEADER, date), (BODY_HASH_HEADER, body_hash)];
    let headers = sorted(own.iter().chain(call.headers).copied());
    let visible = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    let lower = |name: &str| !name.bytes().any(|b| b.is_ascii_uppercase() || b == b':');
    if !headers.iter().all(|(name, value)| visible(name) && lower(name) && visible(value)) {
        return Err(SigningError("a header is no visible text"));
    }
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");

    let path = utf8_percent_encode(path, PATH);
    let mut text = format!("{}\n{path}\n{}\n", call.method, canonical_query(query));
    for (name, value) in headers {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{name}:{value}");
    }
    let _ = write!(text, "\n{names}\n{body_hash}");
    Ok((text, names))
}

/// A handful of things in order. The standard library's sort, made for many, would cost the Worker 2 KB (gzip) for each type.
fn sorted<T: Ord>(things: impl Iterator<Item = T>) -> Vec<T> {
    let mut sorted = Vec::new();
    for thing in things {
        let at = sorted.partition_point(|other| *other <= thing);
        sorted.insert(at, thing);
    }
    sorted
}

/// The parameters sorted and encoded in the one way that AWS has.
fn canonical_query(query: &str) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let pairs =
        sorted(form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (encoded(&name), encoded(&value))));
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn host_and_target(url: &str) -> Result<(&str, &str), SigningError> {
    let (_, rest) = url.split_once("://").ok_or(SigningError("the URL has no scheme"))?;
    let at = rest.find('/').ok_or(SigningError("the URL has no path"))?;
    Ok(rest.split_at(at))
}

/// `20261122T225953Z`
fn amz_date(now: Timestamp) -> String {
    let text = now.to_string();
    let seconds = text.split_once('.').map_or(text.as_str(), |(seconds, _)| seconds);
    seconds.chars().filter(char::is_ascii_alphanumeric).chain(['Z']).collect()
}

fn hmac(key: &[u8], message: &str) -> [u8; 32] {
    // HMAC takes a key of any length, so the error is never seen; a zero key would sign nothing that verifies.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigv4::keys::EdgeKeys;
    use crate::sigv4::verify::{Head, Verifier};
    use http::{HeaderMap, HeaderName};

    const HOST: &str = "core.example:7001";

    fn now() -> Timestamp {
        "2026-11-22T22:59:53.372Z".parse().unwrap()
    }

    fn key() -> EdgeKey {
        EdgeKey::new("EDGE1", "secret/with+signs").unwrap()
    }

    fn call<'a>(url: &'a str, headers: &'a [(&'a str, &'a str)]) -> Call<'a> {
        Call { method: "GET", url, headers, body: b"" }
    }

    #[test]
    fn the_aws_crate_recomputes_the_same_signature() {
        let verifier = Verifier::new(EdgeKeys::parse("EDGE1:secret/with+signs").unwrap(), Region::EuWest1);
        let own = [("x-echoes-user", "a|b:c.d@e-f_G"), ("x-echoes-request-id", "r1")];
        for target in [
            "/",
            "/v1/emotions",
            "/v1/users/auth0%7C5f.a%40b-c_d~e/echoes?limit=5&emotion=sad&cursor=a-b_c",
            "/v1/x?b=2&a=1&a=0&A=9&empty=&bare&plus=a+b&amp=%26%3D&utf=%C3%A9",
            "/v1/%E2%82%AC/a!b'c(d)e*f,g;h=i",
        ] {
            let url = format!("https://{HOST}{target}");
            let mut headers = HeaderMap::new();
            headers.insert("host", HOST.parse().unwrap());
            let added = signature_headers(call(&url, &own), &key(), Region::EuWest1, now()).unwrap();
            let all = own.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).chain(added);
            for (name, value) in all {
                headers.insert(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
            }
            let verdict = verifier.verify(Head { method: "GET", target, headers: &headers }, now());
            assert!(verdict.is_ok(), "{target}: {verdict:?}");
        }
    }

    #[test]
    fn what_http_does_not_allow_is_not_signed() {
        let sign = |url: &str, headers: &[(&str, &str)]| {
            signature_headers(call(url, headers), &key(), Region::UsEast1, now())
        };
        for url in ["", "core.example/v1", "https://core.example"] {
            assert!(sign(url, &[]).is_err(), "{url}");
        }
        for header in [("x-echoes-user", "a\nb"), ("x-echoes-user", "a b"), ("X-Echoes-User", "a"), ("a:b", "c")] {
            assert!(sign("https://core.example/", &[header]).is_err(), "{header:?}");
        }
    }
}
