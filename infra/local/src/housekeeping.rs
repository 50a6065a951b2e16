//! What an engine needs from time to time: expired items swept, and a stream no longer than DynamoDB keeps one.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::now_seconds;
use crate::faults::DynamoState;
use crate::replica::Replica;
use crate::replication::taken_everywhere;

/// Every region has its turn within this time.
const ROUND: Duration = Duration::from_secs(30);

/// `DynamoDB` Streams keep records for a day.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>
const STREAM_RETENTION_SECONDS: i64 = 24 * 60 * 60;

/// Starts the task; it ends at `stop`.
pub fn start(regions: Vec<Arc<Replica>>, tasks: &TaskTracker, stop: &CancellationToken) {
    tasks.spawn(stop.clone().run_until_cancelled_owned(run(regions)));
}

/// Regions take turns rather than all at once: one of them deletes an expired item, and the others usually learn of
/// it as a replicated delete without `userIdentity`, as in AWS.
async fn run(regions: Vec<Arc<Replica>>) {
    let turns = u32::try_from(regions.len()).unwrap_or(u32::MAX).max(1);
    let mut turn = tokio::time::interval(ROUND / turns);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        for region in &regions {
            turn.tick().await;
            if region.faults().dynamodb == DynamoState::Stopped {
                continue;
            }
            if let Err(error) = sweep(region).await {
                tracing::error!(region = %region.name, %error, "the sweep of expired items failed");
            }
            if let Err(error) = trim(region, &regions).await {
                tracing::error!(region = %region.name, %error, "trimming the stream failed");
            }
        }
    }
}

/// Deletes a region's expired items, as a client of its own. Answers how many.
///
/// The engine reads every item to find them, and replication waits for it meanwhile: so first it is asked, without the
/// gate, whether there are any.
///
/// # Errors
/// The engine's.
pub async fn sweep(region: &Arc<Replica>) -> anyhow::Result<usize> {
    let asked = region.clone();
    let wanted = tokio::task::spawn_blocking(move || asked.ledger.has_expired(now_seconds())).await??;
    if !wanted {
        return Ok(0);
    }
    let gate = region.gate.clone().read_owned().await;
    let swept = region.clone();
    let deleted = tokio::task::spawn_blocking(move || {
        let _gate = gate;
        swept.database().sweep_ttl()
    })
    .await??;
    if deleted > 0 {
        region.note_write();
    }
    Ok(deleted)
}

/// Drops stream records of more than a day that no other region waits for. Answers how many.
///
/// # Errors
/// SQLite's.
pub async fn trim(region: &Arc<Replica>, regions: &[Arc<Replica>]) -> anyhow::Result<usize> {
    let taken = taken_everywhere(region, regions)?;
    let gate = region.gate.clone().write_owned().await;
    let trimmed = region.clone();
    let dropped = tokio::task::spawn_blocking(move || {
        let _gate = gate;
        let before = now_seconds() - STREAM_RETENTION_SECONDS;
        trimmed.ledger.trim(taken, before)
    })
    .await??;
    Ok(dropped)
}
