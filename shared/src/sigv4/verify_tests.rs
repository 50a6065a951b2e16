//! Every refusal of the verifier, each from one mutation of a call that is accepted.

use super::*;
use crate::sigv4::keys::EdgeKey;
use crate::sigv4::sign::{Call, signature_headers};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TARGET: &str = "/v1/users/auth0%7Cana/echoes?cursor=a-b_c&limit=5";
const HOST_NAME: &str = "127.0.0.1:7001";
const BODY: &[u8] = br#"{"emotion":"happy"}"#;
const REGION: Region = Region::EuWest1;

fn now() -> Timestamp {
    "2026-11-22T22:59:53.372Z".parse().unwrap()
}

fn verifier() -> Verifier {
    Verifier::new(EdgeKeys::parse("EDGE1:secret-one,EDGE2:secret-two").unwrap(), REGION)
}

fn signed_with(key: &EdgeKey, region: Region, at: Timestamp) -> HeaderMap {
    let own = [("x-echoes-request-id", "r1"), ("x-echoes-user", "auth0|ana")];
    let url = format!("http://{HOST_NAME}{TARGET}");
    let call = Call { method: "POST", url: &url, headers: &own, body: BODY };
    let added = signature_headers(call, key, region, at).unwrap();
    let mut headers = HeaderMap::new();
    let all = own.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).chain(added);
    for (name, value) in all.chain([("host".to_owned(), HOST_NAME.to_owned())]) {
        headers.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    headers
}

fn signed() -> HeaderMap {
    signed_with(&EdgeKey::new("EDGE1", "secret-one").unwrap(), REGION, now())
}

fn judge(headers: &HeaderMap) -> Result<ClaimedBody, Refusal> {
    verifier().verify(Head { method: "POST", target: TARGET, headers }, now())
}

/// The refusal after one header's text was edited.
fn edited(name: &'static str, edit: impl Fn(&str) -> String) -> Refusal {
    let mut headers = signed();
    let text = edit(headers[name].to_str().unwrap());
    headers.insert(name, text.parse().unwrap());
    judge(&headers).unwrap_err()
}

#[test]
fn what_we_sign_is_accepted_under_either_key() {
    let claimed = judge(&signed()).unwrap();
    assert_eq!(claimed.check(BODY), Ok(()));
    assert_eq!(claimed.check(b"{}"), Err(Refusal::BodyHash));
    let second = signed_with(&EdgeKey::new("EDGE2", "secret-two").unwrap(), REGION, now());
    assert!(judge(&second).is_ok());
}

#[test]
fn method_path_and_query_count() {
    let headers = signed();
    for (method, target) in [
        ("PUT", TARGET),
        ("POST", "/v1/users/auth0%7Cben/echoes?cursor=a-b_c&limit=5"),
        ("POST", "/v1/users/auth0%7Cana/echoes?cursor=a-b_c&limit=6"),
        ("POST", "/v1/users/auth0%7Cana/echoes?cursor=a-b_c&limit=5&x=1"),
        ("POST", "/v1/users/auth0%7Cana/echoes"),
        ("POST", "//v1/users/auth0%7Cana/echoes?cursor=a-b_c&limit=5"),
        ("POST", "/v1/./users/auth0%7Cana/echoes?cursor=a-b_c&limit=5"),
        ("POST", "/x/../v1/users/auth0%7Cana/echoes?cursor=a-b_c&limit=5"),
        ("POST", "*"),
    ] {
        assert_eq!(verifier().verify(Head { method, target, headers: &headers }, now()), Err(Refusal::Mismatch));
    }
}

#[test]
fn every_signed_header_counts() {
    for name in ["host", "x-echoes-user", "x-echoes-request-id"] {
        assert_eq!(edited(name, |value| format!("{value}0")), Refusal::Mismatch, "{name}");
    }
    for name in ["host", "x-echoes-user", "x-amz-date", "x-amz-content-sha256"] {
        let mut headers = signed();
        headers.remove(name);
        assert_eq!(judge(&headers), Err(Refusal::UnsignedHeader), "{name}");
        let mut headers = signed();
        let value = headers[name].clone();
        headers.append(name, value);
        assert_eq!(judge(&headers), Err(Refusal::DuplicatedHeader), "{name}");
    }
    for name in ["x-echoes-fallback", "x-amz-meta"] {
        let mut headers = signed();
        headers.insert(name, "1".parse().unwrap());
        assert_eq!(judge(&headers), Err(Refusal::UnsignedHeader), "{name}");
    }
}

