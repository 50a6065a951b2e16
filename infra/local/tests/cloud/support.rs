//! Regions with tables, and DynamoDB calls through their fronts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use echoes_local::cloud::{Cloud, Ports};
use echoes_local::faults::Faults;
use echoes_local::layout::{ECHOES_TABLE, LOCAL_TABLE, OPS_TABLE};
use echoes_shared::Region;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

pub(crate) use Region::{ApSoutheast1, EuWest1, UsEast1, UsWest2};

/// How long convergence may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Stack {
    pub(crate) cloud: Arc<Cloud>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Stack {
    pub(crate) async fn open(data_dir: &Path) -> Self {
        Self {
            cloud: Arc::new(Cloud::open(data_dir, Ports::Free).await.unwrap()),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// With the three tables in every region.
    pub(crate) async fn with_tables(data_dir: &Path) -> Self {
        let stack = Self::open(data_dir).await;
        for region in Region::ALL {
            stack.create_tables(region).await;
        }
        stack
    }

    pub(crate) async fn create_tables(&self, region: Region) {
        for table in [ECHOES_TABLE, OPS_TABLE, LOCAL_TABLE] {
            let (status, body) = self
                .call(
                    region,
                    "CreateTable",
                    json!({
                        "TableName": table,
                        "BillingMode": "PAY_PER_REQUEST",
                        "KeySchema": [
                            { "AttributeName": "userId", "KeyType": "HASH" },
                            { "AttributeName": "timestamp", "KeyType": "RANGE" },
                        ],
                        "AttributeDefinitions": [
                            { "AttributeName": "userId", "AttributeType": "S" },
                            { "AttributeName": "timestamp", "AttributeType": "S" },
                            { "AttributeName": "emotion", "AttributeType": "S" },
                        ],
                        "GlobalSecondaryIndexes": [{
                            "IndexName": "emotion-timestamp-index",
                            "KeySchema": [
                                { "AttributeName": "emotion", "KeyType": "HASH" },
                                { "AttributeName": "timestamp", "KeyType": "RANGE" },
                            ],
                            "Projection": { "ProjectionType": "ALL" },
                        }],
                        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
                    }),
                )
                .await;
            assert_eq!(status, StatusCode::OK, "{body}");
        }
    }

    pub(crate) fn address(&self, region: Region) -> SocketAddr {
        self.cloud.address(region).unwrap()
    }

    /// One DynamoDB call; `Err` when there is no answer.
    pub(crate) async fn try_call(
        &self,
        region: Region,
        operation: &str,
        body: Value,
    ) -> Result<(StatusCode, Value), hyper_util::client::legacy::Error> {
        let service = match operation {
            "ListStreams" | "DescribeStream" | "GetShardIterator" | "GetRecords" => "DynamoDBStreams_20120810",
            _ => "DynamoDB_20120810",
        };
        let scope = "Credential=AKID/20260101/us-east-1/dynamodb/aws4_request";
        let request = Request::post(format!("http://{}/", self.address(region)))
            .header("x-amz-target", format!("{service}.{operation}"))
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=00"))
            .header("content-type", "application/x-amz-json-1.0")
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let response = self.client.request(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    pub(crate) async fn call(&self, region: Region, operation: &str, body: Value) -> (StatusCode, Value) {
        self.try_call(region, operation, body).await.unwrap()
    }

    pub(crate) async fn put(&self, region: Region, table: &str, user: &str, text: &str) {
        let (status, body) =
            self.call(region, "PutItem", json!({ "TableName": table, "Item": item(user, text) })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }

    pub(crate) async fn delete(&self, region: Region, table: &str, user: &str) {
        let (status, body) = self.call(region, "DeleteItem", json!({ "TableName": table, "Key": key(user) })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }

    /// A table's items by user.
    pub(crate) async fn scan(&self, region: Region, table: &str) -> BTreeMap<String, Value> {
        let (status, body) = self.call(region, "Scan", json!({ "TableName": table })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert!(body.get("LastEvaluatedKey").is_none());
        let items = body["Items"].as_array().unwrap().clone();
        items.into_iter().map(|item| (item["userId"]["S"].as_str().unwrap().to_owned(), item)).collect()
    }

    /// The text of one item, or `None` when it is not there.
    pub(crate) async fn text(&self, region: Region, table: &str, user: &str) -> Option<String> {
        let (_, body) = self
            .call(region, "GetItem", json!({ "TableName": table, "Key": key(user), "ConsistentRead": true }))
            .await;
        body["Item"]["text"]["S"].as_str().map(str::to_owned)
    }

    pub(crate) async fn replicated(&self) {
        tokio::time::timeout(PATIENCE, self.cloud.replicated())
            .await
            .expect("the regions did not converge in time")
            .unwrap();
    }

    pub(crate) async fn faults(&self, region: Region, change: impl FnOnce(&mut Faults)) {
        let mut faults = self.cloud.region(region).unwrap().faults();
        change(&mut faults);
        self.cloud.set_faults(region, faults).await.unwrap();
    }

    pub(crate) async fn partition(&self, region: Region, partitioned: bool) {
        self.faults(region, |faults| faults.partitioned = partitioned).await;
    }

    pub(crate) fn backlog(&self, region: Region) -> u64 {
        self.cloud.backlog(region).unwrap()
    }

    /// How many records a table's stream holds.
    pub(crate) async fn stream_records(&self, region: Region, table: &str) -> Vec<Value> {
        let (_, streams) = self.call(region, "ListStreams", json!({ "TableName": table })).await;
        let arn = &streams["Streams"][0]["StreamArn"];
        let (_, stream) = self.call(region, "DescribeStream", json!({ "StreamArn": arn })).await;
        let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
        let (_, iterator) = self
            .call(
                region,
                "GetShardIterator",
                json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" }),
            )
            .await;
        let (status, records) = self
            .call(region, "GetRecords", json!({ "ShardIterator": iterator["ShardIterator"], "Limit": 1000 }))
            .await;
        assert_eq!(status, StatusCode::OK, "{records}");
        records["Records"].as_array().unwrap().clone()
    }

    /// Asserts that all four regions hold the same items of both replicated tables.
    pub(crate) async fn assert_equal(&self) {
        for table in [ECHOES_TABLE, OPS_TABLE] {
            let expected = self.scan(UsEast1, table).await;
            for region in Region::ALL {
                assert_eq!(self.scan(region, table).await, expected, "{table} in {region}");
            }
        }
    }

    pub(crate) async fn stop(self) {
        self.cloud.stop().await;
    }
}

pub(crate) fn key(user: &str) -> Value {
    json!({ "userId": { "S": user }, "timestamp": { "S": "t" } })
}

pub(crate) fn item(user: &str, text: &str) -> Value {
    json!({ "userId": { "S": user }, "timestamp": { "S": "t" }, "emotion": { "S": "happy" }, "text": { "S": text } })
}

/// One request over a connection of its own.
pub(crate) async fn send(request: Request<String>) -> Result<(StatusCode, Value), hyper_util::client::legacy::Error> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.map(|body| Full::new(Bytes::from(body)))).await?;
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}
