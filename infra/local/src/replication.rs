//! Replication between the regions: one task for each ordered pair, last writer wins.
//!
//! A task reads the source's log of local writes after its checkpoint, which is kept in the *destination's* file and
//! moves in the transaction that ends an application. A killed process therefore delivers some writes twice, which
//! changes nothing, and never loses one. Only local writes are in the log, so a replicated write, though it appears
//! in the destination's stream as in AWS, is not forwarded again.

mod apply;
mod pair;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::replica::Replica;
use pair::Pair;

/// Starts the twelve tasks of four regions (or as many as there are ordered pairs); they end at `stop`.
pub fn start(regions: &[Arc<Replica>], tasks: &TaskTracker, stop: &CancellationToken) {
    for source in regions {
        for destination in regions {
            if source.name != destination.name {
                let pair = Pair::new(source.clone(), destination.clone());
                tasks.spawn(stop.clone().run_until_cancelled_owned(pair.run()));
            }
        }
    }
}

/// Keeps every region's next writes above what the others have taken from it, whatever a power cut took back.
///
/// # Errors
/// SQLite's.
pub fn mend(regions: &[Arc<Replica>]) -> rusqlite::Result<()> {
    for source in regions {
        let mut taken = 0;
        for other in regions {
            taken = taken.max(other.ledger.checkpoint(source.ledger.file_id())?);
        }
        source.ledger.raise_record_ids(taken)?;
    }
    Ok(())
}

/// How many of `region`'s own writes at least one other region does not have yet.
///
/// # Errors
/// SQLite's.
pub fn backlog(region: &Replica, regions: &[Arc<Replica>]) -> rusqlite::Result<u64> {
    region.ledger.count_after(taken_everywhere(region, regions)?)
}

/// The last log entry of `region` that every other region has.
///
/// # Errors
/// SQLite's.
pub fn taken_everywhere(region: &Replica, regions: &[Arc<Replica>]) -> rusqlite::Result<i64> {
    let mut taken = i64::MAX;
    for other in regions.iter().filter(|other| other.name != region.name) {
        taken = taken.min(other.ledger.checkpoint(region.ledger.file_id())?);
    }
    Ok(taken)
}
