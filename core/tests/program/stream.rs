//! `echoes serve --work`, killed while it applies the stream: whoever comes next goes on where it was, to the end.

use std::process::Stdio;
use std::time::Duration;

use echoes_core::clock;
use echoes_core::store::{CreateOutcome, NewItem};
use echoes_core::stream::{Row, Rows as _};
use echoes_shared::{Emotion, IdempotencyKey, NewEcho, Region as Name};
use rand::RngExt as _;

use crate::region::{ECHOES, LOCAL, Region, content};
use crate::soak::kills;

/// Creates while a worker lives.
const WRITES_FOR_EACH_KILL: u64 = 40;

async fn create(region: &Region, number: u64) {
    let content = NewEcho { transcript: Some(format!("echo {number}")), ..content(Emotion::Calm) };
    let now = clock::now();
    let key = IdempotencyKey::mint(now, &number.to_be_bytes().repeat(2)[..10].try_into().unwrap());
    let new = NewItem::new("ana".parse().unwrap(), key, content, Name::EuWest1);
    assert_eq!(region.store("eu-west-1").create(&new, now).await.unwrap(), CreateOutcome::Created);
}

/// The one row of the one shard that the engine has.
async fn row(region: &Region) -> Option<Row> {
    let table = region.client().describe_table().table_name(ECHOES).send().await.unwrap().table.unwrap();
    let rows = region.store("eu-west-1").rows(table.latest_stream_label().unwrap()).await.unwrap();
    assert!(rows.len() <= 1, "{rows:?}");
    rows.into_iter().next()
}

/// Waits until every sink has applied all that was written.
async fn await_end(region: &Region) {
    let last = region.changes(ECHOES).pop().unwrap().dynamodb.sequence_number;
    let mut poll = tokio::time::interval(Duration::from_millis(100));
    let waiting = async {
        loop {
            poll.tick().await;
            let Some(row) = row(region).await else { continue };
            if !row.positions.is_empty() && row.positions.values().all(|at| at.as_str() == last) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the stream is applied");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_is_followed_by_another() {
    let region = Region::new().await;
    let work = || {
        let mut command = region.program(&["serve", "--work"]);
        // What it logs is nobody's, and would fill the pipe.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.env("ECHOES_SWEEP_UNITS_PER_SECOND", "0").spawn().unwrap()
    };
    let mut number = 0;
    for _ in 0..kills() {
        let mut worker = work();
        let kill_at = number + rand::rng().random_range(1..WRITES_FOR_EACH_KILL);
        for _ in 0..WRITES_FOR_EACH_KILL {
            create(&region, number).await;
            if number == kill_at {
                worker.kill().await.unwrap();
            }
            number += 1;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        let _ = worker.kill().await;
    }
    let worker = work();
    await_end(&region).await;
    let verify = region.program(&["analytics", "verify"]).output().await.unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
    assert!(region.items(LOCAL).await.keys().all(|key| !key.contains("dead-letters")));
    drop(worker);
}
