//! A request, sent exactly as it is written.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::cities::City;
use crate::exchange;
use crate::response::Response;

/// How long an answer may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(15);

/// A request. Its parts are public so that a test can spoil each of them.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names and values in the order in which they are sent; `host` and `content-length` are added where they are missing.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Sends the body in chunks, without its length.
    pub chunked: bool,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            headers: Vec::new(),
            body: Vec::new(),
            chunked: false,
        }
    }

    /// A read.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// With one more header, also where there is one of that name.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.json_text(body.to_string())
    }

    /// With a body that claims to be JSON.
    #[must_use]
    pub fn json_text(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    /// With a body, in place of any that it has, and no word on what it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// From a listener in `city`, as the local Workers runtime lets a request say.
    #[must_use]
    pub fn from(self, city: &City) -> Self {
        self.header("mf-cf-blob", city.blob().to_string())
    }

    /// With a Bearer token.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// The value of a header.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// With a header's value edited; the header must be there.
    #[must_use]
    pub fn edited(mut self, name: &str, edit: impl FnOnce(&str) -> String) -> Self {
        let found = self.headers.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name));
        let (_, value) = found.unwrap_or_else(|| panic!("the request has no {name}"));
        *value = edit(value);
        self
    }

    /// Without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// Sends it to `base`, such as `http://127.0.0.1:8787`.
    pub fn send(&self, base: &str) -> Response {
        self.try_send(base).unwrap_or_else(|error| panic!("{error}\nfor {base}: {}", self.summary()))
    }

    /// Sends it, and tells what kept an answer from coming.
    pub fn try_send(&self, base: &str) -> Result<Response, String> {
        exchange::exchange(base, &self.bytes(base), &self.method, PATIENCE)
            .map(|response| Response { asked: self.summary(), ..response })
    }

    /// The bytes on the wire.
    pub fn bytes(&self, base: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if self.value("host").is_none() {
            let _ = write!(text, "host: {}\r\n", exchange::authority(base));
        }
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let carries = !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        if self.chunked {
            text.push_str("transfer-encoding: chunked\r\n");
        } else if carries && self.value("content-length").is_none() {
            let _ = write!(text, "content-length: {}\r\n", self.body.len());
        }
        text.push_str("connection: close\r\n\r\n");
        let mut bytes = text.into_bytes();
        if !self.chunked {
            bytes.extend_from_slice(&self.body);
            return bytes;
        }
        for chunk in self.body.chunks(4_096) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }

    /// The request in a form for people: long parts cut, tokens left out.
    fn summary(&self) -> String {
        let mut text = format!("{} {}", self.method, cut(&self.target));
        for (name, value) in &self.headers {
            let hidden = name.eq_ignore_ascii_case("authorization") && value.starts_with("Bearer ");
            let shown = if hidden { "Bearer …" } else { value };
            let _ = write!(text, "\n  {name}: {}", cut(shown));
        }
        if !self.body.is_empty() {
            let _ = write!(text, "\n  {}", cut(&String::from_utf8_lossy(&self.body)));
        }
        text
    }
}

fn cut(text: &str) -> String {
    const SHOWN_CHARS: usize = 400;
    if text.chars().count() <= SHOWN_CHARS {
        text.to_owned()
    } else {
        text.chars().take(SHOWN_CHARS).chain(['…']).collect()
    }
}
