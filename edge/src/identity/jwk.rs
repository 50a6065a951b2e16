//! Reads published keys (RFC 7517). A key's type fixes its algorithm; what a token says must agree with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Keys that are kept at most.
const MAX_KEYS: usize = 16;
/// RFC 7518, section 3.3: an RSA key has at least 2,048 bits.
const MIN_RSA_BYTES: usize = 256;

/// The algorithms that tokens may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// Reads the name in a token or a key.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }
}

/// The public numbers of a key, still in base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// A point on P-256.
    P256 {
        /// The first coordinate.
        x: String,
        /// The second.
        y: String,
    },
    /// An RSA key.
    Rsa {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
}

/// A published key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its name.
    pub id: Option<String>,
    /// Its numbers.
    pub material: Material,
}

impl PublicKey {
    /// The one algorithm that the key is for.
    pub const fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::P256 { .. } => Algorithm::Es256,
            Material::Rsa { .. } => Algorithm::Rs256,
        }
    }
}

#[derive(Deserialize)]
struct RawSet<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

/// Reads a key set. Keys of other kinds are left out, as RFC 7517 asks; `None` where it is no key set.
pub fn parse_set(json: &[u8]) -> Option<Vec<PublicKey>> {
    let set: RawSet<'_> = serde_json::from_slice(json).ok()?;
    Some(set.keys.into_iter().filter_map(public_key).take(MAX_KEYS).collect())
}

fn public_key(json: &RawValue) -> Option<PublicKey> {
    let raw: RawKey = serde_json::from_slice(json.get().as_bytes()).ok()?;
    if raw.r#use.is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).map_or(0, |bytes| bytes.len());
    let material = match (raw.kty.as_str(), raw.crv.as_deref()) {
        ("EC", Some("P-256")) => Material::P256 { x: raw.x?, y: raw.y? },
        ("RSA", _) => Material::Rsa { n: raw.n.filter(|n| bytes(n) >= MIN_RSA_BYTES)?, e: raw.e? },
        _ => return None,
    };
    let key = PublicKey { id: raw.kid, material };
    let agrees = raw.alg.is_none_or(|alg| Algorithm::parse(&alg) == Some(key.algorithm()));
    agrees.then_some(key)
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn read(key: &str) -> Option<PublicKey> {
        parse_set(format!(r#"{{"keys":[{key}]}}"#).as_bytes()).unwrap().pop()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_type_fixes_the_algorithm() {
        let ec =
            read(r#"{"kty":"EC","crv":"P-256","x":"eA","y":"eQ","kid":"k1","use":"sig","alg":"ES256"}"#).unwrap();
        assert_eq!((ec.algorithm(), ec.id.as_deref()), (Algorithm::Es256, Some("k1")));
        let n = URL_SAFE_NO_PAD.encode([1; 256]);
        let rsa = read(&format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"}}"#)).unwrap();
        assert_eq!(rsa.algorithm(), Algorithm::Rs256);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn other_keys_are_left_out() {
        let short = URL_SAFE_NO_PAD.encode([1; 255]);
        for key in [
            r#"{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}"#,
            r#"{"kty":"EC","crv":"P-384","x":"eA","y":"eQ"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"eA"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"eA","y":"eQ","alg":"RS256"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"eA","y":"eQ","use":"enc"}"#,
            &format!(r#"{{"kty":"RSA","n":"{short}","e":"AQAB"}}"#),
            "5",
        ] {
            assert_eq!(read(key), None, "{key}");
        }
        assert_eq!(parse_set(b"[]"), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_number_of_keys_is_bounded() {
        let key = r#"{"kty":"EC","crv":"P-256","x":"eA","y":"eQ"}"#;
        let set = format!(r#"{{"keys":[{}]}}"#, vec![key; 100].join(","));
        assert_eq!(parse_set(set.as_bytes()).unwrap().len(), MAX_KEYS);
    }
}
