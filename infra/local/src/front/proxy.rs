//! Passes one call on to a region's engine, or refuses it as a throttled region does.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Semaphore;

use super::ENGINE_CALLS;
use super::operation::{classify, replicated_table};
use crate::faults::DynamoState;
use crate::replica::Replica;

/// DynamoDB takes requests of up to 16 MB.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
const BODY_BYTES: usize = 16 * 1024 * 1024;

/// The engine's answer, or one made here.
pub(super) type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// Calls one region's engine over pooled connections.
#[derive(Clone)]
pub(super) struct Proxy {
    region: Arc<Replica>,
    client: Client<HttpConnector, Full<Bytes>>,
    engine: Authority,
    /// One permit for each call that the engine may have at a time.
    calls: Arc<Semaphore>,
}

impl Proxy {
    pub(super) fn new(region: Arc<Replica>) -> anyhow::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let engine = region.engine_address().to_string().parse()?;
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let calls = Arc::new(Semaphore::new(ENGINE_CALLS));
        Ok(Self { region, client, engine, calls })
    }

    /// Answers one call.
    pub(super) async fn answer(self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let target = request.headers().get("x-amz-target");
        let operation = classify(target.and_then(|target| target.to_str().ok()).unwrap_or_default());
        let (parts, body) = request.into_parts();
        // The whole body first: a slow client must not hold the gate.
        let body = match Limited::new(body, BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                return Ok(problem(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "com.amazon.coral.service#SerializationException",
                    &format!("the body cannot be read: {error}"),
                ));
            }
        };
        if operation.data && self.region.faults().dynamodb == DynamoState::Throttled {
            return Ok(problem(
                StatusCode::BAD_REQUEST,
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded. \
                 Consider increasing your provisioning level with the UpdateTable API.",
            ));
        }
        if operation.deletes_table
            && let Some(table) = replicated_table(&body)
        {
            return Ok(problem(
                StatusCode::BAD_REQUEST,
                "com.amazon.coral.validate#ValidationException",
                &format!(
                    "{table} is replicated and is not deleted in one region: `make dev ARGS=--fresh` forgets all of them"
                ),
            ));
        }
        let mut request = Request::from_parts(parts, Full::new(body));
        *request.uri_mut() = self.engine_uri(request.uri());
        // A task of its own: when the client goes away in the middle, what is held is held until the engine is done.
        let call = tokio::spawn(async move {
            if !operation.mutates {
                return self.forward(request).await;
            }
            let gate = self.region.gate.clone().read_owned().await;
            let answer = self.forward(request).await;
            drop(gate);
            self.region.note_write();
            answer
        });
        Ok(call.await.unwrap_or_else(|error| unavailable(&error)))
    }

    /// To be called with the gate, for a write: a call that waits for the gate must not keep a permit from the reads.
    async fn forward(&self, request: Request<Full<Bytes>>) -> Answer {
        let permit = self.calls.acquire().await;
        let answer = match self.client.request(request).await {
            Ok(response) => response.map(Either::Left),
            Err(error) => unavailable(&error),
        };
        drop(permit);
        answer
    }

    /// The same path and query at the engine's address.
    fn engine_uri(&self, asked: &Uri) -> Uri {
        let path = asked.path_and_query().cloned();
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.engine.clone());
        parts.path_and_query = path.or_else(|| Some(PathAndQuery::from_static("/")));
        Uri::from_parts(parts).unwrap_or_default()
    }
}

fn unavailable(error: &dyn std::error::Error) -> Answer {
    problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "com.amazonaws.dynamodb.v20120810#InternalServerError",
        &format!("the engine did not answer: {error}"),
    )
}

/// An error as DynamoDB words it.
fn problem(status: StatusCode, kind: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "__type": kind, "message": message }).to_string();
    let mut response = Response::new(Either::Right(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().simple().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
