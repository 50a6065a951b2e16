//! The connection to Redis: there or away. No request waits for a Redis that is away; one task brings it back.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::ending::Ending;
use super::epoch::{self, Epoch, NoEpoch};
use super::looks::Looks;
use super::names::Names;
use super::patience::{Patience, Pauses};
use super::pending::{Batch, Pending};
use super::scripts::Call;
use super::verdict::{self, Failure};
use crate::clock::Stopwatch;
use crate::metrics::{CacheOutcome, Metrics, Tier};

/// Failures in a row after which Redis counts as away.
const FAILURES_AT_MOST: u32 = 3;

/// Until the count of untold writes is known, nothing that Redis holds can be believed.
const UNKNOWN: u64 = u64::MAX;

/// A connection, and the life of the Redis at its other end.
#[derive(Debug)]
pub(super) struct Live {
    /// No two connections of a process have the same.
    pub number: u64,
    /// Read over this very connection.
    pub epoch: Epoch,
    /// Since when it is there.
    pub since: Stopwatch,
    /// How long that life had lasted by then, at least.
    pub lived: Duration,
    /// What is about to be read over it.
    pub looks: Looks,
    connection: MultiplexedConnection,
    failures: AtomicU32,
}

impl Live {
    /// Whether the last that was asked over it failed.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.failures.load(Ordering::Relaxed) > 0
    }
}

/// The way to Redis.
#[derive(Debug)]
pub(super) struct Link {
    pub names: Names,
    pub client: Client,
    pub patience: Patience,
    /// Written only while `pending` is locked, so that nothing is left pending when readers get a connection.
    live: watch::Sender<Option<Arc<Live>>>,
    pending: Mutex<Pending>,
    /// How many writes the region's Redis was not told of, or [`UNKNOWN`].
    untold: AtomicU64,
    /// The last number that was known, and since when; of the first writes nobody knows when they were. Locked while it changes,
    /// and written first.
    news: Mutex<(u64, Option<Stopwatch>)>,
    metrics: Metrics,
}

impl Link {
    pub(super) fn new(client: Client, names: Names, patience: Patience, metrics: Metrics) -> Self {
        Self {
            names,
            client,
            patience,
            live: watch::Sender::new(None),
            pending: Mutex::default(),
            untold: AtomicU64::new(0),
            news: Mutex::new((0, None)),
            metrics,
        }
    }

    /// The life of Redis in which values kept now, and asked for now, count; none until the count is known.
    pub(super) fn epoch(&self, live: &Live) -> Option<Epoch> {
        match self.untold.load(Ordering::SeqCst) {
            UNKNOWN => None,
            untold => Some(live.epoch.after(untold)),
        }
    }

    /// From now on the count is not known, until [`Link::untold`] says it.
    pub(super) fn await_untold(&self) {
        self.untold.store(UNKNOWN, Ordering::SeqCst);
    }

    /// Redis was not told of so many writes; `true` where that is news. It only grows, whichever answer of the store is late.
    pub(super) fn untold(&self, count: u64) -> bool {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let was_unknown = self.untold.load(Ordering::SeqCst) == UNKNOWN;
        let grew = news.0 < count;
        if grew {
            *news = (count, Some(Stopwatch::start()));
        }
        if grew || was_unknown {
            self.untold.store(news.0, Ordering::SeqCst);
        }
        grew || was_unknown
    }

    /// The last count that was known.
    pub(super) fn known_untold(&self) -> u64 {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// The count is lower than it was: the store has been restored. What was kept under that number once must not count again, so
    /// everything ends, before anything is read again.
    pub(super) fn recount(&self, count: u64) {
        let mut pending = self.pending();
        pending.add_everything();
        self.live.send_replace(None);
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        *news = (count, Some(Stopwatch::start()));
        self.untold.store(count, Ordering::SeqCst);
    }

    /// For how long this life of Redis has lasted with the count of now, as far as this process knows. What was written shortly before (and lost by Redis, or
    /// never told) may be younger than any generation says: a fill is as young as this. To be asked after [`Link::epoch`].
    pub(super) fn known_for(&self, live: &Live) -> Duration {
        let (_, news) = *self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let lived = live.lived.saturating_add(live.since.elapsed());
        news.map_or(lived, |news| lived.min(news.elapsed()))
    }

    /// The connection of now, if Redis is there.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.live.borrow().clone()
    }

