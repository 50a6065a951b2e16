//! One direction of replication: from a source region to a destination region.

use std::collections::HashSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::apply::{ApplyError, apply};
use crate::clock::now_us;
use crate::faults::Faults;
use crate::ledger::Outgoing;
use crate::replica::Replica;

/// The most writes applied under one hold of the destination's gate, during which its clients wait: some 10 ms. It is
/// also what one `BatchWriteItem` takes.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
const BATCH_RECORDS: usize = 25;

/// The pause after an error that no event announces the end of.
const RETRY: Duration = Duration::from_millis(500);

/// One direction of replication.
pub(super) struct Pair {
    source: Arc<Replica>,
    destination: Arc<Replica>,
}

/// What a pair does next.
enum Next {
    /// There may be more at once.
    Again,
    /// Nothing waits, or the way is cut: until a write or a change of faults.
    Await,
    /// The oldest write is not due yet.
    AwaitFor(Duration),
    /// The destination lacks a table: until something is written there, as creating a table is.
    AwaitTable,
}

impl Pair {
    pub(super) fn new(source: Arc<Replica>, destination: Arc<Replica>) -> Self {
        Self { source, destination }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(self) {
        let mut events = Events {
            source_writes: self.source.watch_writes(),
            destination_writes: self.destination.watch_writes(),
            source_faults: self.source.watch_faults(),
            destination_faults: self.destination.watch_faults(),
        };
        let mut lacked_table = false;
        loop {
            // Seen first and read afterwards, so that a write in between wakes the pair once too often, never too rarely.
            events.mark_seen();
            let next = self.step().await;
            let lacks_table = matches!(next, Ok(Next::AwaitTable));
            if lacks_table && !lacked_table {
                let (source, destination) = (self.source.name, self.destination.name);
                tracing::warn!(%source, %destination, "replication waits: the destination lacks a table");
            }
            lacked_table = lacks_table;
            match next {
                Ok(Next::Again) => {}
                Ok(Next::Await) => events.changed(None, false).await,
                Ok(Next::AwaitFor(wait)) => events.changed(Some(wait), false).await,
                Ok(Next::AwaitTable) => events.changed(Some(RETRY), true).await,
                Err(error) => {
                    let (source, destination) = (self.source.name, self.destination.name);
                    tracing::error!(%source, %destination, %error, "replication failed and will be tried again");
                    events.changed(Some(RETRY), false).await;
                }
            }
        }
    }

    /// Applies the next batch, if there is one and it may.
    async fn step(&self) -> Result<Next, ApplyError> {
        let (here, there) = (self.source.faults(), self.destination.faults());
        if !here.connected() || !there.connected() {
            return Ok(Next::Await);
        }
        let (source, destination) = (self.source.clone(), self.destination.clone());
        let waiting = tokio::task::spawn_blocking(move || {
            let taken = destination.ledger.checkpoint(source.ledger.file_id())?;
            source.ledger.outgoing(taken, BATCH_RECORDS)
        })
        .await??;

        match due(waiting, now_us(), lag_us(&here, &there)) {
            Due::Nothing => Ok(Next::Await),
            Due::Later(wait) => Ok(Next::AwaitFor(wait)),
            Due::Batch(batch) => match apply(&self.source, &self.destination, batch).await {
                Ok(()) => Ok(Next::Again),
                Err(ApplyError::Cut) => Ok(Next::Await),
                Err(ApplyError::NoTable) => Ok(Next::AwaitTable),
                Err(error) => Err(error),
            },
        }
    }
}

/// The delay between two regions: each side adds its own.
fn lag_us(here: &Faults, there: &Faults) -> i64 {
    let lag_ms = here.lag_ms.saturating_add(there.lag_ms);
    i64::try_from(lag_ms.saturating_mul(1000)).unwrap_or(i64::MAX)
}

/// What of the waiting writes may be applied now.
#[derive(Debug)]
enum Due {
    Nothing,
    Later(Duration),
    Batch(Vec<Outgoing>),
}

/// The longest run of `waiting` that is due and names no item twice: an application may hold each key once, and two
/// writes of one item arrive in order, in two batches.
fn due(waiting: Vec<Outgoing>, now_us: i64, lag_us: i64) -> Due {
    let Some(first) = waiting.first() else {
        return Due::Nothing;
    };
    // A stamp may run ahead of the clock by the few microseconds it needs to follow the write before: without a lag
    // nothing waits for that.
    let too_early_us = |write: &Outgoing| match lag_us {
        0 => 0,
        lag_us => write.stamp.stamp_us.saturating_add(lag_us).saturating_sub(now_us),
    };
    if let Ok(wait_us @ 1..) = u64::try_from(too_early_us(first)) {
        return Due::Later(Duration::from_micros(wait_us));
    }
    let mut seen = HashSet::new();
    let mut batch = Vec::new();
    for write in waiting {
        let again = !seen.insert((write.table_name.clone(), write.item_key.clone()));
        if again || too_early_us(&write) > 0 {
            break;
        }
        batch.push(write);
    }
    Due::Batch(batch)
}

/// What can wake a pair.
struct Events {
    source_writes: watch::Receiver<u64>,
    destination_writes: watch::Receiver<u64>,
    source_faults: watch::Receiver<Faults>,
    destination_faults: watch::Receiver<Faults>,
}

impl Events {
    fn mark_seen(&mut self) {
        self.source_writes.mark_unchanged();
        self.destination_writes.mark_unchanged();
        self.source_faults.mark_unchanged();
        self.destination_faults.mark_unchanged();
    }

    /// Until something of it changes, or `timeout` has passed. The senders live in the regions that the pair holds,
    /// so a closed channel cannot be met.
    async fn changed(&mut self, timeout: Option<Duration>, or_destination_write: bool) {
        let timer = async {
            match timeout {
                Some(wait) => tokio::time::sleep(wait).await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.source_writes.changed() => {}
            _ = self.destination_writes.changed(), if or_destination_write => {}
            _ = self.source_faults.changed() => {}
            _ = self.destination_faults.changed() => {}
            () = timer => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Stamp;

    fn write(record_id: i64, item_key: &str, stamp_us: i64) -> Outgoing {
        Outgoing {
            record_id,
            table_name: "EchoesTable".to_owned(),
            item_key: item_key.to_owned(),
            stamp: Stamp { stamp_us, origin: "us-east-1".to_owned() },
            image: None,
        }
    }

    #[test]
    fn a_batch_ends_before_an_item_comes_again() {
        let waiting = vec![write(1, "a", 1), write(2, "b", 2), write(3, "a", 3)];
        let Due::Batch(batch) = due(waiting, 10, 0) else {
            panic!("a batch was due");
        };
        let ids: Vec<i64> = batch.iter().map(|write| write.record_id).collect();
        assert_eq!(ids, [1, 2]);
    }

    #[test]
    fn a_lagging_write_holds_back_those_after_it() {
        let Due::Later(wait) = due(vec![write(1, "a", 100)], 150, 1000) else {
            panic!("nothing was due yet");
        };
        assert_eq!(wait, Duration::from_micros(950));
        let Due::Batch(batch) = due(vec![write(1, "a", 100), write(2, "b", 200)], 1150, 1000) else {
            panic!("the first was due");
        };
        assert_eq!(batch.len(), 1);
        assert!(matches!(due(Vec::new(), 0, 0), Due::Nothing));
    }

    #[test]
    fn both_sides_add_their_lag() {
        let of = |lag_ms| Faults { lag_ms, ..Faults::default() };
        assert_eq!(lag_us(&of(200), &of(50)), 250_000);
    }
}
