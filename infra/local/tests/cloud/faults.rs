//! Stopped, throttled and slow regions, and what housekeeping does.

use std::time::{Duration, Instant};

use echoes_local::clock::now_seconds;
use echoes_local::faults::DynamoState;
use echoes_local::housekeeping;
use echoes_local::layout::{ECHOES_TABLE, LOCAL_TABLE, OPS_TABLE};
use echoes_shared::Region;
use http::StatusCode;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::support::{ApSoutheast1, EuWest1, Stack, UsEast1, UsWest2, item, key};

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_region_refuses_and_comes_back_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    stack.put(UsEast1, ECHOES_TABLE, "before", "x").await;
    stack.replicated().await;
    let mut idle = TcpStream::connect(stack.address(UsEast1)).await.unwrap();

    stack.faults(UsEast1, |faults| faults.dynamodb = DynamoState::Stopped).await;
    assert!(TcpStream::connect(stack.address(UsEast1)).await.is_err());
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0, "the open connection was dropped");
    let read = json!({ "TableName": ECHOES_TABLE, "Key": key("before") });
    assert!(stack.try_call(UsEast1, "GetItem", read).await.is_err());
    stack.put(UsWest2, ECHOES_TABLE, "meanwhile", "x").await;
    assert!(stack.backlog(UsWest2) > 0);

    stack.faults(UsEast1, |faults| faults.dynamodb = DynamoState::Running).await;
    stack.replicated().await;
    assert_eq!(stack.scan(UsEast1, ECHOES_TABLE).await.len(), 2);
    stack.assert_equal().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_region_refuses_data_calls_as_dynamodb_does() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    stack.faults(EuWest1, |faults| faults.dynamodb = DynamoState::Throttled).await;
    for (operation, body) in [
        ("PutItem", json!({ "TableName": ECHOES_TABLE, "Item": item("ana", "x") })),
        ("GetItem", json!({ "TableName": ECHOES_TABLE, "Key": key("ana") })),
        ("Query", json!({ "TableName": ECHOES_TABLE })),
    ] {
        let (status, answer) = stack.call(EuWest1, operation, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let kind = answer["__type"].as_str().unwrap();
        assert!(kind.ends_with("#ProvisionedThroughputExceededException"), "{kind}");
    }
    let (status, _) = stack.call(EuWest1, "DescribeTable", json!({ "TableName": ECHOES_TABLE })).await;
    assert_eq!(status, StatusCode::OK);

    // Replication is not a client.
    stack.put(UsEast1, ECHOES_TABLE, "bo", "x").await;
    stack.replicated().await;
    stack.faults(EuWest1, |faults| faults.dynamodb = DynamoState::Running).await;
    assert_eq!(stack.text(EuWest1, ECHOES_TABLE, "bo").await.as_deref(), Some("x"));
    assert_eq!(stack.text(EuWest1, ECHOES_TABLE, "ana").await, None);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_delays_writes_to_and_from_a_region_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    let lag = Duration::from_millis(700);
    stack.faults(ApSoutheast1, |faults| faults.lag_ms = 700).await;
    let begun = Instant::now();
    stack.put(UsEast1, ECHOES_TABLE, "ana", "x").await;
    stack.put(ApSoutheast1, OPS_TABLE, "marker", "x").await;
    stack.replicated().await;
    assert!(begun.elapsed() >= lag, "{:?}", begun.elapsed());
    stack.assert_equal().await;

    // Without waiting for the slow one.
    stack.faults(ApSoutheast1, |faults| faults.lag_ms = 600_000).await;
    stack.put(UsEast1, ECHOES_TABLE, "bo", "x").await;
    let mut applied = stack.cloud.region(EuWest1).unwrap().watch_applied();
    while stack.text(EuWest1, ECHOES_TABLE, "bo").await.is_none() {
        tokio::time::timeout(Duration::from_secs(10), applied.changed()).await.unwrap().unwrap();
    }
    assert_eq!(stack.text(ApSoutheast1, ECHOES_TABLE, "bo").await, None);

    // A shorter lag takes effect at once, for writes that were already waiting too.
    stack.faults(ApSoutheast1, |faults| faults.lag_ms = 0).await;
    stack.replicated().await;
    stack.assert_equal().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_items_go_from_every_region_and_only_one_names_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    for region in Region::ALL {
        let ttl = json!({
            "TableName": ECHOES_TABLE,
            "TimeToLiveSpecification": { "Enabled": true, "AttributeName": "ttl" },
        });
        assert_eq!(stack.call(region, "UpdateTimeToLive", ttl).await.0, StatusCode::OK);
    }
    let mut expired = item("ana", "x");
    expired["ttl"] = json!({ "N": (now_seconds() - 60).to_string() });
    stack.call(EuWest1, "PutItem", json!({ "TableName": ECHOES_TABLE, "Item": expired })).await;
    stack.replicated().await;
    let region = stack.cloud.region(UsWest2).unwrap();
    assert_eq!(housekeeping::sweep(region).await.unwrap(), 1);
    assert!(!region.ledger.has_expired(now_seconds()).unwrap());
    assert_eq!(housekeeping::sweep(region).await.unwrap(), 0);
    stack.replicated().await;
    let mut by_service = 0;
    for region in Region::ALL {
        assert!(stack.scan(region, ECHOES_TABLE).await.is_empty(), "{region}");
        let records = stack.stream_records(region, ECHOES_TABLE).await;
        let removals: Vec<_> = records.iter().filter(|record| record["eventName"] == "REMOVE").collect();
        assert_eq!(removals.len(), 1, "{region}");
        by_service += usize::from(removals[0].get("userIdentity").is_some());
    }
    assert_eq!(by_service, 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replicated_table_is_not_deleted_in_one_region() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    let (status, answer) = stack.call(UsEast1, "DeleteTable", json!({ "TableName": ECHOES_TABLE })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer["__type"].as_str().unwrap().ends_with("#ValidationException"), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("--fresh"), "{answer}");
    let (status, _) = stack.call(UsEast1, "DeleteTable", json!({ "TableName": LOCAL_TABLE })).await;
    assert_eq!(status, StatusCode::OK);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_stream_records_are_trimmed_but_not_before_every_region_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    stack.put(UsEast1, ECHOES_TABLE, "taken", "x").await;
    stack.replicated().await;
    stack.partition(EuWest1, true).await;
    stack.put(UsEast1, ECHOES_TABLE, "waiting", "x").await;
    stack.stop().await;
    let file = rusqlite::Connection::open(folder.path().join("us-east-1.db")).unwrap();
    file.execute("UPDATE _stream_records SET created_at = created_at - 90000", []).unwrap();
    drop(file);

    let stack = Stack::open(folder.path()).await;
    stack.partition(EuWest1, true).await;
    let (region, regions) = (stack.cloud.region(UsEast1).unwrap(), stack.cloud.regions());
    housekeeping::trim(region, regions).await.unwrap();
    stack.partition(EuWest1, false).await;
    stack.replicated().await;
    stack.assert_equal().await;
    housekeeping::trim(region, regions).await.unwrap();
    assert!(stack.stream_records(UsEast1, ECHOES_TABLE).await.is_empty());
    stack.stop().await;
}