    /// Follows the connection as it comes and goes.
    pub(super) fn changes(&self) -> watch::Receiver<Option<Arc<Live>>> {
        self.live.subscribe()
    }

    /// One round trip, bounded by a command's deadline.
    pub(super) async fn ask<T: FromRedisValue>(&self, live: &Live, pipeline: &Pipeline) -> Result<T, Failure> {
        self.ask_within(live, pipeline, self.patience.command).await
    }

    /// One round trip; two where Redis has to be told the script.
    pub(super) async fn run<T: FromRedisValue>(&self, live: &Live, call: &Call<'_>) -> Result<T, Failure> {
        self.run_within(live, call, self.patience.command).await
    }

    pub(super) async fn run_within<T>(&self, live: &Live, call: &Call<'_>, deadline: Duration) -> Result<T, Failure>
    where
        T: FromRedisValue,
    {
        let (answer,) = match self.ask_within(live, &call.by_hash(), deadline).await {
            Err(Failure::NoScript) => self.ask_within(live, &call.by_text(), deadline).await?,
            other => other?,
        };
        Ok(answer)
    }

    pub(super) async fn ask_within<T>(
        &self,
        live: &Live,
        pipeline: &Pipeline,
        deadline: Duration,
    ) -> Result<T, Failure>
    where
        T: FromRedisValue,
    {
        let answer = self.try_ask(live, pipeline, deadline).await;
        if matches!(answer, Err(failure) if failure != Failure::NoScript) {
            self.metrics.cache().request(Tier::L2, CacheOutcome::Error);
        }
        answer
    }

    /// The same, where those who wait for the answer count what fails, each for itself.
    pub(super) async fn try_ask<T>(&self, live: &Live, pipeline: &Pipeline, deadline: Duration) -> Result<T, Failure>
    where
        T: FromRedisValue,
    {
        // A clone is a handle to the same connection.
        let mut connection = live.connection.clone();
        let error = match timeout(deadline, pipeline.query_async(&mut connection)).await {
            Ok(Ok(answer)) => {
                live.failures.store(0, Ordering::Relaxed);
                return Ok(answer);
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let failure = error.as_ref().map_or(Failure::Once, verdict::failure);
        let too_many = || live.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= FAILURES_AT_MOST;
        if failure == Failure::Broken || (failure == Failure::Once && too_many()) {
            self.leave(live, &error.map_or("it does not answer in time".to_owned(), |error| error.to_string()));
        }
        Err(failure)
    }

    /// From now on Redis is away, unless another connection has come already.
    pub(super) fn leave(&self, live: &Live, why: &str) {
        let _order = self.pending();
        let left = self.live.send_if_modified(|now| {
            let same = now.as_ref().is_some_and(|now| now.number == live.number);
            now.take_if(|_| same).is_some()
        });
        if left {
            tracing::warn!(why, "Redis is away");
        }
    }

    /// Ends the generations of `keys`, as they are written, and tells the other processes; or remembers both, and then no
    /// reader of this process gets a connection before Redis knows. Answers whether it has been told.
    pub(super) async fn invalidate(&self, keys: Vec<String>, message: Bytes) -> bool {
        let live = {
            let mut pending = self.pending();
            let Some(live) = self.live() else {
                self.remember(&mut pending, keys, message);
                return false;
            };
            live
        };
        let ending = Ending::of(&self.names, &keys, &message);
        // It waits for longer than a reader: to be in doubt about a change costs the region everything that is kept.
        let told = ending.tell(self, &live, self.patience.handshake).await.is_ok();
        if !told {
            let mut pending = self.pending();
            self.remember(&mut pending, keys, message);
            // Whichever connection it is by now: with something pending there must be none.
            if self.live.send_replace(None).is_some() {
                tracing::warn!("Redis is away: it could not be told of a change");
            }
        }
        told
    }

    fn remember(&self, pending: &mut Pending, keys: Vec<String>, message: Bytes) {
        pending.add(keys, message);
        self.metrics.cache().undelivered(pending.count());
    }

    /// Keeps a connection for ever.
    pub(super) async fn keep_connected(&self) {
        let mut pauses = Pauses::new(&self.patience);
        let mut silent = false;
        for number in 1.. {
            match self.connect(number).await {
                Ok(live) => {
                    let live = Arc::new(live);
                    if self.open(&live).await {
                        tracing::info!("Redis is there");
                        silent = false;
                        self.watch_over(&live, &mut pauses).await;
                    } else if !silent {
                        tracing::warn!("Redis cannot be told what it missed");
                        silent = true;
                    }
                }
                Err(error) if !silent => {
                    tracing::warn!(%error, "Redis cannot be reached");
                    silent = true;
                }
                Err(_) => {}
            }
            sleep(pauses.next()).await;
        }
    }

    async fn connect(&self, number: u64) -> Result<Live, Refusal> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let dial = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = timeout(self.patience.handshake, dial).await.map_err(|_| Refusal::Slow)??;
        // Within a command's deadline: else the first readers would pay for a Redis that is too slow for them.
        let mut question = Pipeline::new();
        epoch::question(&mut question);
        // `INFO` answers while a snapshot is loaded; this does not.
        question.cmd("EXISTS").arg(&self.names.everything);
        let answer = question.query_async::<(String, String, u8)>(&mut connection);
        let (server, replication, _) = timeout(self.patience.command, answer).await.map_err(|_| Refusal::Slow)??;
        let epoch = Epoch::read(&server, &replication)?;
        let (since, lived) = (Stopwatch::start(), epoch::lived(&server, &replication));
        Ok(Live { number, epoch, since, lived, looks: Looks::default(), connection, failures: AtomicU32::new(0) })
    }

    /// Tells Redis what it missed, and only then gives the connection to readers.
    async fn open(&self, live: &Arc<Live>) -> bool {
        loop {
            let batch = {
                let mut pending = self.pending();
                let Some(batch) = pending.next() else {
                    self.metrics.cache().undelivered(0);
                    self.live.send_replace(Some(Arc::clone(live)));
                    return true;
                };
                batch
            };
            let told = self.deliver(live, &batch).await;
            if told.is_err() {
                let mut pending = self.pending();
                pending.put_back(batch);
                self.metrics.cache().undelivered(pending.count());
                return false;
            }
        }
    }

    async fn deliver(&self, live: &Live, batch: &Batch) -> Result<(), Failure> {
        let deadline = self.patience.handshake;
        match batch {
            Batch::Everything => Ending::of_everything(&self.names).tell(self, live, deadline).await,
            Batch::Keys(keys) => Ending::of(&self.names, keys, &[]).tell(self, live, deadline).await,
            Batch::Messages(messages) => {
                let mut pipeline = Pipeline::new();
                for message in messages {
                    pipeline.cmd("PUBLISH").arg(&self.names.channel).arg(&**message).ignore();
                }
                self.ask_within(live, &pipeline, deadline).await
            }
        }
    }

    /// Returns when this connection has been left. It is left as well when its Redis has become another without closing it.
    async fn watch_over(&self, live: &Arc<Live>, pauses: &mut Pauses) {
        let mut changes = self.changes();
        let mut question = Pipeline::new();
        epoch::question(&mut question);
        loop {
            tokio::select! {
                () = async { let _ = changes.wait_for(Option::is_none).await; } => return,
                () = sleep(self.patience.beat) => {}
            }
            let Ok((server, replication)) = self.ask::<(String, String)>(live, &question).await else { continue };
            match Epoch::read(&server, &replication) {
                Ok(epoch) if epoch == live.epoch => pauses.forget(),
                Ok(_) => self.leave(live, "it has become another"),
                Err(error) => self.leave(live, &error.to_string()),
            }
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("it does not answer in time")]
    Slow,
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error(transparent)]
    NoEpoch(#[from] NoEpoch),
}
