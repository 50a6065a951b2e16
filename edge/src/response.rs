//! Builds answers: the headers that every one carries, problems, and what is passed on from a core.

use echoes_shared::policy::{EDGE_FRESH_SECONDS, EDGE_STALE_WHILE_REVALIDATE_SECONDS};
use echoes_shared::wire::Resource;
use echoes_shared::{Problem, Region, Slug, problem};
use js_sys::{JsString, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::{Headers, ReadableStream, Response, ResponseInit};

use crate::arrival::Arrival;
use crate::origin::answer::Answer;
use crate::runtime::set_header;

/// Names of headers.
pub mod header {
    pub use echoes_shared::wire::{CACHE_STATUS, REGION, REQUEST_ID, SERVER_TIMING};

    /// Seconds since the core was asked (RFC 9111).
    pub const AGE: &str = "age";
    /// The methods of a path.
    pub const ALLOW: &str = "allow";
    /// What caches may do.
    pub const CACHE_CONTROL: &str = "cache-control";
    /// The media type of the body.
    pub const CONTENT_TYPE: &str = "content-type";
    /// The tag of the body.
    pub const ETAG: &str = "etag";
    /// Where a new echo is.
    pub const LOCATION: &str = "location";
    /// Seconds after which to try again.
    pub const RETRY_AFTER: &str = "retry-after";
    /// How to authenticate.
    pub const WWW_AUTHENTICATE: &str = "www-authenticate";
}

/// What scripts of other origins may read of an answer; `shim.js` says the same.
const EXPOSED: &str = "echoes-request-id, echoes-region, cache-status, server-timing, etag, age, location, retry-after, allow, www-authenticate";
/// What scripts of other origins may send.
const ALLOWED_HEADERS: &str = "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id";
/// Seconds that a browser may remember a preflight.
const PREFLIGHT_SECONDS: &str = "86400";
/// What is tried on a path that names nothing: the preflight succeeds, so that a script can read the problem.
const ANY_METHOD: &str = "GET, HEAD, POST, PATCH, DELETE, OPTIONS";

thread_local! {
    static REQUEST_ID: JsString = JsString::from(header::REQUEST_ID);
    static FOR_CACHES: String =
        format!("public, max-age={EDGE_FRESH_SECONDS}, stale-while-revalidate={EDGE_STALE_WHILE_REVALIDATE_SECONDS}");
}

/// The kinds of answers by what they tell caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Common {
    /// A read that the edge caches, and the browser may for as long.
    Cached,
    /// May be kept, but not used without asking.
    Revalidated,
    /// Not to be kept.
    Unstored,
}

impl Common {
    /// The headers that every answer of this kind carries, but for the request's id.
    pub fn headers(self) -> Result<Headers, JsValue> {
        let headers = Headers::new()?;
        headers.set("access-control-allow-origin", "*")?;
        headers.set("access-control-expose-headers", EXPOSED)?;
        headers.set("x-content-type-options", "nosniff")?;
        match self {
            Self::Cached => FOR_CACHES.with(|value| headers.set(header::CACHE_CONTROL, value))?,
            Self::Revalidated => headers.set(header::CACHE_CONTROL, "no-cache")?,
            Self::Unstored => headers.set(header::CACHE_CONTROL, "no-store")?,
        }
        Ok(headers)
    }
}

/// Puts the request's id into headers that are kept between requests.
pub fn set_request_id(headers: &Headers, request_id: &str) -> Result<(), JsValue> {
    REQUEST_ID.with(|name| set_header(headers, name, request_id))
}

/// The second argument of `Response`.
pub fn init(status: u16, headers: &Headers) -> ResponseInit {
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(headers);
    init
}

/// An answer under construction.
#[derive(Debug)]
pub struct Reply {
    headers: Headers,
}

impl Reply {
    /// An answer with the common headers.
    pub fn new(common: Common, request_id: &str) -> Result<Self, JsValue> {
        let headers = common.headers()?;
        set_request_id(&headers, request_id)?;
        Ok(Self { headers })
    }

