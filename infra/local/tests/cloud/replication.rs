//! Writes of one region reach the other three, and the last writer wins.

use echoes_local::layout::{ECHOES_TABLE, LOCAL_TABLE, OPS_TABLE};
use echoes_shared::Region;
use http::StatusCode;
use serde_json::json;

use crate::support::{ApSoutheast1, EuWest1, Stack, UsEast1, UsWest2, item, key};

#[tokio::test(flavor = "multi_thread")]
async fn puts_updates_and_deletes_reach_every_region() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    stack.put(UsEast1, ECHOES_TABLE, "ana", "one").await;
    stack.put(EuWest1, OPS_TABLE, "counter", "1").await;
    stack.put(ApSoutheast1, ECHOES_TABLE, "bo", "gone soon").await;
    stack.replicated().await;
    for region in Region::ALL {
        // No attribute is added to an item.
        assert_eq!(stack.scan(region, ECHOES_TABLE).await["ana"], item("ana", "one"));
        assert_eq!(stack.text(region, OPS_TABLE, "counter").await.as_deref(), Some("1"));
    }

    let update = json!({
        "TableName": ECHOES_TABLE,
        "Key": key("ana"),
        "UpdateExpression": "SET #t = :t",
        "ExpressionAttributeNames": { "#t": "text" },
        "ExpressionAttributeValues": { ":t": { "S": "two" } },
    });
    let (status, _) = stack.call(UsWest2, "UpdateItem", update).await;
    assert_eq!(status, StatusCode::OK);
    stack.delete(EuWest1, ECHOES_TABLE, "bo").await;
    stack.replicated().await;
    for region in Region::ALL {
        assert_eq!(stack.text(region, ECHOES_TABLE, "ana").await.as_deref(), Some("two"));
        assert_eq!(stack.text(region, ECHOES_TABLE, "bo").await, None);
        assert_eq!(stack.backlog(region), 0);
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_any_characters_and_transactions_replicate() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    let users = ["it's", "\"quoted\"", "back\\slash", "naïve ☂ 雨", "line\nbreak", "\u{1}"];
    let puts: Vec<_> =
        users.iter().map(|user| json!({ "Put": { "TableName": ECHOES_TABLE, "Item": item(user, "x") } })).collect();
    let (status, body) = stack.call(UsEast1, "TransactWriteItems", json!({ "TransactItems": puts })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    stack.replicated().await;
    stack.assert_equal().await;
    assert_eq!(stack.scan(UsWest2, ECHOES_TABLE).await.len(), users.len());
    for user in users {
        stack.delete(UsWest2, ECHOES_TABLE, user).await;
    }
    stack.replicated().await;
    assert!(stack.scan(UsEast1, ECHOES_TABLE).await.is_empty());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_table_stays_in_its_region() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    stack.put(UsEast1, LOCAL_TABLE, "lease", "mine").await;
    stack.put(UsEast1, ECHOES_TABLE, "ana", "one").await;
    stack.replicated().await;
    assert_eq!(stack.text(EuWest1, ECHOES_TABLE, "ana").await.as_deref(), Some("one"));
    assert!(stack.scan(EuWest1, LOCAL_TABLE).await.is_empty());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_loops_and_every_stream_carries_each_write_once() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    for n in 0..10 {
        stack.put(UsEast1, ECHOES_TABLE, "hot", &n.to_string()).await;
        stack.put(EuWest1, ECHOES_TABLE, &format!("user {n}"), "x").await;
    }
    stack.replicated().await;
    stack.replicated().await;
    for region in Region::ALL {
        let records = stack.stream_records(region, ECHOES_TABLE).await;
        assert_eq!(records.len(), 20, "{region}");
        // In order for each item.
        let texts: Vec<_> = records
            .iter()
            .filter(|record| record["dynamodb"]["Keys"]["userId"]["S"] == "hot")
            .map(|record| record["dynamodb"]["NewImage"]["text"]["S"].as_str().unwrap().to_owned())
            .collect();
        let expected: Vec<_> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(texts, expected, "{region}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_of_two_conflicting_writes_wins_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    for user in ["put", "update after delete", "delete after update"] {
        stack.put(UsEast1, ECHOES_TABLE, user, "first").await;
    }
    stack.replicated().await;

    stack.partition(EuWest1, true).await;
    stack.put(EuWest1, ECHOES_TABLE, "put", "earlier").await;
    stack.put(UsEast1, ECHOES_TABLE, "put", "later").await;
    stack.delete(UsEast1, ECHOES_TABLE, "update after delete").await;
    stack.put(EuWest1, ECHOES_TABLE, "update after delete", "later").await;
    stack.put(EuWest1, ECHOES_TABLE, "delete after update", "earlier").await;
    stack.delete(UsEast1, ECHOES_TABLE, "delete after update").await;
    // Deleted where it never was seen: the delete must still win over the older put.
    stack.put(EuWest1, ECHOES_TABLE, "short life", "x").await;
    stack.delete(EuWest1, ECHOES_TABLE, "short life").await;
    assert!(stack.backlog(EuWest1) > 0);
    assert_eq!(stack.text(UsEast1, ECHOES_TABLE, "put").await.as_deref(), Some("later"));
    assert_eq!(stack.text(EuWest1, ECHOES_TABLE, "put").await.as_deref(), Some("earlier"));

    stack.partition(EuWest1, false).await;
    stack.replicated().await;
    for region in Region::ALL {
        assert_eq!(stack.text(region, ECHOES_TABLE, "put").await.as_deref(), Some("later"), "{region}");
        assert_eq!(stack.text(region, ECHOES_TABLE, "update after delete").await.as_deref(), Some("later"));
        assert_eq!(stack.text(region, ECHOES_TABLE, "delete after update").await, None);
        assert_eq!(stack.text(region, ECHOES_TABLE, "short life").await, None);
        assert_eq!(stack.backlog(region), 0);
    }
    stack.assert_equal().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_without_tables_gets_everything_once_it_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::open(folder.path()).await;
    stack.create_tables(UsEast1).await;
    stack.put(UsEast1, ECHOES_TABLE, "ana", "one").await;
    assert_eq!(stack.backlog(UsEast1), 1);
    for region in [UsWest2, EuWest1, ApSoutheast1] {
        stack.create_tables(region).await;
    }
    stack.replicated().await;
    stack.assert_equal().await;
    assert_eq!(stack.text(ApSoutheast1, ECHOES_TABLE, "ana").await.as_deref(), Some("one"));
    stack.stop().await;
}
