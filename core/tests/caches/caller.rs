//! The edge's part: signed calls to one core.

use echoes_core::clock;
use echoes_shared::Region;
use echoes_shared::sigv4::keys::EdgeKey;
use echoes_shared::sigv4::sign::{Call, signature_headers};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// What a core answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub cache_status: String,
    pub body: Value,
}

/// Calls cores, as `user` where one writes.
#[derive(Clone)]
pub struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    key: EdgeKey,
}

impl Caller {
    pub fn new() -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, key: EdgeKey::new("EDGE1", "a-secret").unwrap() }
    }

    pub async fn get(&self, port: u16, path: &str) -> Result<Answer, String> {
        self.call(Method::GET, port, path, &[], Vec::new()).await
    }

    /// A call with further headers; an error where no answer came.
    pub async fn call(
        &self,
        method: Method,
        port: u16,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, String> {
        let url = format!("http://127.0.0.1:{port}{path}");
        let ours: Vec<(&str, &str)> =
            headers.iter().copied().filter(|(name, _)| name.starts_with("x-echoes-")).collect();
        let call = Call { method: method.as_str(), url: &url, headers: &ours, body: &body };
        let signature = signature_headers(call, &self.key, Region::EuWest1, clock::now()).unwrap();
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in &signature {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(body)).unwrap();
        let answer = self.client.request(request).await.map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        let cache_status = head.headers.get("cache-status").and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Answer {
            status: head.status,
            cache_status: cache_status.to_owned(),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        })
    }
}
