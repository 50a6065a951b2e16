//! Both halves against AWS's own signer, the `aws-sigv4` crate.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::keys::{EdgeKey, EdgeKeys};
use super::sign::{Call, signature_headers};
use super::verify::{Head, Refusal, Verifier};
use super::{BODY_HASH_HEADER, DATE_HEADER};
use crate::hex;
use crate::region::Region;
use crate::timestamp::Timestamp;
use crate::wire::SERVICE;

const HOST: &str = "core.example:7001";
const SECRET: &str = "secret/with+signs";
const DATE: &str = "20261122T225953Z";
const TARGETS: &[&str] = &[
    "/",
    "/v1/emotions",
    "/v1/users/auth0%7C5f.a%40b-c_d~e/echoes?limit=5&emotion=sad&cursor=a-b_c",
    "/v1/x?b=2&a=1&a=0&A=9&empty=&bare&plus=a+b&amp=%26%3D&utf=%C3%A9",
    "/v1/%E2%82%AC/a!b'c(d)e*f,g;h=i",
    "/v1//x/./y/../z",
    "/v1/x?",
    "/v1/x?&&a=%zz&=b&%41=1&a=%20+",
];

fn now() -> Timestamp {
    "2026-11-22T22:59:53.372Z".parse().unwrap()
}

/// AWS's signature over these headers, sorted by their names, and the header that carries it.
fn of_aws(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Double;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.excluded_headers = None;
    let identity = Credentials::new("EDGE1", SECRET, None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(Region::EuWest1.as_str())
        .name(SERVICE)
        .time(SystemTime::UNIX_EPOCH + Duration::from_millis(now().millis()))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let body_hash = headers.iter().find(|(name, _)| *name == BODY_HASH_HEADER).unwrap().1;
    let body = SignableBody::Precomputed(body_hash.to_owned());
    let url = format!("http://{HOST}{target}");
    let request = SignableRequest::new(method, url, headers.iter().copied(), body).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let (headers, _) = instructions.into_parts();
    headers.iter().find(|header| header.name() == "authorization").unwrap().value().to_owned()
}

fn map(headers: &[(&str, &str)], authorization: &str) -> HeaderMap {
    let all = headers.iter().copied().chain([("authorization", authorization)]);
    all.map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

#[test]
fn what_aws_signs_is_accepted_and_nothing_beside_it() {
    let verifier = Verifier::new(EdgeKeys::parse("OTHER:x,EDGE1:secret/with+signs").unwrap(), Region::EuWest1);
    let body_hash = hex::lower(&Sha256::digest(b""));
    for user in ["ana", " two  words ", "a\tb", "x   y z", "a|b:c.d@e-f_G"] {
        let headers = [
            ("host", HOST),
            (BODY_HASH_HEADER, &*body_hash),
            (DATE_HEADER, DATE),
            ("x-echoes-request-id", "r1"),
            ("x-echoes-user", user),
        ];
        for target in TARGETS {
            let beside = format!("{target}x");
            let signed = of_aws("GET", target, &headers);
            let judge = |method, target, headers: &[(&str, &str)]| {
                let headers = map(headers, &signed);
                verifier.verify(Head { method, target, headers: &headers }, now()).map(|_| ())
            };
            assert_eq!(judge("GET", target, &headers), Ok(()), "{target} {user:?}");
            assert_eq!(judge("HEAD", target, &headers), Err(Refusal::Mismatch));
            assert_eq!(judge("GET", &beside, &headers), Err(Refusal::Mismatch));
            let mut other = headers;
            other[4].1 = "ben";
            assert_eq!(judge("GET", target, &other), Err(Refusal::Mismatch));
        }
    }
}

#[test]
fn aws_would_have_signed_as_we_do() {
    let key = EdgeKey::new("EDGE1", SECRET).unwrap();
    let own = [("x-echoes-request-id", "r1"), ("x-echoes-user", "a|b:c.d@e-f_G")];
    for target in TARGETS {
        let url = format!("https://{HOST}{target}");
        let call = Call { method: "GET", url: &url, headers: &own, body: b"" };
        let added = signature_headers(call, &key, Region::EuWest1, now()).unwrap();
        let value = |wanted: &str| &*added.iter().find(|(name, _)| name == wanted).unwrap().1;
        let mut headers: Vec<_> = [("host", HOST), (DATE_HEADER, DATE), (BODY_HASH_HEADER, value(BODY_HASH_HEADER))]
            .into_iter()
            .chain(own)
            .collect();
        headers.sort_unstable();
        assert_eq!(value("authorization"), of_aws("GET", target, &headers), "{target}");
    }
}
