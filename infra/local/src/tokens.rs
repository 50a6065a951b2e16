//! Development tokens: JWTs signed with ES256, and the JWKS that verifies them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::secrets::{Secrets, unhex};

/// `iss` where the request names none: what the Worker's `ECHOES_TOKEN_ISSUER` is under `make dev`.
pub const DEFAULT_ISSUER: &str = "https://echoes.dev";
/// `aud` where the request names none: what the Worker's `ECHOES_TOKEN_AUDIENCE` is under `make dev`.
pub const DEFAULT_AUDIENCE: &str = "echoes";
/// How long a token is good where the request does not say.
const DEFAULT_EXPIRY_SECONDS: i64 = 3600;

/// The body of `POST /tokens`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// Who the bearer is; any text, since refusing a bad one is the edge's business.
    pub sub: String,
    /// From now; negative for a token that has expired.
    #[serde(default = "default_expiry")]
    pub expires_in_seconds: i64,
    /// The audience; [`DEFAULT_AUDIENCE`] when absent.
    pub aud: Option<String>,
    /// The issuer; [`DEFAULT_ISSUER`] when absent.
    pub iss: Option<String>,
    /// Which key signs.
    #[serde(default)]
    pub key: KeyChoice,
}

fn default_expiry() -> i64 {
    DEFAULT_EXPIRY_SECONDS
}

/// Which key signs a token.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyChoice {
    /// The one in the JWKS.
    #[default]
    Known,
    /// One that the JWKS lacks.
    Unknown,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

/// Signs tokens with the two development keys.
pub struct TokenMint {
    known: Key,
    unknown: Key,
}

struct Key {
    signing: SigningKey,
    kid: String,
}

impl TokenMint {
    /// # Errors
    /// When the secrets hold no P-256 keys.
    pub fn new(secrets: &Secrets) -> anyhow::Result<Self> {
        Ok(Self { known: Key::parse(&secrets.token_key)?, unknown: Key::parse(&secrets.unknown_token_key)? })
    }

    /// A signed token; `now_seconds` since 1970 is its `iat`.
    ///
    /// # Errors
    /// When the claims are no JSON, which cannot be.
    pub fn mint(&self, request: &TokenRequest, now_seconds: i64) -> anyhow::Result<String> {
        let key = match request.key {
            KeyChoice::Known => &self.known,
            KeyChoice::Unknown => &self.unknown,
        };
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": key.kid });
        let claims = Claims {
            sub: &request.sub,
            iss: request.iss.as_deref().unwrap_or(DEFAULT_ISSUER),
            aud: request.aud.as_deref().unwrap_or(DEFAULT_AUDIENCE),
            iat: now_seconds,
            exp: now_seconds.saturating_add(request.expires_in_seconds),
        };
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(serde_json::to_string(&claims)?)
        );
        let signature: Signature = key.signing.sign(signed.as_bytes());
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes())))
    }

    /// The key set of `GET /.well-known/jwks.json`.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let (x, y) = self.known.coordinates();
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.known.kid, "x": x, "y": y,
        }] })
    }
}

impl Key {
    fn parse(hex: &str) -> anyhow::Result<Self> {
        let signing = SigningKey::from_slice(&unhex(hex)?)?;
        let mut key = Self { signing, kid: String::new() };
        // The thumbprint of RFC 7638: the required members in alphabetical order, without spaces.
        let (x, y) = key.coordinates();
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        key.kid = URL_SAFE_NO_PAD.encode(Sha256::digest(members));
        Ok(key)
    }

    /// The public point's coordinates in base64url.
    fn coordinates(&self) -> (String, String) {
        let point = self.signing.verifying_key().as_affine().to_sec1_point(false);
        let text = |bytes: Option<&[u8]>| URL_SAFE_NO_PAD.encode(bytes.unwrap_or_default());
        (text(point.x().map(|x| x.as_slice())), text(point.y().map(|y| y.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier as _;

    use super::*;

    fn parts(token: &str) -> (Value, Value, Vec<u8>, String) {
        let pieces: Vec<&str> = token.split('.').collect();
        let decode = |piece: &str| URL_SAFE_NO_PAD.decode(piece).unwrap();
        (
            serde_json::from_slice(&decode(pieces[0])).unwrap(),
            serde_json::from_slice(&decode(pieces[1])).unwrap(),
            decode(pieces[2]),
            format!("{}.{}", pieces[0], pieces[1]),
        )
    }

    fn verifying_key(jwks: &Value) -> VerifyingKey {
        let coordinate = |name: &str| {
            let text = jwks["keys"][0][name].as_str().unwrap();
            URL_SAFE_NO_PAD.decode(text).unwrap()
        };
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        VerifyingKey::from_sec1_bytes(&point).unwrap()
    }

    #[test]
    fn the_jwks_verifies_a_token_and_lacks_the_unknown_key() {
        let mint = TokenMint::new(&Secrets::generate().unwrap()).unwrap();
        let jwks = mint.jwks();
        let request: TokenRequest = serde_json::from_str(r#"{"sub":"ana","expiresInSeconds":-5}"#).unwrap();
        let (header, claims, signature, signed) = parts(&mint.mint(&request, 1000).unwrap());
        assert_eq!(header["kid"], jwks["keys"][0]["kid"]);
        assert_eq!(claims["sub"], "ana");
        assert_eq!(claims["exp"], 995);
        assert_eq!(claims["aud"], DEFAULT_AUDIENCE);
        let signature = Signature::from_slice(&signature).unwrap();
        verifying_key(&jwks).verify(signed.as_bytes(), &signature).unwrap();

        let request: TokenRequest = serde_json::from_str(r#"{"sub":"ana","key":"unknown"}"#).unwrap();
        let (header, _, signature, signed) = parts(&mint.mint(&request, 1000).unwrap());
        assert_ne!(header["kid"], jwks["keys"][0]["kid"]);
        let signature = Signature::from_slice(&signature).unwrap();
        assert!(verifying_key(&jwks).verify(signed.as_bytes(), &signature).is_err());
    }

    #[test]
    fn unknown_members_are_refused() {
        assert!(serde_json::from_str::<TokenRequest>(r#"{"sub":"a","scope":"x"}"#).is_err());
        assert!(serde_json::from_str::<TokenRequest>(r#"{"sub":"a","key":"other"}"#).is_err());
    }
}
