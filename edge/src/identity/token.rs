//! Takes a Bearer token apart (RFC 6750, RFC 7515).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::Disbelief;
use super::jwk::Algorithm;

/// Bytes of a token at most.
const MAX_TOKEN_BYTES: usize = 8 * 1_024;
const SCHEME: &str = "Bearer";

/// What a token says of how it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Must be the algorithm of the key, which alone decides.
    pub algorithm: Algorithm,
    /// Which key.
    pub key_id: Option<String>,
}

/// A token in its parts.
#[derive(Debug, PartialEq, Eq)]
pub struct Token {
    /// How it was signed, as it says.
    pub header: Header,
    /// The claims, not yet read.
    pub claims_json: Vec<u8>,
    /// What was signed.
    pub signed: String,
    /// The signature.
    pub signature: Vec<u8>,
}

#[derive(Deserialize)]
struct RawHeader {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

impl Token {
    /// Reads an `Authorization` header.
    pub fn parse(authorization: &str) -> Result<Self, Disbelief> {
        const MALFORMED: Disbelief = Disbelief("the Authorization header is not a Bearer token");
        let (scheme, token) = authorization.trim().split_once(' ').ok_or(MALFORMED)?;
        let token = token.trim_start();
        if !scheme.eq_ignore_ascii_case(SCHEME) || token.len() > MAX_TOKEN_BYTES {
            return Err(MALFORMED);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, claims) = signed.split_once('.').ok_or(MALFORMED)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| MALFORMED);
        let header: RawHeader = serde_json::from_slice(&decode(header)?).map_err(|_| MALFORMED)?;
        if header.crit.is_some() {
            return Err(Disbelief("the token asks for an extension that is not known here"));
        }
        let algorithm =
            Algorithm::parse(&header.alg).ok_or(Disbelief("the token is not signed with ES256 or RS256"))?;
        Ok(Self {
            header: Header { algorithm, key_id: header.kid },
            claims_json: decode(claims)?,
            signed: signed.to_owned(),
            signature: decode(signature)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn token(header: &str) -> String {
        format!("Bearer {}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode("{}"))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_token_is_taken_apart() {
        let read = Token::parse(&token(r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#)).unwrap();
        assert_eq!(read.header, Header { algorithm: Algorithm::Es256, key_id: Some("k1".into()) });
        assert_eq!((read.claims_json.as_slice(), read.signature.as_slice()), (&b"{}"[..], &b"sig"[..]));
        assert!(Token::parse(&token(r#"{"alg":"RS256"}"#).replace("Bearer", "bearer")).is_ok());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn other_headers_are_refused() {
        let unknown = [r#"{"alg":"none"}"#, r#"{"alg":"HS256"}"#, r#"{"alg":"es256"}"#, r#"{"alg":""}"#];
        for header in unknown {
            assert!(Token::parse(&token(header)).unwrap_err().0.contains("ES256"), "{header}");
        }
        assert!(Token::parse(&token(r#"{"alg":"ES256","crit":["exp"]}"#)).is_err());
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1));
        let padded = token(r#"{"alg":"ES256"}"#) + "=";
        for text in
            ["", "Bearer", "Bearer ", "Bearer a.b", "Bearer a.b.c", "Basic YTpi", "Bearer é.é.é", &long, &padded]
        {
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }
}
