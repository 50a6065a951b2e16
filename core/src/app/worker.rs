//! A process that works and serves nobody: for ever, for one round, or for some dead letters.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::watch;

use super::effects::Reach;
use super::schema::{self, Schema};
use super::search::KeptIndex;
use super::{ADMIN_CONNECTIONS, DRAIN_TIMEOUT, ServeError, bind, effects, ended_early, termination};
use crate::cache::{Cache, Lifetimes};
use crate::clock;
use crate::config::{CacheConfig, OpenSearchUrl, StoreConfig, WorkerConfig};
use crate::http::{self, Readiness};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::stream::{Letter, Pump, Retried, retry};
use crate::work::{self, Round};

/// The store of a process that works, the caches that it tells, of which it keeps nothing in memory, and its index.
struct Worker {
    store: Store,
    cache: Cache,
    metrics: Metrics,
    index: Option<KeptIndex>,
}

impl Worker {
    async fn connect(
        config: StoreConfig,
        cache: &CacheConfig,
        opensearch: Option<OpenSearchUrl>,
    ) -> Result<Self, ServeError> {
        let index = opensearch.map(|url| KeptIndex::server(url, config.region)).transpose()?;
        let metrics = Metrics::new().map_err(|error| ServeError(error.to_string()))?;
        let cache = Cache::new(cache, config.region, Lifetimes::default(), metrics.clone());
        let store = Store::connect(config, metrics.clone()).await;
        cache.start(&store);
        Ok(Self { store, cache, metrics, index })
    }

    fn reach(&self) -> Reach {
        Reach { index: self.index.as_ref().map(KeptIndex::shared), ..Reach::default() }
    }

    /// The stream. Whoever has it tells the region's listeners that they may have missed something.
    async fn pump(&self) -> Pump {
        effects::pump(&self.store, &self.cache, self.reach(), &self.metrics).await
    }
}

/// Works until SIGTERM or Ctrl-C, then ends after the present step of each job.
pub async fn work(config: WorkerConfig) -> Result<(), ServeError> {
    let worker = Worker::connect(config.store, &config.cache, config.opensearch).await?;
    let pump = worker.pump().await;
    let Worker { store, cache, metrics, index } = worker;
    let streams = Some(pump.progress().clone());
    let readiness = Arc::new(Readiness::new(effects::store_answers(&store), metrics, streams));
    // There is nothing to warm: this process keeps nothing.
    readiness.warm();
    let (stop, stopped) = watch::channel(false);
    if let Some(listen) = config.admin_listen {
        let admin = bind("ECHOES_ADMIN_LISTEN", listen).await?;
        // It answers to the end of the process, and says that this one drains.
        let answers = http::admin(Arc::clone(&readiness));
        tokio::spawn(http::serve(admin, answers.into(), ADMIN_CONNECTIONS, stopped.clone()));
    }
    tokio::select! {
        settled = schema::settle(&store) => settled?,
        signalled = termination() => return signalled,
    }
    readiness.tables_fit();
    tracing::info!("working");
    let mut working = tokio::spawn(async move {
        let keeping = async {
            if let Some(index) = &index {
                index.keep(&store, false, stopped.clone()).await;
            }
        };
        tokio::join!(work::run(store.clone(), cache, config.work, pump, stopped.clone()), keeping);
        Ok(())
    });
    tokio::select! {
        ended = &mut working => return Err(ended_early("the work", ended)),
        signalled = termination() => signalled?,
    }
    tracing::info!("stopping");
    readiness.drain();
    let _ = stop.send(true);
    if tokio::time::timeout(DRAIN_TIMEOUT, working).await.is_err() {
        tracing::warn!("a job did not end in time");
    }
    Ok(())
}

/// Runs one round of every job, which SIGTERM or Ctrl-C ends early.
pub async fn work_once(config: WorkerConfig) -> Result<Vec<Round>, ServeError> {
    // Whoever reads the stream does so for every effect: without these some would never be.
    let reads_stream = config.cache.redis.is_some() && config.opensearch.is_some();
    let worker = Worker::connect(config.store, &config.cache, config.opensearch).await?;
    let pump = if reads_stream { Some(worker.pump().await) } else { None };
    let Worker { store, cache, .. } = worker;
    if let Schema::Unknown(cause) = schema::ask(&store).await? {
        return Err(ServeError(cause));
    }
    let (stop, stopped) = watch::channel(false);
    let mut rounds = pin!(work::run_once(store, cache, config.work, pump, stopped));
    tokio::select! {
        done = &mut rounds => return Ok(done),
        signalled = termination() => signalled?,
    }
    let _ = stop.send(true);
    Ok(rounds.await)
}

/// Gives each of those letters to its sink once more; one whose record has been applied is forgotten.
///
/// # Errors
/// Where the store gives no answer. What has been applied by then stays so, and is applied once all the same if it is given
/// again.
pub async fn retry_dead_letters(
    config: WorkerConfig,
    letters: Vec<Letter>,
) -> Result<Vec<(Letter, Retried)>, ServeError> {
    let worker = Worker::connect(config.store, &config.cache, config.opensearch).await?;
    let reach = worker.reach();
    let names: BTreeSet<_> = letters.iter().map(|letter| letter.sink).collect();
    let sink = |name| effects::sink(name, &worker.store, &worker.cache, &reach);
    let sinks: Vec<_> = names.into_iter().filter_map(sink).collect();
    let mut outcomes = Vec::new();
    for letter in letters {
        let outcome = retry(&sinks, &letter, clock::now()).await;
        if outcome == Retried::Applied {
            let dropped = worker.store.drop_dead_letter(&letter).await;
            dropped.map_err(|error| ServeError(format!("{}: {error}", letter.key())))?;
        }
        outcomes.push((letter, outcome));
    }
    Ok(outcomes)
}
