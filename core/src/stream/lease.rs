//! Who may read a shard, without comparing clocks: a lease is another's as long as its beat changes before our eyes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Row, WorkerBeat};

/// A beat that has not changed for so long is nobody's.
pub(super) const VALID: Duration = Duration::from_secs(10);
/// The pause between two renewals: three in a row may fail.
pub(super) const RENEWAL: Duration = Duration::from_secs(2);
/// A worker applies nothing under a lease that it renewed longer ago than this, so that it has ended what it began before
/// another begins.
pub(super) const TRUSTED: Duration = Duration::from_secs(7);
const _: () = assert!(RENEWAL.as_millis() * 3 < TRUSTED.as_millis() && TRUSTED.as_millis() < VALID.as_millis());

/// Until when a claim of this worker holds, by its own monotonic clock.
#[derive(Debug)]
pub(super) struct Lease(AtomicU64);

impl Lease {
    /// A lease asked for at that moment.
    pub(super) const fn asked(at_millis: u64) -> Self {
        Self(AtomicU64::new(at_millis))
    }

    /// A renewal asked for at that moment has been granted.
    pub(super) fn renewed(&self, at_millis: u64) {
        self.0.fetch_max(at_millis, Ordering::Relaxed);
    }

    /// Whether nobody else can have taken it yet.
    pub(super) fn holds(&self, now_millis: u64) -> bool {
        u128::from(now_millis.saturating_sub(self.0.load(Ordering::Relaxed))) < TRUSTED.as_millis()
    }
}

/// Since when this worker has seen each lease and each worker as it is.
#[derive(Debug, Default)]
pub(super) struct Watch {
    leases: HashMap<String, Seen<(u64, u64)>>,
    workers: HashMap<String, Seen<u64>>,
}

#[derive(Debug, Clone, Copy)]
struct Seen<T> {
    state: T,
    since_millis: u64,
    /// Whether it has changed since it was first seen.
    moves: bool,
}

impl Watch {
    /// Looks at what there is now; what is no longer there is forgotten.
    pub(super) fn look(&mut self, rows: &[Row], workers: &[WorkerBeat], now_millis: u64) {
        let leases = rows.iter().map(|row| (row.shard.as_str(), (row.fence, row.beat)));
        renew(&mut self.leases, leases, now_millis);
        renew(&mut self.workers, workers.iter().map(|worker| (worker.worker.as_str(), worker.beat)), now_millis);
    }

    /// For how long a row has been as it is, as far as this worker has looked.
    pub(super) fn unchanged(&self, row: &Row, now_millis: u64) -> Duration {
        still(&self.leases, row.shard.as_str(), now_millis)
    }

    /// Whether somebody has been seen to renew a row's lease.
    pub(super) fn moves(&self, row: &Row) -> bool {
        self.leases.get(row.shard.as_str()).is_some_and(|seen| seen.moves)
    }

    /// For how long a worker has not beaten, as far as this worker has looked.
    pub(super) fn silent(&self, worker: &str, now_millis: u64) -> Duration {
        still(&self.workers, worker, now_millis)
    }
}

fn renew<'a, T: PartialEq>(
    known: &mut HashMap<String, Seen<T>>,
    now: impl Iterator<Item = (&'a str, T)>,
    now_millis: u64,
) {
    let mut next = HashMap::new();
    for (name, state) in now {
        let (since_millis, moves) = match known.get(name) {
            Some(seen) if seen.state == state => (seen.since_millis, seen.moves),
            seen => (now_millis, seen.is_some()),
        };
        next.insert(name.to_owned(), Seen { state, since_millis, moves });
    }
    *known = next;
}

fn still<T>(known: &HashMap<String, Seen<T>>, name: &str, now_millis: u64) -> Duration {
    let since = known.get(name).map_or(now_millis, |seen| seen.since_millis);
    Duration::from_millis(now_millis.saturating_sub(since))
}
