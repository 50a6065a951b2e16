//! What one worker does for a stream: it learns of shards and of other workers, and reads its fair share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use echoes_shared::{Timestamp, hex};
use rand::RngExt as _;
use tokio::sync::{Notify, watch};

use super::apply;
use super::host::Backoff;
use super::lease::{RENEWAL, VALID, Watch};
use super::lineage::{self, Owner, Step, View};
use super::reading::Reading;
use super::shard::{Ended, Parts, Shard};
use super::{Claim, Host, Letter, Listing, Positions, Progress, Row, Rows, ShardId, Source, State};
use crate::sinks::Sink;
use crate::store::StoreError;

/// The pause between two looks at the rows.
const LOOK: Duration = Duration::from_secs(1);
/// The pause between two looks at the stream's shards: one lasts four hours, and a child begins where its parent ended.
const LIST: Duration = Duration::from_secs(10);
/// A shard that is missing for so long though another follows it has come and gone, and is not just listed late.
const LATE: Duration = Duration::from_secs(30);
/// Such shards that are remembered.
const MAX_MISSING: usize = 1_000;
/// A worker that has been silent for so long is forgotten.
const FORGET: Duration = Duration::from_secs(60);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// Failures in a row after which a pump that is to end by itself gives up.
const MAX_FAILURES: u32 = 8;

/// How long a pump runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until it is told to stop.
    Stopped,
    /// Until all that can be read has been read and applied, or it is told to stop.
    Drained,
}

/// One worker of a stream.
#[derive(Debug)]
pub struct Pump {
    parts: Parts,
    /// What no other process calls itself.
    worker: String,
}

/// What a worker remembers from one look to the next.
struct Memory {
    watch: Watch,
    reading: BTreeMap<ShardId, Reading>,
    listing: Option<Listing>,
    listed_millis: u64,
    rows_millis: u64,
    beaten_millis: Option<u64>,
    /// Shards that others follow, and that are neither listed nor known, since when.
    missing: BTreeMap<ShardId, u64>,
    /// Shards that were read as far as they go.
    drained: BTreeSet<ShardId>,
    /// A shard has ended, so that there may be something to do.
    ended: Arc<Notify>,
}

impl Pump {
    /// A worker that gives the records of `source` to `sinks` on this machine.
    pub fn new(source: Arc<dyn Source>, rows: Arc<dyn Rows>, sinks: Vec<Arc<dyn Sink>>, progress: Progress) -> Self {
        let worker = hex::lower(&rand::rng().random::<[u8; 16]>());
        Self::on(Arc::new(super::TokioHost), worker, source, rows, sinks, progress)
    }

    /// The same on a machine of the caller's, under a name that no other worker has.
    pub fn on(
        host: Arc<dyn Host>,
        worker: String,
        source: Arc<dyn Source>,
        rows: Arc<dyn Rows>,
        sinks: Vec<Arc<dyn Sink>>,
        progress: Progress,
    ) -> Self {
        Self { parts: Parts { source, rows, host, sinks, progress, drain: false }, worker }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.parts.progress
    }

    fn millis(&self) -> u64 {
        self.parts.host.monotonic_millis()
    }

