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
use crate::runtime::Context;
use crate::{clock, log};

/// Keys are fetched anew after so long, behind the answer to whoever finds them old.
const FRESH_MILLIS: u64 = 60 * 60 * 1_000;
/// After so long the fetch is waited for: a key that was withdrawn is believed for no longer, while the issuer answers.
const OLD_MILLIS: u64 = 2 * FRESH_MILLIS;
/// An unknown key's name makes us look again, but not more often than this: anybody can invent names.
const REFRESH_PAUSE_MILLIS: u64 = 10_000;
/// After a look that failed the next may come sooner.
const RETRY_PAUSE_MILLIS: u64 = 2_000;
/// Milliseconds that a look may take, and that others wait for it.
const FETCH_MILLIS: u32 = 2_000;
/// A look that has not ended after so many milliseconds has died with its request.
const LOST_MILLIS: u64 = FETCH_MILLIS as u64 + 500;
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
    /// When the look under way began.
    looking_since: Option<Timestamp>,
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

    fn is_younger_than(&self, millis: u64, now: Timestamp) -> bool {
        self.fetched_at.is_some_and(|at| now.millis_since(at) < millis)
    }

    fn is_looking(&self, now: Timestamp) -> bool {
        self.looking_since.is_some_and(|at| now.millis_since(at) < LOST_MILLIS)
    }

    /// Whether the caller is to look, which it then must: one looks at a time, and not too often.
    fn begin_look(&mut self, now: Timestamp) -> bool {
        let paused = self.looked.is_some_and(|(at, well)| {
            now.millis_since(at) < if well { REFRESH_PAUSE_MILLIS } else { RETRY_PAUSE_MILLIS }
        });
        let begins = !paused && !self.is_looking(now);
        if begins {
            self.looking_since = Some(now);
        }
        begins
    }

    /// A look is over; `keys` is what it found.
    fn end_look(&mut self, keys: Option<Vec<Key>>, now: Timestamp) {
        self.looking_since = None;
        self.looked = Some((now, keys.is_some()));
        if let Some(keys) = keys {
            self.keys = keys;
            self.fetched_at = Some(now);
        }
    }
}

/// The key that a token names. Keys that are known go on working while the issuer is away.
pub async fn find(header: &Header, jwks_url: &str, context: &Context) -> Result<Key, Refusal> {
    let known = |usable_millis| {
        KNOWN.with_borrow(|known| known.find(header).filter(|_| known.is_younger_than(usable_millis, clock::now())))
    };
    if let Some(key) = known(OLD_MILLIS) {
        if known(FRESH_MILLIS).is_none() && begin_look() {
            let jwks_url = jwks_url.to_owned();
            context.after_the_answer(async move {
                let turn = flight::take_turn(FLIGHT).await;
                look(&jwks_url).await;
                drop(turn);
            });
        }
        return Ok(key);
    }
    let turn = flight::wait_and_begin(FLIGHT, u64::from(FETCH_MILLIS)).await;
    // Another request may have looked while this one waited.
    if known(FRESH_MILLIS).is_none() && begin_look() {
        look(jwks_url).await;
    }
    drop(turn);
    if let Some(key) = known(u64::MAX) {
        return Ok(key);
    }
    let looked_well = |known: &Known| !known.is_looking(clock::now()) && known.looked.is_some_and(|(_, well)| well);
    if KNOWN.with_borrow(looked_well) {
        return Err(Disbelief("the token is signed with a key that is not known").into());
    }
    Err(Refusal::unavailable("the keys that verify tokens cannot be fetched just now", 2))
}

fn begin_look() -> bool {
    KNOWN.with_borrow_mut(|known| known.begin_look(clock::now()))
}

async fn look(jwks_url: &str) {
    let keys = fetch(jwks_url).await;
    if keys.is_none() {
        log::warn("jwks_failed", "the key set cannot be fetched or read", "");
    }
    KNOWN.with_borrow_mut(|known| known.end_look(keys, clock::now()));
}

async fn fetch(jwks_url: &str) -> Option<Vec<Key>> {
    let call = Outgoing {
        method: "GET",
        url: jwks_url.to_owned(),
        headers: vec![("accept".to_owned(), "application/json".to_owned())],
        body: Vec::new(),
        deadline_millis: FETCH_MILLIS,
        answer_limit_bytes: MAX_SET_BYTES,
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

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_795_388_393_000 + millis)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn one_looks_at_a_time() {
        let mut known = Known::default();
        assert!(known.begin_look(at(0)));
        assert!(!known.begin_look(at(1)) && known.is_looking(at(1)));
        // That one died with its request.
        assert!(known.begin_look(at(LOST_MILLIS)));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn looks_are_apart_and_further_when_they_succeed() {
        let mut known = Known::default();
        known.begin_look(at(0));
        known.end_look(None, at(5));
        assert!(!known.is_looking(at(5)) && !known.begin_look(at(5 + RETRY_PAUSE_MILLIS - 1)));
        assert!(known.begin_look(at(5 + RETRY_PAUSE_MILLIS)));
        known.end_look(Some(Vec::new()), at(3_000));
        assert!(!known.begin_look(at(3_000 + REFRESH_PAUSE_MILLIS - 1)));
        assert!(known.begin_look(at(3_000 + REFRESH_PAUSE_MILLIS)));
        assert!(known.is_younger_than(FRESH_MILLIS, at(FRESH_MILLIS)));
        assert!(!known.is_younger_than(FRESH_MILLIS, at(3_000 + FRESH_MILLIS)));
    }
}
