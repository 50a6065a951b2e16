//! Random writes from four regions at once, with partitions coming and going, end in four equal regions.

use std::sync::Arc;

use echoes_local::layout::{ECHOES_TABLE, OPS_TABLE};
use echoes_shared::Region;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::support::Stack;

/// Few keys, so that most writes conflict.
const KEYS: u32 = 12;
const WRITES_EACH: u32 = 150;

#[tokio::test(flavor = "multi_thread")]
async fn random_concurrent_writes_under_partitions_converge() {
    for seed in [1, 20_261_123] {
        converges(seed).await;
    }
}

async fn converges(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let stack = Arc::new(Stack::with_tables(folder.path()).await);
    let mut writers = Vec::new();
    for (place, region) in (0_u64..).zip(Region::ALL) {
        let stack = stack.clone();
        let mut random = ChaCha8Rng::seed_from_u64(seed * 10 + place);
        writers.push(tokio::spawn(async move {
            for n in 0..WRITES_EACH {
                let table = if random.random_bool(0.7) { ECHOES_TABLE } else { OPS_TABLE };
                let user = format!("user {}", random.random_range(0..KEYS));
                if random.random_bool(0.3) {
                    stack.delete(region, table, &user).await;
                } else {
                    stack.put(region, table, &user, &format!("{region} {n}")).await;
                }
            }
        }));
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    while writers.iter().any(|writer| !writer.is_finished()) {
        let region = Region::ALL[random.random_range(0..4)];
        let (cut, lag_ms) = (random.random_bool(0.5), random.random_range(0..30));
        stack
            .faults(region, |faults| {
                faults.partitioned = cut;
                faults.lag_ms = lag_ms;
            })
            .await;
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for region in Region::ALL {
        stack.partition(region, false).await;
    }
    stack.replicated().await;
    stack.assert_equal().await;
    // The stamps agree as well, of deleted items too.
    let stamps: Vec<_> = Region::ALL.map(|region| stamps(&stack, region)).into();
    assert!(stamps.iter().all(|each| *each == stamps[0]), "seed {seed}");
    assert!(!stamps[0].is_empty());
}

fn stamps(stack: &Stack, region: Region) -> Vec<Option<echoes_local::ledger::Stamp>> {
    let ledger = &stack.cloud.region(region).unwrap().ledger;
    let mut stamps = Vec::new();
    for table in [ECHOES_TABLE, OPS_TABLE] {
        for user in 0..KEYS {
            let key = format!(r#"{{"timestamp":{{"S":"t"}},"userId":{{"S":"user {user}"}}}}"#);
            stamps.push(ledger.stamp(table, &key).unwrap());
        }
    }
    stamps
}
