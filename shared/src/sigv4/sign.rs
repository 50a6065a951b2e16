//! Signs a call from the edge to a core.
//!
//! By hand: the `aws-sigv4` crate would cost the Worker 45 KB (gzip). The tests hold it against that crate.

use sha2::{Digest, Sha256};

use super::canonical::{Request, SigningKey, sorted};
use super::keys::EdgeKey;
use super::{ALGORITHM, BODY_HASH_HEADER, DATE_HEADER, TERMINATOR, path_and_query};
use crate::hex;
use crate::region::Region;
use crate::timestamp::Timestamp;
use crate::wire::SERVICE;

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
    let (host, target) = host_and_target(call.url)?;
    let (path, query) = path_and_query(target);
    let own = [("host", host), (DATE_HEADER, &*date), (BODY_HASH_HEADER, &*body_hash)];
    let headers = checked(sorted(own.into_iter().chain(call.headers.iter().copied())))?;
    let signed_headers = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name, value.as_bytes())).collect();
    let request = Request {
        method: call.method,
        path,
        query,
        headers: &headers,
        signed_headers: &signed_headers,
        body_hash: body_hash.as_bytes(),
    };
    let day = date.get(..8).unwrap_or_default();
    let scope = format!("{day}/{region}/{SERVICE}/{TERMINATOR}");
    let signing_key = SigningKey::derive(key.secret(), day, region.as_str(), SERVICE);
    let signing_key = signing_key.ok_or(SigningError("there is no key"))?;
    let signature = hex::lower(&signing_key.sign(&date, &scope, &request));
    let credential = format!("{}/{scope}", key.id());
    let authorization =
        format!("{ALGORITHM} Credential={credential}, SignedHeaders={signed_headers}, Signature={signature}");
    Ok(vec![
        ("authorization".to_owned(), authorization),
        (DATE_HEADER.to_owned(), date),
        (BODY_HASH_HEADER.to_owned(), body_hash),
    ])
}

/// The headers, if a canonical request holds them as they are.
fn checked<'a>(headers: Vec<(&'a str, &'a str)>) -> Result<Vec<(&'a str, &'a str)>, SigningError> {
    let visible = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    let lower = |name: &str| !name.bytes().any(|b| b.is_ascii_uppercase() || b == b':');
    let fit = headers.iter().all(|(name, value)| visible(name) && lower(name) && visible(value));
    if fit { Ok(headers) } else { Err(SigningError("a header is no visible text")) }
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
    fn every_spelling_of_a_target_verifies() {
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
