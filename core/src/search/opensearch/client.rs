//! Calls to the server: each with a deadline, a bound on its answer, and errors that show no password.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, Url};
use serde_json::Value;

use super::breaker::Breaker;
use crate::clock;
use crate::config::OpenSearchUrl;
use crate::search::SearchUnavailable;

/// How long a connection may take; the server is in the same region.
const CONNECT: Duration = Duration::from_secs(1);
/// Connections that are kept though nobody uses them.
const IDLE_CONNECTIONS: usize = 16;
/// Bytes of an answer at most: a hundred echoes as long as they may be are shorter, and so is what a bulk is answered with.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Characters of the server's words that are passed on.
const MAX_REASON_CHARS: usize = 300;

/// The way to one server.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: OpenSearchUrl,
    breaker: Breaker,
}

/// What is sent.
#[derive(Debug)]
pub(super) enum Body {
    Nothing,
    Json(Value),
    /// JSON lines, as a bulk has them.
    Lines(Vec<u8>),
}

/// A status and what came with it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    body: Bytes,
}

impl Client {
    /// A client of the server at `base`; nothing is sent yet.
    pub(super) fn new(base: OpenSearchUrl) -> Result<Self, SearchUnavailable> {
        // The only provider that is built in; another client of this process may have named it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS);
        if base.secret().scheme() == "http" {
            // A machine without any certificates can do without.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| unavailable(&error))?;
        Ok(Self { http, base, breaker: Breaker::default() })
    }

    /// Calls, unless the server did not answer a moment ago.
    pub(super) async fn call_if_up(
        &self,
        method: Method,
        path: &str,
        body: Body,
        deadline: Duration,
    ) -> Result<Answer, SearchUnavailable> {
        if !self.breaker.admits(clock::monotonic_millis()) {
            return Err(SearchUnavailable("did not answer a moment ago".to_owned()));
        }
        self.call(method, path, body, deadline).await
    }

    /// Calls `path`, which begins with `/`.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Body,
        deadline: Duration,
    ) -> Result<Answer, SearchUnavailable> {
        let called = match tokio::time::timeout(deadline, self.send(method, path, body)).await {
            Ok(called) => called,
            Err(_) => Err(SearchUnavailable(format!("no answer within {} ms", deadline.as_millis()))),
        };
        match &called {
            Ok(_) => self.breaker.answered(),
            Err(_) => self.breaker.failed(clock::monotonic_millis()),
        }
        called
    }

    async fn send(&self, method: Method, path: &str, body: Body) -> Result<Answer, SearchUnavailable> {
        let url = self.url(path)?;
        let request = self.http.request(method, url);
        let request = match body {
            Body::Nothing => request,
            Body::Json(json) => request.header(CONTENT_TYPE, "application/json").body(json.to_string()),
            Body::Lines(lines) => request.header(CONTENT_TYPE, "application/x-ndjson").body(lines),
        };
        let response = request.send().await.map_err(|error| unavailable(&error))?;
        let status = response.status().as_u16();
        Ok(Answer { status, body: read(response).await? })
    }

    fn url(&self, path: &str) -> Result<Url, SearchUnavailable> {
        // The user and the password are in the base, from where they go into a header.
        self.base.secret().join(path).map_err(|error| SearchUnavailable(error.to_string()))
    }
}

async fn read(mut response: Response) -> Result<Bytes, SearchUnavailable> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unavailable(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(SearchUnavailable(format!("answered with more than {MAX_ANSWER_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

impl Answer {
    /// What was answered, as JSON.
    pub(super) fn json(&self) -> Result<Value, SearchUnavailable> {
        serde_json::from_slice(&self.body)
            .map_err(|_| SearchUnavailable(format!("answered {} with what is no JSON", self.status)))
    }

    /// The same of an answer that says that all is well.
    pub(super) fn ok(&self) -> Result<Value, SearchUnavailable> {
        if (200..300).contains(&self.status) { self.json() } else { Err(self.refusal()) }
    }

    /// What an answer means that says that something is not.
    pub(super) fn refusal(&self) -> SearchUnavailable {
        let error = self.json().map(|body| body.get("error").map(reason).unwrap_or_default()).unwrap_or_default();
        SearchUnavailable(format!("answered {}: {error}", self.status))
    }

    /// Whether the server's error is of this type. What is no error is not read for it.
    pub(super) fn is_error(&self, kind: &str) -> bool {
        self.status >= 400 && self.json().is_ok_and(|body| body.pointer("/error/type").is_some_and(|own| own == kind))
    }
}

/// An error of the server in its own words: of some the type, of all what it says.
pub(super) fn reason(error: &Value) -> String {
    let word = |name| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = error.as_str().map_or_else(|| format!("{}: {}", word("type"), word("reason")), str::to_owned);
    text.chars().take(MAX_REASON_CHARS).collect()
}

/// The innermost cause, which says most, without the URL, which may hold a password.
fn unavailable(error: &reqwest::Error) -> SearchUnavailable {
    let mut cause = error.source();
    let mut text = if cause.is_none() { "the call failed".to_owned() } else { String::new() };
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    SearchUnavailable(text)
}
