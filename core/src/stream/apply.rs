//! Gives a lane's records to its sink, again and again until their effects outlast this process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::host::Backoff;
use super::lane::Lane;
use super::letters::Letter;
use super::shard::Shard;
use super::{Entry, Host, Record, ShardId, What};
use crate::sinks::{Batch, Refused, Sink, Unavailable};

const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// The pause between two looks at a lease that is not sure any more.
const UNSURE: Duration = Duration::from_millis(250);
/// How often a sink may refuse a record before that is set aside.
const TRIES: u32 = 3;
/// The longest pause between two tries of a record that was refused is eight times this.
const REFUSED_BACKOFF: Duration = Duration::from_millis(100);

/// For a sink to take note that records were lost.
const LOSS_TIMEOUT: Duration = Duration::from_secs(2);

/// The shard is given back: what is in hand is left as it is.
struct Stopped;

/// Applies what comes into the lane until `end` is told, and nothing while the lease is not sure.
pub(super) async fn run(shard: &Shard, lane: usize, mut end: watch::Receiver<bool>) {
    let Some(lane) = shard.lanes.get(lane) else { return };
    loop {
        if *end.borrow() {
            return;
        }
        let batch = lane.take();
        if batch.is_empty() {
            tokio::select! {
                biased;
                _ = end.wait_for(|ended| *ended) => return,
                () = lane.work.notified() => continue,
            }
        }
        if apply(shard, lane, &batch, &mut end).await.is_err() {
            return;
        }
        if lane.applied(&batch, shard.host().monotonic_millis()) {
            shard.wake_behind.notify_one();
        }
        shard.moved.notify_one();
    }
}

async fn apply(
    shard: &Shard,
    lane: &Lane,
    batch: &[Arc<Entry>],
    end: &mut watch::Receiver<bool>,
) -> Result<(), Stopped> {
    let sink = lane.sink.name();
    let mut records: Vec<Arc<Record>> = Vec::with_capacity(batch.len());
    let count = |outcome, records| shard.parts.progress.metrics().stream_records(sink.as_str(), outcome, records);
    for entry in batch {
        match &entry.what {
            What::Record(record) => records.push(Arc::clone(record)),
            What::Damaged(damaged) => {
                put_letter(shard, &Letter::of(entry, sink, shard.id(), &damaged.reason, shard.host().now()), end)
                    .await?;
                count("damaged", 1);
            }
        }
    }
    if records.is_empty() {
        return Ok(());
    }
    let given = records.len();
    let refused = offer(shard, lane, shard.id().clone(), records, end).await?;
    count("applied", given.saturating_sub(refused.len()));
    for refused in refused {
        let found = batch.iter().find(|entry| entry.sequence == refused.sequence);
        let Some(entry) = found else {
            tracing::error!(%sink, sequence = %refused.sequence, "the sink refuses a record that it was not given");
            continue;
        };
        if insist(shard, lane, entry, refused, end).await? {
            count("applied", 1);
        } else {
            count("refused", 1);
        }
    }
    Ok(())
}

/// Gives a batch to the sink until that can apply it; what comes back is what it refuses.
async fn offer(
    shard: &Shard,
    lane: &Lane,
    from: ShardId,
    records: Vec<Arc<Record>>,
    end: &mut watch::Receiver<bool>,
) -> Result<Vec<Refused>, Stopped> {
    let sink = lane.sink.name();
    let mut batch = Batch { shard: from, records, now: shard.host().now() };
    let mut backoff = Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
    loop {
        // Either the lease is renewed, or the shard is lost and this task ends with it.
        if !shard.is_ours() {
            pause(shard, UNSURE, end).await?;
            continue;
        }
        batch.now = shard.host().now();
        match lane.sink.apply(&batch).await {
            Ok(refused) => {
                if backoff.failures() > 0 {
                    tracing::info!(shard = %shard.id(), %sink, failures = backoff.failures(), "the sink works again");
                }
                return Ok(refused);
            }
            Err(Unavailable(cause)) => {
                if backoff.failures() == 0 {
                    tracing::warn!(shard = %shard.id(), %sink, cause, "the sink cannot apply, and is tried again");
                }
            }
        }
        pause(shard, backoff.next(shard.host()), end).await?;
    }
}

/// Gives a record that was refused once more, by itself; `false` where it is set aside.
async fn insist(
    shard: &Shard,
    lane: &Lane,
    entry: &Entry,
    mut refused: Refused,
    end: &mut watch::Receiver<bool>,
) -> Result<bool, Stopped> {
    let mut letter = Letter::of(entry, lane.sink.name(), shard.id(), &refused.reason, shard.host().now());
    let mut backoff = Backoff::new(REFUSED_BACKOFF, REFUSED_BACKOFF * 8);
    let What::Record(record) = &entry.what else { return Ok(true) };
    for _ in 1..TRIES {
        pause(shard, backoff.next(shard.host()), end).await?;
        let again = offer(shard, lane, letter.own_shard(), vec![Arc::clone(record)], end).await?;
        match again.into_iter().next() {
            None => return Ok(true),
            Some(again) => refused = again,
        }
    }
    letter.reason = refused.reason;
    tracing::error!(shard = %shard.id(), sink = %lane.sink.name(), sequence = %entry.sequence, reason = letter.reason,
        "the sink refuses a record, which is set aside");
    put_letter(shard, &letter, end).await?;
    Ok(false)
}

/// Waits, unless the shard is given back before.
async fn pause(shard: &Shard, time: Duration, end: &mut watch::Receiver<bool>) -> Result<(), Stopped> {
    unless_stopped(end, shard.host().sleep(time)).await
}

async fn put_letter(shard: &Shard, letter: &Letter, end: &mut watch::Receiver<bool>) -> Result<(), Stopped> {
    unless_stopped(end, set_aside(shard, letter)).await
}

async fn unless_stopped<T>(end: &mut watch::Receiver<bool>, work: impl Future<Output = T>) -> Result<T, Stopped> {
    tokio::select! {
        biased;
        _ = end.wait_for(|ended| *ended) => Err(Stopped),
        done = work => Ok(done),
    }
}

/// Tells a sink that records of a shard were lost, and does not wait long: what it cannot do about that now it does before it
/// applies anything more.
pub(super) async fn tell_of_loss(host: &dyn Host, sink: &dyn Sink, shard: &ShardId) {
    let told = tokio::select! {
        biased;
        told = sink.lost(shard, host.now()) => told,
        () = host.sleep(LOSS_TIMEOUT) => Err(Unavailable("it does not answer".to_owned())),
    };
    if let Err(Unavailable(cause)) = told {
        tracing::warn!(%shard, sink = %sink.name(), cause, "a sink cannot make up for what was lost yet");
    }
}

/// Writes a letter, however long that takes: what is passed without one would be lost.
pub(super) async fn set_aside(shard: &Shard, letter: &Letter) {
    let mut backoff = Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
    while let Err(error) = shard.parts.rows.set_aside(letter).await {
        if backoff.failures() == 0 {
            tracing::warn!(letter = letter.key(), %error, "a record cannot be set aside, which is tried again");
        }
        shard.host().sleep(backoff.next(shard.host())).await;
    }
}
