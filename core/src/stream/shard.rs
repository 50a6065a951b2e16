//! One shard in this worker's hands: its readers, its lanes, and the keeper of its row.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echoes_shared::Timestamp;
use tokio::sync::{Notify, watch};

use super::apply;
use super::host::Backoff;
use super::lane::{Feed, Lane};
use super::lease::{Lease, RENEWAL};
use super::reader;
use super::{Claim, Host, Kept, Positions, Progress, Row, Rows, Sequence, ShardId, Source, Standing, State};
use crate::sinks::Sink;

/// The pause between two checkpoints while there is something to write.
const CHECKPOINT: Duration = Duration::from_secs(1);
/// For ending what has begun when the shard is given back. Whatever is not done by then is done again by whoever takes it.
const HAND_OVER: Duration = Duration::from_secs(3);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Pages in a row without a record, after which a shard is taken for read as far as it goes: a few come in its midst too.
const EMPTY_PAGES: u32 = 5;

/// How this worker's reading of a shard ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All of it has been applied, and its children may begin.
    Done,
    /// It is free for others, or for this worker once more.
    Freed,
    /// It is another's, or may be.
    Lost,
}

/// What a worker needs for every shard.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub source: Arc<dyn Source>,
    pub rows: Arc<dyn Rows>,
    pub host: Arc<dyn Host>,
    pub sinks: Vec<Arc<dyn Sink>>,
    pub progress: Progress,
    /// Whether a shard is freed once it has been read as far as it goes.
    pub drain: bool,
}

/// A shard, as its readers, lanes and keeper share it.
#[derive(Debug)]
pub(super) struct Shard {
    pub parts: Parts,
    pub stream: String,
    pub claim: Claim,
    pub lease: Lease,
    pub lanes: Vec<Lane>,
    /// How far sinks are that only another version of this program has.
    others: Positions,
    head: Mutex<Head>,
    /// A lane is fed by the first reader again, or by the second one.
    pub wake_main: Notify,
    pub wake_behind: Notify,
    /// Something has been applied, or the end has been read.
    pub moved: Notify,
}

/// How far the first reader is.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    /// The last record that it read, or is about to give.
    pub position: Option<Sequence>,
    /// Whether that is the shard's last.
    pub ended: bool,
    /// Pages without a record since.
    pub empty_pages: u32,
    /// When it last had an answer.
    pub polled_millis: u64,
    /// A time before which nothing was made that some sink has not applied, as far as any worker has seen.
    pub caught_up: Option<Timestamp>,
}

impl Shard {
    /// A shard whose row has been taken under `claim`, asked for at that moment.
    pub(super) fn new(parts: Parts, stream: String, claim: Claim, row: &Row, asked_millis: u64) -> Self {
        let at = |sink: &Arc<dyn Sink>| row.positions.get(sink.name().as_str()).cloned();
        let lanes: Vec<_> =
            parts.sinks.iter().map(|sink| Lane::new(Arc::clone(sink), at(sink), asked_millis)).collect();
        // Whoever is foremost is followed by the first reader, the others by the second until they are there too.
        let position = lanes.iter().map(Lane::given).max().flatten();
        for lane in &lanes {
            lane.join(position.as_ref());
        }
        let own = |name: &str| lanes.iter().any(|lane| lane.sink.name().as_str() == name);
        let others = row.positions.iter().filter(|(name, _)| !own(name));
        let others = others.map(|(name, at)| (name.clone(), at.clone())).collect();
        let head = Head { position, polled_millis: asked_millis, caught_up: row.caught_up, ..Head::default() };
        Self {
            parts,
            stream,
            claim,
            lease: Lease::asked(asked_millis),
            lanes,
            others,
            head: Mutex::new(head),
            wake_main: Notify::new(),
            wake_behind: Notify::new(),
            moved: Notify::new(),
        }
    }

    pub(super) fn id(&self) -> &ShardId {
        &self.claim.shard
    }

    pub(super) fn host(&self) -> &dyn Host {
        &*self.parts.host
    }

    pub(super) fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody else can read the shard yet.
    pub(super) fn is_ours(&self) -> bool {
        self.lease.holds(self.host().monotonic_millis())
    }

    /// Whether every sink has applied all that was read.
    fn is_caught_up(&self) -> bool {
        self.lanes.iter().all(|lane| lane.feed() == Feed::Main && lane.is_idle())
    }

