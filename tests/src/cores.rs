//! A core, called as the edge calls it: signed.

use echoes_shared::sigv4::keys::EdgeKey;
use echoes_shared::sigv4::sign::{Call as Signable, signature_headers};
use echoes_shared::{IdempotencyKey, Region, Timestamp};
use serde_json::Value;

use crate::clock;
use crate::request::Request;
use crate::response::Response;

/// One region's core.
#[derive(Debug, Clone)]
pub struct Core {
    /// Its region.
    pub region: Region,
    /// The address of the signed API.
    pub base: String,
    /// The address of the operator's port.
    pub admin: String,
    /// The key that it knows.
    pub key: EdgeKey,
    /// That key's secret half, for signers of others.
    pub secret: String,
}

/// A call that is about to be signed.
#[derive(Debug, Clone)]
pub struct Call {
    core: Core,
    scope: Region,
    key: EdgeKey,
    at: Option<Timestamp>,
    own: Vec<(String, String)>,
    request: Request,
}

impl Core {
    /// A call.
    pub fn call(&self, method: &str, target: impl Into<String>) -> Call {
        Call {
            core: self.clone(),
            scope: self.region,
            key: self.key.clone(),
            at: None,
            own: Vec::new(),
            request: Request::new(method, target),
        }
    }

    /// A read.
    pub fn get(&self, target: &str) -> Call {
        self.call("GET", target)
    }

    /// Asks the operator's port.
    pub fn admin(&self, target: &str) -> Response {
        Request::get(target).send(&self.admin)
    }
}

impl Call {
    /// On behalf of a person.
    #[must_use]
    pub fn user(self, id: &str) -> Self {
        self.signed_header("x-echoes-user", id)
    }

    /// With one more header that is signed.
    #[must_use]
    pub fn signed_header(mut self, name: &str, value: &str) -> Self {
        self.own.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With an idempotency key.
    #[must_use]
    pub fn idempotent(mut self, key: IdempotencyKey) -> Self {
        self.request = self.request.header("idempotency-key", key.to_string());
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.request = self.request.json(body);
        self
    }

    /// Signed at another time than now.
    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// Signed for another region.
    #[must_use]
    pub fn scope(mut self, region: Region) -> Self {
        self.scope = region;
        self
    }

    /// Signed with another key.
    #[must_use]
    pub fn key(mut self, key: EdgeKey) -> Self {
        self.key = key;
        self
    }

    /// The request with its signature.
    pub fn signed(self) -> Request {
        let url = format!("{}{}", self.core.base, self.request.target);
        let own: Vec<(&str, &str)> = self.own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let call = Signable { method: &self.request.method, url: &url, headers: &own, body: &self.request.body };
        let at = self.at.unwrap_or_else(clock::now);
        let added = signature_headers(call, &self.key, self.scope, at).expect("a call that can be signed");
        let mut request = self.request;
        request.headers.push(("host".to_owned(), crate::exchange::authority(&self.core.base).to_owned()));
        request.headers.extend(self.own);
        request.headers.extend(added);
        request
    }

    /// Signs and sends it.
    pub fn send(self) -> Response {
        let base = self.core.base.clone();
        self.signed().send(&base)
    }
}
