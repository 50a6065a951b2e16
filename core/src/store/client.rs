//! The one SDK client of a process: its deadlines, its retries and its connections.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_smithy_http_client::{Builder, tls};

use super::{Store, StoreError};
use crate::config::StoreConfig;

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// One attempt; DynamoDB answers in single-digit milliseconds, so a silent attempt is a lost one.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(600);
/// All attempts of one call. The edge has left for another region by then; this bounds what it left behind.
const CALL_TIMEOUT: Duration = Duration::from_millis(1_500);
const _: () = assert!(
    CALL_TIMEOUT.as_millis() < echoes_shared::policy::REQUEST_DEADLINE_MILLIS as u128
        && ATTEMPT_TIMEOUT.as_millis() * 2 < CALL_TIMEOUT.as_millis()
);
/// The same for bulk work, where nobody waits for one call: a chunk of twenty-five writes, or a page of a scan, on a table that
/// is slow just now. A shorter time would cut off, again and again, what only takes longer.
const BULK_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const BULK_CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for a page of the stream, after which it is asked for again.
const STREAM_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const STREAM_CALL_TIMEOUT: Duration = Duration::from_secs(7);
const MAX_ATTEMPTS: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(25);
/// Connections kept open while idle. Those in use are bounded by the requests admitted.
const MAX_IDLE_CONNECTIONS: usize = 32;
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections opened before the first request, so that no listener waits for a handshake.
const WARM_CONNECTIONS: usize = 4;

/// How long calls may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    attempt: Duration,
    call: Duration,
}

impl Deadlines {
    /// Where a listener waits.
    pub(super) const SERVING: Self = Self { attempt: ATTEMPT_TIMEOUT, call: CALL_TIMEOUT };
    /// Where nobody does.
    pub(super) const BULK: Self = Self { attempt: BULK_ATTEMPT_TIMEOUT, call: BULK_CALL_TIMEOUT };
}

pub(super) async fn connect(config: &StoreConfig, deadlines: Deadlines) -> Client {
    Client::new(&sdk(config, deadlines).await)
}

/// A client of the table's stream: its pages have up to 1 MB, and nobody waits for one.
pub(super) async fn connect_to_stream(config: &StoreConfig) -> aws_sdk_dynamodbstreams::Client {
    let sdk = sdk(config, Deadlines { attempt: STREAM_ATTEMPT_TIMEOUT, call: STREAM_CALL_TIMEOUT }).await;
    let mut own = aws_sdk_dynamodbstreams::config::Builder::from(&sdk);
    own.set_endpoint_url(config.streams_endpoint.clone());
    aws_sdk_dynamodbstreams::Client::from_conf(own.build())
}

async fn sdk(config: &StoreConfig, deadlines: Deadlines) -> SdkConfig {
    let http = Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(deadlines.attempt)
        .operation_timeout(deadlines.call)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS).with_initial_backoff(FIRST_BACKOFF);
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(config.region.as_str()))
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(retries)
        .load()
        .await
}

impl Store {
    /// Opens connections by asking for the table several times at once; also says whether the store answers.
    pub async fn warm(&self) -> Result<(), StoreError> {
        let mut asked = tokio::task::JoinSet::new();
        for _ in 0..WARM_CONNECTIONS {
            let store = self.clone();
            asked.spawn(async move { store.probe().await });
        }
        let mut answers = asked.join_all().await;
        answers.pop().unwrap_or(Ok(()))
    }
}