    /// Reads its share of the stream until `stop` is told, and then gives all of it back.
    ///
    /// # Errors
    /// Only where it is to end by itself, and the stream or the rows give no answer for long.
    pub async fn run(&self, until: Until, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
        if self.parts.sinks.is_empty() {
            if until == Until::Stopped {
                let _ = stop.wait_for(|stopped| *stopped).await;
            }
            return Ok(());
        }
        let mut memory = Memory {
            watch: Watch::default(),
            reading: BTreeMap::new(),
            listing: None,
            listed_millis: 0,
            rows_millis: 0,
            beaten_millis: None,
            missing: BTreeMap::new(),
            drained: BTreeSet::new(),
            ended: Arc::default(),
        };
        let outcome = tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => Ok(()),
            outcome = self.look_on(until, &mut memory) => outcome,
        };
        self.end(memory).await;
        outcome
    }

    /// Looks again and again at what there is to do; ends where all has been drained that was to be.
    async fn look_on(&self, until: Until, memory: &mut Memory) -> Result<(), StoreError> {
        let mut backoff = Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
        loop {
            let pause = match self.look(until, memory).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    if backoff.failures() > 0 {
                        tracing::info!("the rows of the stream's shards can be read again");
                    }
                    backoff.reset();
                    // Half to one and a half of it: workers of one region drift apart.
                    LOOK / 2 + self.parts.host.part_of(LOOK)
                }
                Err(error) if until == Until::Drained && backoff.failures() >= MAX_FAILURES => return Err(error),
                Err(error) => {
                    if backoff.failures() == 0 {
                        tracing::warn!(%error, "the rows of the stream's shards cannot be read");
                    }
                    backoff.next(&*self.parts.host)
                }
            };
            tokio::select! {
                biased;
                () = memory.ended.notified() => {}
                () = self.parts.host.sleep(pause) => {}
            }
        }
    }

    /// One look, and what is to be done upon it; whether nothing is left of what was to be drained.
    async fn look(&self, until: Until, memory: &mut Memory) -> Result<bool, StoreError> {
        self.reap(memory);
        let now_millis = self.millis();
        if memory.beaten_millis.is_none_or(|at| now_millis.saturating_sub(at) >= millis(RENEWAL)) {
            self.parts.rows.beat(&self.worker).await?;
            memory.beaten_millis = Some(now_millis);
        }
        if memory.listing.is_none() || now_millis.saturating_sub(memory.listed_millis) >= millis(LIST) {
            memory.listing = Some(self.parts.source.listing().await?);
            memory.listed_millis = now_millis;
        }
        let Some(listing) = memory.listing.clone() else { return Ok(false) };
        let rows = self.parts.rows.rows(&listing.label).await?;
        let workers = self.parts.rows.workers().await?;
        memory.rows_millis = self.millis();
        memory.watch.look(&rows, &workers, memory.rows_millis);
        let rows = self.owners(memory, rows);
        self.watch_orphans(memory, &listing, &rows);

        let reading: BTreeSet<_> = memory.reading.keys().cloned().collect();
        let now_millis = self.millis();
        let lives = |worker: &str| worker == self.worker || memory.watch.silent(worker, now_millis) < VALID;
        let others = workers.iter().filter(|beat| beat.worker != self.worker && lives(&beat.worker)).count();
        let view = View { listing: &listing, rows: &rows, reading: &reading, workers: others + 1 };
        let steps = lineage::steps(&view);
        let mut idle = reading.is_empty();
        for step in steps {
            let mut since = None;
            if let Step::Begin { parents, .. } = &step {
                let unread = lineage::never_read(&listing, &rows, parents);
                if !self.have_waited_for(memory, &unread) {
                    idle = false;
                    continue;
                }
                // Whoever follows what was lost may have lost its beginning too.
                since = match (unread.is_empty(), lineage::unread_since(&rows, parents)) {
                    (false, _) => None,
                    (true, known) => Some(known.unwrap_or_else(|| self.parts.host.now())),
                };
                self.mourn(unread).await?;
            }
            idle &= !self.step(until, memory, &listing, step, since).await?;
        }
        for gone in workers.iter().filter(|beat| memory.watch.silent(&beat.worker, now_millis) >= FORGET) {
            self.parts.rows.leave(&gone.worker, Some(gone.beat)).await?;
        }
        // Another's shard is its own to drain if it lives, and that takes a while to see.
        let unclear = |(row, owner): &(Row, Owner)| {
            row.state == State::Open && *owner == Owner::Living && !memory.watch.moves(row)
        };
        Ok(until == Until::Drained && idle && !rows.iter().any(unclear))
    }

    /// Whose each row is, as far as this worker has seen.
    fn owners(&self, memory: &Memory, rows: Vec<Row>) -> Vec<(Row, Owner)> {
        let now_millis = self.millis();
        let owner = |row: &Row| match &row.owner {
            None => Owner::Nobody,
            Some(_) if memory.reading.contains_key(&row.shard) => Owner::Living,
            // It was taken, and the answer that said so was lost; or it was given up.
            Some(owner) if *owner == self.worker => Owner::Nobody,
            Some(_) if memory.watch.unchanged(row, now_millis) >= VALID => Owner::Nobody,
            Some(_) => Owner::Living,
        };
        rows.into_iter().map(|row| (owner(&row), row)).map(|(owner, row)| (row, owner)).collect()
    }

    /// Says which shards wait for a reader, and for how long.
    fn watch_orphans(&self, memory: &Memory, listing: &Listing, rows: &[(Row, Owner)]) {
        let now_millis = self.millis();
        let ready = lineage::ready(listing, rows);
        let waits = |(row, owner): &(Row, Owner)| {
            let waits = *owner == Owner::Nobody && ready.iter().any(|(shard, _)| *shard == row.shard);
            waits.then(|| (row.shard.clone(), memory.watch.unchanged(row, now_millis)))
        };
        self.parts.progress.unread(rows.iter().filter_map(waits).collect());
    }

    /// Whether each of these has been missing for so long that it is not just listed late.
    fn have_waited_for(&self, memory: &mut Memory, shards: &[&ShardId]) -> bool {
        let now_millis = self.millis();
        if memory.missing.len() > MAX_MISSING {
            memory.missing.clear();
        }
        let since = |shard: &&ShardId| *memory.missing.entry(ShardId::clone(shard)).or_insert(now_millis);
        let latest = shards.iter().map(since).max();
        latest.is_none_or(|since_millis| now_millis.saturating_sub(since_millis) >= millis(LATE))
    }

    /// Sets down for every sink that a shard came and went unread.
    async fn mourn(&self, shards: Vec<&ShardId>) -> Result<(), StoreError> {
        const REASON: &str = "the shard was never read, and is not kept any more";
        for shard in shards {
            tracing::error!(%shard, reason = REASON, "records were lost");
            for sink in &self.parts.sinks {
                let letter = Letter::trimmed(sink.name(), shard, None, REASON, self.parts.host.now());
                apply::tell_of_loss(&*self.parts.host, &**sink, shard).await;
                self.parts.rows.set_aside(&letter).await?;
                self.parts.progress.metrics().stream_records(sink.name().as_str(), "trimmed", 1);
            }
        }
        Ok(())
    }

    /// Takes a step; whether it was one that leaves something to wait for. `since` is a time before which nothing of a shard
    /// that begins was made.
    async fn step(
        &self,
        until: Until,
        memory: &mut Memory,
        listing: &Listing,
        step: Step,
        since: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        match step {
            Step::Begin { shard, parents } => {
                let row = Row {
                    shard,
                    parents,
                    state: State::Open,
                    owner: Some(self.worker.clone()),
                    fence: 1,
                    beat: 0,
                    positions: Positions::new(),
                    caught_up: since,
                };
                let asked_millis = self.millis();
                if self.parts.rows.begin(&listing.label, &row).await? {
                    self.read(until, memory, listing, &row, 1, asked_millis);
                }
                Ok(true)
            }
            Step::Take(row) if until == Until::Drained && memory.drained.contains(&row.shard) => Ok(false),
            Step::Take(row) => {
                let asked_millis = self.millis();
                if self.parts.rows.take(&listing.label, &row, &self.worker).await? {
                    if row.owner.as_ref().is_some_and(|owner| *owner != self.worker) {
                        tracing::warn!(shard = %row.shard, "another worker's lease has lapsed, and its shard is taken");
                    }
                    self.read(until, memory, listing, &row, row.fence + 1, asked_millis);
                }
                Ok(true)
            }
            Step::HandOver(shard) => {
                if let Some(reading) = memory.reading.get(&shard) {
                    reading.stop();
                }
                Ok(true)
            }
            Step::Remove(row) => {
                // The listing may be older than the row: what began and ended since would be read once more.
                if memory.listed_millis <= memory.rows_millis {
                    memory.listing = Some(self.parts.source.listing().await?);
                    memory.listed_millis = self.millis();
                }
                let is_gone = |now: &Listing| {
                    now.label == listing.label && now.shards.iter().all(|shard| shard.id != row.shard)
                };
                if memory.listing.as_ref().is_some_and(is_gone) {
                    self.parts.rows.remove(&listing.label, &row).await?;
                }
                Ok(false)
            }
        }
    }

    /// Reads a shard from now on.
    fn read(&self, until: Until, memory: &mut Memory, listing: &Listing, row: &Row, fence: u64, asked_millis: u64) {
        let claim = Claim { shard: row.shard.clone(), owner: self.worker.clone(), fence };
        let parts = Parts { drain: until == Until::Drained, ..self.parts.clone() };
        let shard = Arc::new(Shard::new(parts, listing.label.clone(), claim, row, asked_millis));
        tracing::info!(shard = %row.shard, fence, "reads a shard");
        let reading = Reading::of(shard, &*self.parts.host, Arc::clone(&memory.ended));
        memory.reading.insert(row.shard.clone(), reading);
    }

    /// Forgets the shards whose reading has ended; after one's end the stream is listed again, for its children.
    fn reap(&self, memory: &mut Memory) {
        let ended: Vec<_> =
            memory.reading.iter().filter_map(|(shard, reading)| Some((shard.clone(), reading.ended()?))).collect();
        for (shard, ended) in ended {
            memory.reading.remove(&shard);
            self.parts.progress.forget(&shard);
            match ended {
                Ended::Done => {
                    tracing::info!(%shard, "a shard is done");
                    memory.listing = None;
                }
                Ended::Freed => {
                    memory.drained.insert(shard);
                }
                Ended::Lost => {}
            }
        }
    }

    /// Gives everything back.
    async fn end(&self, memory: Memory) {
        memory.reading.values().for_each(Reading::stop);
        let ending = memory.reading.into_iter().map(|(shard, reading)| async move {
            reading.until_its_end().await;
            self.parts.progress.forget(&shard);
        });
        futures_util::future::join_all(ending).await;
        if let Err(error) = self.parts.rows.leave(&self.worker, None).await {
            tracing::debug!(%error, "the other workers will see for themselves that this one has gone");
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
