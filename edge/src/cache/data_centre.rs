//! The Cache API: what the isolates of one data centre share.
//!
//! It does nothing on `*.workers.dev`, so every call may find nothing. Production ignores `stale-while-revalidate` and
//! `stale-if-error` there while the local runtime extends freshness by them, so a stored answer carries a plain
//! `max-age` for as long as it may be of use, and the time of our own that freshness is judged from.

use echoes_shared::Timestamp;
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{Headers, Response};

use super::CacheKey;
use super::entry::Content;
use crate::response::{header, init};
use crate::runtime::within;

/// Keys must be URLs; this host is nobody's, so nothing else can have a key of ours.
const KEY_BASE: &str = "https://cache.echoes.invalid";
/// The stored time: milliseconds since the epoch at which the core was asked.
const ASKED_AT: &str = "x-echoes-asked-at";
/// Milliseconds that a look-up may take; after that the core is asked.
const MATCH_MILLIS: u32 = 250;
/// Milliseconds that a write may take. Only who deletes waits for it, so as not to be shown the echo again by a neighbour.
const WRITE_MILLIS: u32 = 2_000;

#[wasm_bindgen]
extern "C" {
    type DataCentre;

    #[wasm_bindgen(thread_local_v2, js_namespace = caches, js_name = default)]
    static DEFAULT: DataCentre;

    #[wasm_bindgen(method, catch, js_name = match)]
    fn find(this: &DataCentre, url: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn put(this: &DataCentre, url: &str, response: &Response) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn delete(this: &DataCentre, url: &str) -> Result<Promise, JsValue>;
}

/// What is stored under a key.
pub async fn find(key: &CacheKey) -> Option<Content> {
    let promise = DEFAULT.with(|cache| cache.find(&url(&key.text))).ok()?;
    let response: Response = within(promise, MATCH_MILLIS).await?.dyn_into().ok()?;
    let headers = response.headers();
    let get = |name| headers.get(name).ok().flatten();
    let asked_at = Timestamp::from_millis(get(ASKED_AT)?.parse().ok()?);
    let body = within(response.array_buffer().ok()?, MATCH_MILLIS).await?;
    Some(Content {
        body: Uint8Array::new(&body).to_vec(),
        content_type: get(header::CONTENT_TYPE)?,
        etag: get(header::ETAG).unwrap_or_default(),
        region: get(header::REGION)?,
        asked_at,
    })
}

/// Stores an answer; a failure leaves the tier as it was.
pub async fn put(key: &CacheKey, content: &Content) {
    let Ok(response) = stored(key, content) else { return };
    if let Ok(promise) = DEFAULT.with(|cache| cache.put(&url(&key.text), &response)) {
        within(promise, WRITE_MILLIS).await;
    }
}

/// Forgets what is stored under a key, in this data centre.
pub async fn delete(key: &str) {
    if let Ok(promise) = DEFAULT.with(|cache| cache.delete(&url(key))) {
        within(promise, WRITE_MILLIS).await;
    }
}

fn url(key: &str) -> String {
    format!("{KEY_BASE}{key}")
}

fn stored(key: &CacheKey, content: &Content) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    headers.set(header::CONTENT_TYPE, &content.content_type)?;
    headers.set(header::REGION, &content.region)?;
    headers.set(header::CACHE_CONTROL, &format!("public, max-age={}", key.subject.lifetime().total_seconds()))?;
    headers.set(ASKED_AT, &content.asked_at.millis().to_string())?;
    if !content.etag.is_empty() {
        headers.set(header::ETAG, &content.etag)?;
    }
    let body = Uint8Array::from(content.body.as_slice());
    Response::new_with_opt_js_u8_array_and_init(Some(&body), &init(200, &headers))
}