#[test]
fn the_scope_is_ours_alone() {
    for (from, to) in [
        ("/eu-west-1/", "/us-east-1/"),
        ("/echoes/", "/dynamodb/"),
        ("/aws4_request", "/aws5_request"),
        ("/20261122/", "/20261121/"),
        ("/aws4_request", "/aws4_request/x"),
    ] {
        assert_eq!(edited(AUTHORIZATION, |value| value.replace(from, to)), Refusal::WrongScope, "{to}");
    }
    let elsewhere = signed_with(&EdgeKey::new("EDGE1", "secret-one").unwrap(), Region::UsEast1, now());
    assert_eq!(judge(&elsewhere), Err(Refusal::WrongScope));
    assert_eq!(edited(AUTHORIZATION, |value| value.replace("EDGE1", "EDGE3")), Refusal::UnknownKey);
    assert_eq!(edited(AUTHORIZATION, |value| value.replace("EDGE1", "EDGE2")), Refusal::Mismatch);
    let forged = signed_with(&EdgeKey::new("EDGE1", "secret-two").unwrap(), REGION, now());
    assert_eq!(judge(&forged), Err(Refusal::Mismatch));
}

#[test]
fn five_minutes_either_way_and_no_more() {
    let key = EdgeKey::new("EDGE1", "secret-one").unwrap();
    let at = |seconds: i64| Timestamp::from_millis((now().millis().cast_signed() + seconds * 1_000).cast_unsigned());
    for (seconds, accepted) in [(-300, true), (300, true), (-301, false), (301, false), (-864_000, false)] {
        let verdict = judge(&signed_with(&key, REGION, at(seconds)));
        assert_eq!(verdict.is_ok(), accepted, "{seconds}");
    }
    for date in ["", "20261122", "20261122T225953", "2026-11-22T22:59:53Z", "20261322T225953Z"] {
        assert_eq!(edited(DATE_HEADER, |_| date.to_owned()), Refusal::Skewed, "{date}");
    }
}

#[test]
fn the_body_must_be_hashed() {
    for hash in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", "abc"] {
        assert_eq!(edited(BODY_HASH_HEADER, |_| hash.to_owned()), Refusal::BodyHash, "{hash}");
    }
    let other = "0".repeat(64);
    assert_eq!(edited(BODY_HASH_HEADER, |_| other.clone()), Refusal::Mismatch);
}

#[test]
fn a_target_too_long_to_judge_is_refused() {
    let target = format!("/v1/emotions?x={}", ":".repeat(25_000));
    let head = Head { method: "POST", target: &target, headers: &signed() };
    assert_eq!(verifier().verify(head, now()), Err(Refusal::Malformed));
}

#[test]
fn the_authorization_has_one_form() {
    for text in ["", "Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=EDGE1, SignedHeaders=host"] {
        assert_eq!(edited(AUTHORIZATION, |_| text.to_owned()), Refusal::Malformed, "{text}");
    }
    assert_eq!(edited(AUTHORIZATION, |value| format!("{value}, X=1")), Refusal::Malformed);
    assert_eq!(edited(AUTHORIZATION, |value| value.replace("host;", "HOST;")), Refusal::Malformed);
    assert_eq!(edited(AUTHORIZATION, |value| value.replace("host;", "")), Refusal::UnsignedHeader);
    let mut headers = signed();
    headers.remove(AUTHORIZATION);
    assert_eq!(judge(&headers), Err(Refusal::Malformed));
    for query in ["X-Amz-Signature=1", "x-amz-credential=1", "X%2DAmz-Date=1", "%78-amz-date", "a=b&%58-Amz-Date=1"] {
        let target = format!("{TARGET}&{query}");
        let head = Head { method: "POST", target: &target, headers: &signed() };
        assert_eq!(verifier().verify(head, now()), Err(Refusal::InQuery), "{query}");
    }
}

#[test]
fn one_flipped_bit_of_the_signature_is_noticed() {
    let headers = signed();
    let text = headers[AUTHORIZATION].to_str().unwrap().to_owned();
    for back in 1..=64 {
        let at = text.len() - back;
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let mut forged = headers.clone();
        forged.insert(AUTHORIZATION, String::from_utf8(bytes).unwrap().parse().unwrap());
        assert_eq!(judge(&forged), Err(Refusal::Mismatch), "{at}");
    }
}

#[test]
fn a_days_keys_are_kept_and_never_shown() {
    let verifier = verifier();
    for day in (0..3).chain(0..3) {
        let at = now().plus_days(day);
        for (id, secret) in [("EDGE1", "secret-one"), ("EDGE2", "secret-two")] {
            let headers = signed_with(&EdgeKey::new(id, secret).unwrap(), REGION, at);
            let head = || Head { method: "POST", target: TARGET, headers: &headers };
            assert!(verifier.verify(head(), at).is_ok() && verifier.clone().verify(head(), at).is_ok(), "{id} {day}");
            let forged = signed_with(&EdgeKey::new(id, "guessed").unwrap(), REGION, at);
            let head = Head { method: "POST", target: TARGET, headers: &forged };
            assert_eq!(verifier.verify(head, at), Err(Refusal::Mismatch));
        }
        assert!(verifier.derived.lock().unwrap().len() <= MAX_DERIVED);
    }
    let shown = format!("{verifier:?}");
    assert!(shown.contains("EDGE1") && !shown.contains("secret-"), "{shown}");
}

#[test]
fn the_hash_of_nothing_is_that() {
    assert_eq!(SHA256_OF_NOTHING.as_slice(), Sha256::digest(b"").as_slice());
}