    /// Reads and applies until the shard ends, is lost, or `stop` is told.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) -> Ended {
        let (ending, end) = watch::channel(false);
        let lanes: Vec<_> = (0..self.lanes.len())
            .map(|lane| {
                let (shard, end) = (Arc::clone(&self), end.clone());
                self.host().spawn(Box::pin(async move { apply::run(&shard, lane, end).await }))
            })
            .collect();
        let reading = futures_util::future::join(reader::main(&self), reader::behind(&self));
        let ended = tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => Ended::Freed,
            ended = self.keep() => ended,
            _ = reading => Ended::Lost,
        };
        if ended == Ended::Freed {
            let _ = ending.send(true);
            let lanes = futures_util::future::join_all(lanes);
            tokio::select! {
                biased;
                _ = lanes => {}
                () = self.host().sleep(HAND_OVER) => tracing::warn!(shard = %self.id(), "some sinks did not end in time"),
            }
            self.give_back().await;
        }
        ended
    }

    /// Writes how far the sinks are, and renews the lease, until the shard is done or lost, or has been drained.
    async fn keep(&self) -> Ended {
        let mut written = self.positions();
        let mut renewed_millis = self.host().monotonic_millis();
        let mut backoff = Backoff::new(FIRST_BACKOFF, CHECKPOINT);
        loop {
            self.await_checkpoint().await;
            self.report();
            let (done, positions) = (self.is_finished(), self.positions());
            if self.parts.drain && !done && self.is_drained() {
                return Ended::Freed;
            }
            let asked_millis = self.host().monotonic_millis();
            let due = u128::from(asked_millis.saturating_sub(renewed_millis)) >= RENEWAL.as_millis();
            if !(done || due || positions != written) {
                continue;
            }
            let state = if done { State::Done } else { State::Open };
            let kept = Kept { state, free: done, positions, caught_up: self.caught_up() };
            match self.parts.rows.keep(&self.stream, &self.claim, &kept).await {
                Ok(true) if done => return Ended::Done,
                Ok(true) => {
                    self.lease.renewed(asked_millis);
                    (written, renewed_millis) = (kept.positions, asked_millis);
                    backoff.reset();
                }
                Ok(false) => {
                    tracing::warn!(shard = %self.id(), "another worker has taken the shard");
                    return Ended::Lost;
                }
                Err(error) => {
                    if backoff.failures() == 0 {
                        tracing::warn!(shard = %self.id(), %error, "how far the shard is cannot be written");
                    }
                    let pause = backoff.next(self.host());
                    self.host().sleep(pause).await;
                }
            }
            if !self.is_ours() {
                tracing::warn!(shard = %self.id(), "the lease could not be renewed in time");
                return Ended::Lost;
            }
        }
    }

    /// Waits for the next checkpoint, which comes early at the end.
    async fn await_checkpoint(&self) {
        let mut due = self.host().sleep(CHECKPOINT);
        while !self.is_finished() {
            tokio::select! {
                biased;
                () = &mut due => return,
                () = self.moved.notified() => {}
            }
        }
    }

    /// Writes how far the sinks are and frees the row; where that fails, the lease lapses.
    async fn give_back(&self) {
        let kept = Kept { state: State::Open, free: true, positions: self.positions(), caught_up: self.caught_up() };
        match self.parts.rows.keep(&self.stream, &self.claim, &kept).await {
            Ok(true) => tracing::info!(shard = %self.id(), "the shard is handed over"),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(shard = %self.id(), %error, "the shard was not given back; its lease lapses");
            }
        }
    }

    fn is_finished(&self) -> bool {
        self.head().ended && self.is_caught_up()
    }

    fn is_drained(&self) -> bool {
        self.head().empty_pages >= EMPTY_PAGES && self.is_caught_up()
    }

    /// A time before which nothing was made that some sink has not applied.
    fn caught_up(&self) -> Option<Timestamp> {
        let now = self.is_drained().then(|| self.host().now());
        // None is less than any: a sink that has applied nothing yet says nothing.
        let applied = self.lanes.iter().map(Lane::durable_at).min().flatten();
        let mut head = self.head();
        head.caught_up = head.caught_up.max(applied).max(now);
        head.caught_up
    }

    fn positions(&self) -> Positions {
        let position = |lane: &Lane| Some((lane.sink.name().as_str().to_owned(), lane.durable()?));
        self.others.clone().into_iter().chain(self.lanes.iter().filter_map(position)).collect()
    }

    fn report(&self) {
        let (now_millis, now) = (self.host().monotonic_millis(), self.host().now());
        let polled_millis = if self.head().ended { now_millis } else { self.head().polled_millis };
        let standing = |lane: &Lane| {
            let look = lane.look();
            let (since_millis, lag_millis) = match look.pending_at {
                Some(at) => (look.moved_millis, now.millis_since(at)),
                None => (polled_millis, 0),
            };
            let stuck_millis = now_millis.saturating_sub(since_millis);
            // What has not been read is at most as old as the last answer.
            let unread_millis = now_millis.saturating_sub(polled_millis);
            let unread_millis = if u128::from(unread_millis) > RENEWAL.as_millis() { unread_millis } else { 0 };
            Standing {
                sink: lane.sink.name(),
                lag: Duration::from_millis(lag_millis.max(unread_millis)),
                stuck: Duration::from_millis(stuck_millis),
                left: look.feed == Feed::Nobody,
            }
        };
        self.parts.progress.report(self.id(), self.lanes.iter().map(standing).collect());
    }
}
