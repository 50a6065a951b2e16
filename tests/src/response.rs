//! An answer, and what a test may demand of it. Each demand that fails shows the whole exchange.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The request, for people.
    pub asked: String,
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long the answer took to come.
    pub took: Duration,
}

impl Response {
    /// The value of a header; where there are several, the first.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The value of a header that must be there, once.
    pub fn one(&self, name: &str) -> &str {
        let count = self.headers.iter().filter(|(other, _)| other == name).count();
        assert!(count == 1, "expected one {name} header, found {count}\n{self}");
        self.header(name).unwrap_or_default()
    }

    /// Demands a status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert!(self.status == status, "expected status {status}\n{self}");
        self
    }

    /// Demands a header's value.
    #[track_caller]
    pub fn expect_header(self, name: &str, value: &str) -> Self {
        let found = self.one(name);
        assert!(found == value, "expected {name}: {value}\n{self}");
        self
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("the body is not JSON ({error})\n{self}"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Demands a problem of this kind that blames exactly these fields.
    #[track_caller]
    pub fn problem(&self, slug: &str, fields: &[&str]) -> Value {
        let status = status_of(slug);
        assert!(self.status == status, "expected {status} {slug}\n{self}");
        assert!(self.one("content-type") == "application/problem+json", "expected a problem\n{self}");
        let problem = self.json();
        let expected = format!("https://echoes.dev/problems/{slug}");
        assert!(problem["type"] == expected.as_str(), "expected type {expected}\n{self}");
        assert!(problem["status"] == status, "expected {status} in the body\n{self}");
        for name in ["title", "detail"] {
            assert!(problem[name].as_str().is_some_and(|text| !text.is_empty()), "expected a {name}\n{self}");
        }
        assert!(
            problem["instance"] == self.one("echoes-request-id"),
            "expected instance to be the request's id\n{self}"
        );
        let known = ["type", "title", "status", "detail", "instance", "errors"];
        let names = problem.as_object().expect("an object").keys();
        let others: Vec<_> = names.filter(|name| !known.contains(&name.as_str())).collect();
        assert!(others.is_empty(), "unexpected fields {others:?}\n{self}");
        let blamed: Vec<&str> =
            problem["errors"].as_array().into_iter().flatten().filter_map(|e| e["field"].as_str()).collect();
        assert!(blamed == fields, "expected errors[].field to be {fields:?}, found {blamed:?}\n{self}");
        let empty = problem.get("errors").is_some_and(|errors| errors.as_array().is_none_or(Vec::is_empty));
        assert!(!empty, "errors must hold something or be absent\n{self}");
        let said = |e: &Value| e["detail"].as_str().is_some_and(|text| !text.is_empty());
        assert!(
            problem["errors"].as_array().into_iter().flatten().all(said),
            "expected a detail for each error\n{self}"
        );
        problem
    }
}

/// The status that goes with a kind of problem (contract, *Bodies*; design, *Errors*).
fn status_of(slug: &str) -> u16 {
    match slug {
        "invalid-request" => 400,
        "unauthenticated" => 401,
        "forbidden" => 403,
        "not-found" => 404,
        "method-not-allowed" => 405,
        "conflict" => 409,
        "precondition-failed" => 412,
        "too-large" => 413,
        "unsupported-media-type" => 415,
        "precondition-required" => 428,
        "too-many-requests" => 429,
        "unavailable" => 503,
        _ => panic!("{slug} is no kind of problem that is tested here"),
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--- asked\n{}", self.asked)?;
        writeln!(f, "--- answered {} after {:.0} ms", self.status, self.took.as_secs_f64() * 1_000.0)?;
        for (name, value) in &self.headers {
            writeln!(f, "  {name}: {value}")?;
        }
        let text = String::from_utf8_lossy(&self.body);
        let shown: String = text.chars().take(4_000).collect();
        write!(f, "{shown}\n---")
    }
}
