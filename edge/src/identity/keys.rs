//! The published keys as this isolate holds them, and verification through WebCrypto, which costs no code of ours.

use std::cell::RefCell;

use echoes_shared::Timestamp;
use js_sys::{Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::Disbelief;
use super::jwk::{Algorithm, Material, PublicKey, parse_set};
use super::token::{Header, Token};
use crate::cache::flight;
use crate::origin::transport::{self, Outgoing};
use crate::response::Refusal;
use crate::{clock, log};

/// Keys are fetched anew after so long; a key that was withdrawn is believed for no longer, while the issuer answers.
const FRESH_MILLIS: u64 = 60 * 60 * 1_000;
/// An unknown key's name makes us look again, but not more often than this: anybody can invent names.
const REFRESH_PAUSE_MILLIS: u64 = 10_000;
/// After a look that failed the next may come sooner.
const RETRY_PAUSE_MILLIS: u64 = 2_000;
/// Milliseconds that a look may take.
const FETCH_MILLIS: u32 = 2_000;
/// Bytes of a key set at most.
const MAX_SET_BYTES: usize = 64 * 1_024;
/// The name under which looks wait for each other.
const FLIGHT: &str = "jwks";

#[wasm_bindgen]
extern "C" {
    /// A key of WebCrypto.
    #[derive(Debug, Clone)]
    type CryptoKey;

    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = importKey)]
    fn import_key(
        format: &str,
        key: &Object,
        algorithm: &Object,
        extractable: bool,
        uses: &js_sys::Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = verify)]
    fn verify(
        algorithm: &Object,
        key: &CryptoKey,
        signature: &Uint8Array,
        data: &Uint8Array,
    ) -> Result<Promise, JsValue>;
}

/// A key ready to verify.
#[derive(Debug, Clone)]
pub struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    imported: CryptoKey,
}

impl Key {
    /// Whether the token was signed by this key.
    pub async fn verifies(&self, token: &Token) -> bool {
        let signature = Uint8Array::from(token.signature.as_slice());
        let signed = Uint8Array::from(token.signed.as_bytes());
        let Ok(promise) = verify(&parameters(self.algorithm), &self.imported, &signature, &signed) else {
            return false;
        };
        JsFuture::from(promise).await.is_ok_and(|verdict| verdict.as_bool() == Some(true))
    }
}

#[derive(Default)]
struct Known {
    keys: Vec<Key>,
    fetched_at: Option<Timestamp>,
    /// The last look, and whether it succeeded.
    looked: Option<(Timestamp, bool)>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

impl Known {
    fn find(&self, header: &Header) -> Option<Key> {
        let mut fitting = self.keys.iter().filter(|key| key.algorithm == header.algorithm);
        match &header.key_id {
            Some(id) => fitting.find(|key| key.id.as_ref() == Some(id)).cloned(),
            // A token without a key's name is verified only where there is no choice.
            None => fitting.next().filter(|_| self.keys.len() == 1).cloned(),
        }
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.fetched_at.is_some_and(|at| now.millis_since(at) < FRESH_MILLIS)
    }

    fn may_look(&self, now: Timestamp) -> bool {
        self.looked.is_none_or(|(at, well)| {
            now.millis_since(at) >= if well { REFRESH_PAUSE_MILLIS } else { RETRY_PAUSE_MILLIS }
        })
    }
}

/// The key that a token names. Keys that are known go on working while the issuer is away.
pub async fn find(header: &Header, jwks_url: &str) -> Result<Key, Refusal> {
    let known = || KNOWN.with_borrow(|known| (known.find(header), known.is_fresh(clock::now())));
    if let (Some(key), true) = known() {
        return Ok(key);
    }
    let turn = flight::take_turn(FLIGHT).await;
    // Another request may have looked while this one waited.
    let (key, fresh) = known();
    let look = !(key.is_some() && fresh) && KNOWN.with_borrow(|known| known.may_look(clock::now()));
    if look {
        refresh(jwks_url).await;
    }
    drop(turn);
    if let (Some(key), _) = known() {
        return Ok(key);
    }
    let reached = KNOWN.with_borrow(|known| known.looked.is_some_and(|(_, well)| well));
    if reached {
        return Err(Disbelief("the token is signed with a key that is not known").into());
    }
    Err(Refusal::unavailable("the keys that verify tokens cannot be fetched just now", 2))
}

async fn refresh(jwks_url: &str) {
    let keys = fetch(jwks_url).await;
    let now = clock::now();
    if keys.is_none() {
        log::warn("jwks_failed", "the key set cannot be fetched or read", "");
    }
    KNOWN.with_borrow_mut(|known| {
        known.looked = Some((now, keys.is_some()));
        if let Some(keys) = keys {
            known.keys = keys;
            known.fetched_at = Some(now);
        }
    });
}

async fn fetch(jwks_url: &str) -> Option<Vec<Key>> {
    let call = Outgoing {
        method: "GET",
        url: jwks_url.to_owned(),
        headers: vec![("accept".to_owned(), "application/json".to_owned())],
        body: Vec::new(),
        deadline_millis: FETCH_MILLIS,
        answer_limit_bytes: Some(MAX_SET_BYTES),
        wanted: &[],
    };
    let received = transport::send(call).await.ok()?;
    if received.status != 200 {
        return None;
    }
    let mut keys = Vec::new();
    for key in parse_set(&received.body)? {
        // A key that WebCrypto does not take, such as a point off the curve, is left out.
        keys.extend(import(key).await);
    }
    Some(keys)
}

async fn import(key: PublicKey) -> Option<Key> {
    let algorithm = key.algorithm();
    // Only the numbers: what else a JWK says was judged already, and WebCrypto would judge it differently.
    let jwk = match &key.material {
        Material::P256 { x, y } => object(&[("kty", "EC"), ("crv", "P-256"), ("x", x), ("y", y)]),
        Material::Rsa { n, e } => object(&[("kty", "RSA"), ("n", n), ("e", e)]),
    };
    let uses = js_sys::Array::of1(&"verify".into());
    let promise = import_key("jwk", &jwk, &parameters(algorithm), false, &uses).ok()?;
    let imported = JsFuture::from(promise).await.ok()?.unchecked_into();
    Some(Key { id: key.id, algorithm, imported })
}

/// WebCrypto's name of an algorithm, for import and verification alike.
fn parameters(algorithm: Algorithm) -> Object {
    match algorithm {
        Algorithm::Es256 => object(&[("name", "ECDSA"), ("namedCurve", "P-256"), ("hash", "SHA-256")]),
        Algorithm::Rs256 => object(&[("name", "RSASSA-PKCS1-v1_5"), ("hash", "SHA-256")]),
    }
}

fn object(fields: &[(&str, &str)]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        // A plain object takes any field.
        let _ = Reflect::set(&object, &(*name).into(), &(*value).into());
    }
    object
}
