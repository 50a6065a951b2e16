//! A stack that ends in the middle loses nothing.

use echoes_shared::Region;

use echoes_local::layout::ECHOES_TABLE;

use crate::support::{ApSoutheast1, EuWest1, Stack, UsEast1};

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_for_a_region_arrives_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    stack.put(UsEast1, ECHOES_TABLE, "kept", "old").await;
    stack.replicated().await;
    stack.partition(EuWest1, true).await;
    for n in 0..250 {
        stack.put(UsEast1, ECHOES_TABLE, &format!("user {n}"), "x").await;
    }
    stack.put(EuWest1, ECHOES_TABLE, "kept", "new").await;
    stack.delete(EuWest1, ECHOES_TABLE, "never there").await;
    assert_eq!(stack.backlog(UsEast1), 250);
    stack.stop().await;

    // Faults are not kept: the partition is gone.
    let stack = Stack::open(folder.path()).await;
    stack.replicated().await;
    stack.assert_equal().await;
    assert_eq!(stack.scan(ApSoutheast1, ECHOES_TABLE).await.len(), 251);
    assert_eq!(stack.text(UsEast1, ECHOES_TABLE, "kept").await.as_deref(), Some("new"));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_in_the_middle_of_replication_lose_and_repeat_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut stack = Stack::with_tables(folder.path()).await;
    for round in 0..5 {
        for n in 0..40 {
            let region = Region::ALL[n % 4];
            stack.put(region, ECHOES_TABLE, &format!("user {n}"), &format!("round {round}")).await;
        }
        // No waiting: some of it is on its way.
        stack.stop().await;
        stack = Stack::open(folder.path()).await;
    }
    stack.replicated().await;
    stack.assert_equal().await;
    for (user, item) in stack.scan(EuWest1, ECHOES_TABLE).await {
        assert_eq!(item["text"]["S"], "round 4", "{user}");
    }
    for region in Region::ALL {
        // A write that lost to a later one is not applied; none is applied twice.
        assert!(stack.stream_records(region, ECHOES_TABLE).await.len() <= 200, "{region}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_application_does_not_colour_the_next_local_write() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    stack.put(UsEast1, ECHOES_TABLE, "ana", "one").await;
    stack.replicated().await;
    stack.stop().await;

    // As a process killed between announcing and applying leaves it.
    let file = rusqlite::Connection::open(folder.path().join("eu-west-1.db")).unwrap();
    let planted = file
        .execute("INSERT INTO echoes_incoming SELECT table_name, item_key, 1, 'us-east-1' FROM echoes_stamps", [])
        .unwrap();
    assert_eq!(planted, 1);
    drop(file);

    let stack = Stack::open(folder.path()).await;
    stack.put(EuWest1, ECHOES_TABLE, "ana", "two").await;
    stack.replicated().await;
    assert_eq!(stack.text(UsEast1, ECHOES_TABLE, "ana").await.as_deref(), Some("two"));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_after_a_power_cut_are_not_taken_for_those_it_took_back() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::with_tables(folder.path()).await;
    stack.put(UsEast1, ECHOES_TABLE, "ana", "one").await;
    stack.replicated().await;
    stack.stop().await;

    // As a file that lost its last writes: the others are ahead of it.
    let file = rusqlite::Connection::open(folder.path().join("us-east-1.db")).unwrap();
    for table in ["_stream_records", "echoes_log", "echoes_stamps", "sqlite_sequence"] {
        file.execute(&format!("DELETE FROM {table}"), []).unwrap();
    }
    drop(file);

    let stack = Stack::open(folder.path()).await;
    stack.put(UsEast1, ECHOES_TABLE, "ana", "two").await;
    stack.replicated().await;
    assert_eq!(stack.text(EuWest1, ECHOES_TABLE, "ana").await.as_deref(), Some("two"));
    stack.assert_equal().await;
    stack.stop().await;
}