    /// A core's answer passed on: its headers that concern the caller, and our share of the time.
    pub fn of(answer: &Answer, common: Common, arrival: &Arrival) -> Result<Self, JsValue> {
        const PASSED_ON: [&str; 4] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION, header::RETRY_AFTER];
        let mut reply = Self::new(common, &arrival.id)?.with(header::REGION, Some(answer.region_name()))?;
        for name in PASSED_ON {
            reply = reply.with(name, answer.header(name))?;
        }
        let own = format!("edge;dur={}", arrival.elapsed_millis());
        let timing =
            answer.header(header::SERVER_TIMING).map_or_else(|| own.clone(), |core| format!("{core}, {own}"));
        reply.with(header::SERVER_TIMING, Some(&timing))
    }

    /// With one more header; none where there is no value.
    pub fn with(self, name: &str, value: Option<&str>) -> Result<Self, JsValue> {
        if let Some(value) = value {
            self.headers.set(name, value)?;
        }
        Ok(self)
    }

    /// With a body. It is copied out of our memory first: the runtime keeps the buffer that it is given.
    pub fn send(self, status: u16, body: &[u8]) -> Result<Response, JsValue> {
        let body = Uint8Array::from(body);
        Response::new_with_opt_js_u8_array_and_init(Some(&body), &init(status, &self.headers))
    }

    /// With a body that the runtime takes from elsewhere, as it comes.
    pub fn send_stream(self, status: u16, body: &ReadableStream) -> Result<Response, JsValue> {
        Response::new_with_opt_readable_stream_and_init(Some(body), &init(status, &self.headers))
    }

    /// Without a body.
    pub fn send_empty(self, status: u16) -> Result<Response, JsValue> {
        Response::new_with_opt_str_and_init(None, &init(status, &self.headers))
    }

    fn send_text(self, status: u16, body: &str) -> Result<Response, JsValue> {
        Response::new_with_opt_str_and_init(Some(body), &init(status, &self.headers))
    }
}

/// Why a request is not served: the problem, and a header that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    problem: Problem,
    header: Option<(&'static str, String)>,
}

impl Refusal {
    /// The method is not one of the resource's.
    pub fn method_not_allowed(resource: &Resource) -> Self {
        let problem = Problem::new(Slug::MethodNotAllowed, format!("allowed here: {}", resource.allow()));
        Self { problem, header: Some((header::ALLOW, resource.allow().to_owned())) }
    }

    /// The caller is not known; `challenge` says how to authenticate.
    pub fn unauthenticated(detail: &'static str, challenge: String) -> Self {
        Self {
            problem: Problem::new(Slug::Unauthenticated, detail),
            header: Some((header::WWW_AUTHENTICATE, challenge)),
        }
    }

    /// Something that the edge needs is away; try again after so many seconds.
    pub fn unavailable(detail: &'static str, retry_after_seconds: u32) -> Self {
        Self {
            problem: Problem::new(Slug::Unavailable, detail),
            header: Some((header::RETRY_AFTER, retry_after_seconds.to_string())),
        }
    }

    /// The answer, with how long it took to know it and the region that would have been asked first.
    pub fn respond(&self, request_id: &str, elapsed_millis: u64, nearest: Region) -> Result<Response, JsValue> {
        let mut reply = Reply::new(Common::Unstored, request_id)?
            .with(header::CONTENT_TYPE, Some(problem::CONTENT_TYPE))?
            .with(header::CACHE_STATUS, Some(self.cache_status()))?
            .with(header::REGION, Some(nearest.as_str()))?
            .with(header::SERVER_TIMING, Some(&format!("edge;dur={elapsed_millis}")))?;
        if let Some((name, value)) = &self.header {
            reply = reply.with(name, Some(value))?;
        }
        reply.send_text(self.problem.slug.status(), &self.problem.to_json(request_id))
    }

    /// Neither a hit nor forwarded: made here (RFC 9211, section 2).
    const fn cache_status(&self) -> &'static str {
        match self.problem.slug {
            Slug::Unavailable => "echoes-edge; detail=unavailable",
            _ => "echoes-edge; detail=refused",
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, header: None }
    }
}

/// The answer to `OPTIONS`, preflights included.
pub fn options(resource: Option<&Resource>, request_id: &str) -> Result<Response, JsValue> {
    let methods = resource.map_or(ANY_METHOD, Resource::allow);
    Reply::new(Common::Unstored, request_id)?
        .with(header::ALLOW, Some(methods))?
        .with("access-control-allow-methods", Some(methods))?
        .with("access-control-allow-headers", Some(ALLOWED_HEADERS))?
        .with("access-control-max-age", Some(PREFLIGHT_SECONDS))?
        .send_empty(204)
}
