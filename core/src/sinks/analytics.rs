//! Counts echoes from the stream: by emotion, hour, day and person; and notes who was active in which hour.

pub mod rule;

use std::collections::{BTreeMap, BTreeSet};

use echoes_shared::{Region, Timestamp};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use quick_cache::sync::Cache;

use super::{Batch, Refused, Sink, SinkName, Unavailable};
use crate::store::{Addition, Counter, PersonHash, Seen, Store, StoreError};
use crate::stream::ShardId;
use rule::{Due, Effect};

/// Writes of a batch at a time. Counters of one batch are different items, so they do not wait for each other.
const WRITES_AT_A_TIME: usize = 32;
/// Looks at a counter that keeps changing before the batch is given up for now. Only a process that was taken for dead writes
/// what this one does.
const MAX_LOOKS: usize = 8;
/// What was written to a counter last, remembered for so many; about 300 bytes each.
const MAX_COUNTERS: usize = 32_768;
/// People of an hour that are remembered as noted; about 100 bytes each.
const MAX_ACTIVE: usize = 65_536;

/// The sink of the counters.
///
/// It never refuses a record: one whose images can be read can be counted. What it remembers only saves looks: a counter's write
/// is refused where it is wrong, and then the counter is read.
#[derive(Debug)]
pub struct Analytics {
    store: Store,
    here: Region,
    written: Cache<(Counter, ShardId), Seen>,
    noted: Cache<(Timestamp, PersonHash), ()>,
}

impl Analytics {
    /// A sink that writes `here`'s counters.
    #[must_use]
    pub fn new(store: Store, here: Region) -> Self {
        Self { store, here, written: Cache::new(MAX_COUNTERS), noted: Cache::new(MAX_ACTIVE) }
    }

    async fn count_batch(&self, batch: &Batch) -> Result<(), StoreError> {
        let effects = rule::effects(&batch.records, self.here);
        let count = |(counter, effects): (Counter, Vec<Effect>)| async move {
            self.count(&counter, &effects, batch).boxed().await
        };
        let active = self.not_noted(batch);
        let note = |((hour, partition), people): ((Timestamp, u8), BTreeSet<PersonHash>)| async move {
            self.note(hour, partition, people, batch.now).boxed().await
        };
        stream::iter(effects).map(Ok).try_for_each_concurrent(WRITES_AT_A_TIME, count).await?;
        stream::iter(active).map(Ok).try_for_each_concurrent(WRITES_AT_A_TIME, note).await
    }

    /// Has one counter count what it has not counted of these effects.
    async fn count(&self, counter: &Counter, effects: &[Effect], batch: &Batch) -> Result<(), StoreError> {
        let key = (counter.clone(), batch.shard.clone());
        let known = self.written.get(&key);
        let mut seen = known.clone();
        for _ in 0..MAX_LOOKS {
            // What this process has written was counted, also where the counter has forgotten it meanwhile.
            let of = |seen: &Option<Seen>| seen.as_ref().and_then(Seen::sequence);
            let Some(Due { sum, last }) = rule::due(of(&seen).max(of(&known)).as_ref(), effects) else {
                seen.into_iter().for_each(|seen| self.written.insert(key.clone(), seen));
                return Ok(());
            };
            let (seen_now, shard) = (seen.as_ref(), &batch.shard);
            let addition = Addition { counter, shard, seen: seen_now, sum: &sum, last: &last, now: batch.now };
            if let Some(written) = self.store.add_to_counter(&addition).await? {
                self.written.insert(key, written);
                return Ok(());
            }
            seen = self.store.counter_seen(counter, shard).await?;
        }
        Err(StoreError::Contended)
    }

    /// Who was active in a batch's records and is not known to be noted, by hour and partition.
    fn not_noted(&self, batch: &Batch) -> BTreeMap<(Timestamp, u8), BTreeSet<PersonHash>> {
        let mut new: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (hour, people) in rule::active(&batch.records, self.here) {
            let hashes = people.iter().map(PersonHash::of);
            for hash in hashes.filter(|hash| self.noted.get(&(hour, *hash)).is_none()) {
                new.entry((hour, hash.partition())).or_default().insert(hash);
            }
        }
        new
    }

    async fn note(
        &self,
        hour: Timestamp,
        partition: u8,
        people: BTreeSet<PersonHash>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.note_active(hour, partition, &people, now).await?;
        people.into_iter().for_each(|hash| self.noted.insert((hour, hash), ()));
        Ok(())
    }
}

impl Sink for Analytics {
    fn name(&self) -> SinkName {
        SinkName::Analytics
    }

    fn apply<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Refused>, Unavailable>> {
        async {
            match self.count_batch(batch).await {
                Ok(()) => Ok(Vec::new()),
                Err(error) => Err(Unavailable(error.to_string())),
            }
        }
        .boxed()
    }
}
