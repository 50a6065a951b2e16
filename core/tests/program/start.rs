//! What a core does over tables that are not those of its version.

use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::region::{ECHOES, NO_REDIS, Region};

const AT_ONCE: Duration = Duration::from_secs(20);

/// The exit status, and what was said on stderr.
async fn end(mut command: Command) -> (Option<i32>, String) {
    let output = tokio::time::timeout(AT_ONCE, command.output()).await.expect("it ends by itself").unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

async fn without_index(name: &str) -> Region {
    let region = Region::new().await;
    let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(name).build().unwrap();
    let update = GlobalSecondaryIndexUpdate::builder().delete(delete).build();
    region.client().update_table().table_name(ECHOES).global_secondary_index_updates(update).send().await.unwrap();
    region
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_role_starts_over_a_wrong_table() {
    let region = without_index("random-index").await;
    for args in [&["serve"] as &[_], &["serve", "--work"], &["work"], &["work", "--once"]] {
        let (status, said) = end(region.without_servers(args)).await;
        assert_eq!(status, Some(1), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("EchoesTable: random-index is missing"), "{said}");
        assert!(said.contains("echoes table check"), "{said}");
    }
    let (status, said) = end(Region::empty().await.program(&["serve"])).await;
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("EchoesLocal: is missing"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_rate_is_named() {
    let region = Region::empty().await;
    for args in [&["serve", "--work"] as &[_], &["work"], &["work", "--once"]] {
        let mut command = region.program(args);
        command.env("ECHOES_SWEEP_UNITS_PER_SECOND", "fast");
        let (status, said) = end(command).await;
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains("ECHOES_SWEEP_UNITS_PER_SECOND"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_beside_serving_needs_redis_and_opensearch() {
    let region = Region::new().await;
    let (status, said) = end(region.program(&["work"])).await;
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("ECHOES_REDIS_URL"), "{said}");
    let mut command = region.program(&["work"]);
    command.env("ECHOES_REDIS_URL", NO_REDIS);
    let (status, said) = end(command).await;
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("ECHOES_OPENSEARCH_URL"), "{said}");
    let (status, said) = end(region.program(&["work", "--once"])).await;
    assert_eq!(status, Some(0), "{said}");
}

/// The program with its store away, once it has said that it started.
async fn started_without_store(region: &Region, args: &[&str]) -> Child {
    let mut child = region.without_servers(args).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let waiting = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("cannot be checked yet") {
                return;
            }
        }
        panic!("it ended");
    };
    tokio::time::timeout(AT_ONCE, waiting).await.expect("it starts without a store");
    // Its log goes on; nobody reads it, and it is short.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_comes_back_wrong_ends_what_had_started() {
    for args in [&["serve"] as &[_], &["work"]] {
        let mut region = without_index("recent-index").await;
        region.go_away().await;
        let child = started_without_store(&region, args).await;
        region.come_back().await;
        let output = tokio::time::timeout(AT_ONCE, child.wait_with_output()).await.expect("it ends").unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("recent-index is missing"), "{said}");
    }
}
