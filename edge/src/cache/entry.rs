//! One cached answer with everything that a hit needs already built.

use std::cell::Cell;

use echoes_shared::Timestamp;
use echoes_shared::policy::EDGE_FRESH_SECONDS;
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::{Headers, Response, ResponseInit};

use crate::cache::{status, tag_of_the_rest};
use crate::response::{self, Common, header};
use echoes_shared::etag::none_match;

/// A refresh that has not been heard of for so long has died with its request.
const REFRESH_MILLIS: u64 = 5_000;

/// What makes an entry.
#[derive(Debug, Clone)]
pub struct Content {
    /// The body as the core sent it.
    pub body: Vec<u8>,
    /// Its media type.
    pub content_type: String,
    /// The core's tag; empty where it gave none.
    pub etag: String,
    /// The region that answered.
    pub region: String,
    /// When it was asked.
    pub asked_at: Timestamp,
}

/// One cached answer.
///
/// The headers are one object for all hits: a `Response` copies them when it is made. Only the request's id, and once a
/// second the age, are written into them.
#[derive(Debug)]
pub struct Entry {
    /// When the core was asked: the beginning of its freshness.
    pub asked_at: Timestamp,
    /// The core's tag; empty where it gave none.
    pub etag: String,
    body: Uint8Array,
    body_bytes: usize,
    headers: Headers,
    found: ResponseInit,
    not_modified: ResponseInit,
    shown_left_seconds: Cell<Option<i64>>,
    refresh_began: Cell<Timestamp>,
}

impl Entry {
    /// Builds the entry.
    pub fn new(content: &Content) -> Result<Self, JsValue> {
        let headers = Common::Cached.headers()?;
        headers.set(header::CONTENT_TYPE, &content.content_type)?;
        headers.set(header::SERVER_TIMING, "edge;dur=0")?;
        headers.set(header::REGION, &content.region)?;
        if !content.etag.is_empty() {
            headers.set(header::ETAG, &content.etag)?;
        }
        Ok(Self {
            asked_at: content.asked_at,
            etag: content.etag.clone(),
            body: Uint8Array::from(content.body.as_slice()),
            body_bytes: content.body.len(),
            found: response::init(200, &headers),
            not_modified: response::init(304, &headers),
            headers,
            shown_left_seconds: Cell::new(None),
            refresh_began: Cell::new(Timestamp::from_millis(0)),
        })
    }

    /// The same answer with a body of which echoes were taken away.
    pub fn with_rest(&self, body: Vec<u8>) -> Result<Self, JsValue> {
        let header = |name| Ok::<_, JsValue>(self.headers.get(name)?.unwrap_or_default());
        Self::new(&Content {
            content_type: header(header::CONTENT_TYPE)?,
            etag: tag_of_the_rest(&self.etag, &body),
            region: header(header::REGION)?,
            asked_at: self.asked_at,
            body,
        })
    }

    /// Bytes that the entry takes, roughly.
    pub fn cost_bytes(&self) -> usize {
        self.body_bytes + self.etag.len()
    }

    /// The body, copied.
    pub fn body_bytes(&self) -> Vec<u8> {
        self.body.to_vec()
    }

    /// The answer to a request that the cache alone serves, with what is left of the freshness in seconds.
    pub fn respond(
        &self,
        request_id: &str,
        left_seconds: i64,
        if_none_match: Option<&str>,
    ) -> Result<Response, JsValue> {
        if self.shown_left_seconds.replace(Some(left_seconds)) != Some(left_seconds) {
            let age_seconds = i64::from(EDGE_FRESH_SECONDS) - left_seconds;
            self.headers.set(header::CACHE_STATUS, &status::hit(left_seconds))?;
            self.headers.set(header::AGE, &age_seconds.to_string())?;
        }
        response::set_request_id(&self.headers, request_id)?;
        match if_none_match {
            Some(tags) if none_match(tags, &self.etag) => {
                Response::new_with_opt_str_and_init(None, &self.not_modified)
            }
            _ => Response::new_with_opt_js_u8_array_and_init(Some(&self.body), &self.found),
        }
    }

    /// Whether the caller is to refresh this entry: one request at a time does.
    pub fn begin_refresh(&self, now: Timestamp) -> bool {
        let begins = now.millis_since(self.refresh_began.get()) >= REFRESH_MILLIS;
        if begins {
            self.refresh_began.set(now);
        }
        begins
    }

    /// The refresh is over, whatever came of it. After a failure the next is due in a second.
    pub fn end_refresh(&self, now: Timestamp) {
        const PAUSE_MILLIS: u64 = 1_000;
        self.refresh_began.set(now.minus_millis(REFRESH_MILLIS - PAUSE_MILLIS));
    }
}
