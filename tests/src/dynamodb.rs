//! A region's DynamoDB, asked directly: what is stored, whatever the cores say.

use echoes_shared::Region;
use serde_json::{Value, json};

use crate::request::Request;
use crate::response::Response;

/// One region's DynamoDB.
#[derive(Debug, Clone)]
pub struct DynamoDb {
    /// Its region.
    pub region: Region,
    /// Its address.
    pub base: String,
    /// The access key's id. Nobody checks the signature that goes with it.
    pub access_key_id: String,
}

impl DynamoDb {
    /// Calls an operation.
    pub fn call(&self, operation: &str, body: &Value) -> Response {
        let scope = format!("{}/20261122/{}/dynamodb/aws4_request", self.access_key_id, self.region);
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={}", "0".repeat(64));
        Request::new("POST", "/")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("x-amz-date", "20261122T000000Z")
            .header("authorization", authorization)
            .header("content-type", "application/x-amz-json-1.0")
            .body(body.to_string())
            .send(&self.base)
    }

    /// Every item under one hash key of the echoes, in order.
    #[track_caller]
    pub fn items_of(&self, table: &str, user_id: &str) -> Vec<Value> {
        let response = self.call(
            "Query",
            &json!({
                "TableName": table, "ConsistentRead": true, "KeyConditionExpression": "#u = :u",
                "ExpressionAttributeNames": { "#u": "userId" },
                "ExpressionAttributeValues": { ":u": { "S": user_id } },
            }),
        );
        let response = response.expect(200);
        response.json()["Items"].as_array().cloned().unwrap_or_else(|| panic!("no Items\n{response}"))
    }
}
