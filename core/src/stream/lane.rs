//! One sink's way through one shard: a bounded queue, and how far its effects outlast this process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use echoes_shared::Timestamp;
use tokio::sync::Notify;

use super::{Entry, Sequence};
use crate::sinks::Sink;

/// Records that a queue holds before it takes another page: with the last page, four of the largest. In the simulation so few
/// that a queue is full every so often.
const MAX_QUEUED: usize = if cfg!(test) { 12 } else { 3_000 };
/// Memory that its records hold before it takes another page. An image has up to 400 KB, and a record two of them.
const MAX_QUEUED_BYTES: usize = 8 * 1024 * 1024;
/// Records that a sink is given at once.
const MAX_BATCH: usize = if cfg!(test) { 5 } else { 1_000 };

/// Where a lane's records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    /// From the shard's reader, as all that keep up.
    Main,
    /// From nobody, as long as its present batch cannot be applied.
    Nobody,
    /// From the second reader, until it has what the first one has read.
    Behind,
}

/// One sink's way through one shard.
#[derive(Debug)]
pub(super) struct Lane {
    pub sink: Arc<dyn Sink>,
    state: Mutex<State>,
    /// There is something in the queue.
    pub work: Notify,
    /// There is room in the queue.
    pub room: Notify,
}

#[derive(Debug)]
struct State {
    feed: Feed,
    queue: VecDeque<Arc<Entry>>,
    queued_bytes: usize,
    /// The last record that was put into the queue.
    given: Option<Sequence>,
    /// The last record whose effect outlasts this process.
    durable: Option<Sequence>,
    flight: Option<Flight>,
    full_since: Option<u64>,
    /// When something was applied last, or there was nothing to apply.
    moved_millis: u64,
    /// The time of the last record that was applied.
    durable_at: Option<Timestamp>,
}

/// What the sink is applying.
#[derive(Debug)]
struct Flight {
    last: Sequence,
    first_at: Timestamp,
}

/// What an operator may want to know of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// The time of the oldest record that has not been applied; `None` where all that was read has been.
    pub pending_at: Option<Timestamp>,
    /// When something was applied last, or there was nothing to apply.
    pub moved_millis: u64,
    pub feed: Feed,
}

/// Whether a page fitted into a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It is there; so many of its records the sink had had before.
    Given { skipped: usize },
    /// It is not, and the queue has been full since then.
    FullSince(u64),
}

impl Lane {
    pub(super) fn new(sink: Arc<dyn Sink>, durable: Option<Sequence>, now_millis: u64) -> Self {
        let state = State {
            feed: Feed::Behind,
            queue: VecDeque::new(),
            queued_bytes: 0,
            given: durable.clone(),
            durable,
            flight: None,
            full_since: None,
            moved_millis: now_millis,
            durable_at: None,
        };
        Self { sink, state: Mutex::new(state), work: Notify::new(), room: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn feed(&self) -> Feed {
        self.lock().feed
    }

    pub(super) fn given(&self) -> Option<Sequence> {
        self.lock().given.clone()
    }

    pub(super) fn durable(&self) -> Option<Sequence> {
        self.lock().durable.clone()
    }

    /// Whether all that it was given has been applied.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.queue.is_empty() && state.flight.is_none()
    }

    /// Puts into the queue what it has not been given, if `feed` is who feeds it and there is room.
    pub(super) fn give(&self, feed: Feed, entries: &[Arc<Entry>], now_millis: u64) -> Room {
        let mut state = self.lock();
        let new = entries.partition_point(|entry| Some(&entry.sequence) <= state.given.as_ref());
        let (known, new) = entries.split_at(new);
        let Some(last) = new.last().filter(|_| state.feed == feed) else {
            return Room::Given { skipped: known.len() };
        };
        if state.queue.len() >= MAX_QUEUED || state.queued_bytes >= MAX_QUEUED_BYTES {
            return Room::FullSince(*state.full_since.get_or_insert(now_millis));
        }
        if state.queue.is_empty() && state.flight.is_none() {
            state.moved_millis = now_millis;
        }
        state.given = Some(last.sequence.clone());
        state.queued_bytes += new.iter().map(|entry| entry.bytes).sum::<usize>();
        state.queue.extend(new.iter().cloned());
        self.work.notify_one();
        Room::Given { skipped: known.len() }
    }

    /// The next records for the sink, which are in its hands from now on; none if the queue is empty.
    pub(super) fn take(&self) -> Vec<Arc<Entry>> {
        let mut state = self.lock();
        let count = state.queue.len().min(MAX_BATCH);
        let batch: Vec<_> = state.queue.drain(..count).collect();
        state.queued_bytes -= batch.iter().map(|entry| entry.bytes).sum::<usize>();
        if let (Some(first), Some(last)) = (batch.first(), batch.last()) {
            state.flight = Some(Flight { last: last.sequence.clone(), first_at: first.at });
            state.full_since = None;
            self.room.notify_one();
        }
        batch
    }

    /// What the sink has in hand outlasts this process. Whether it is to be fed again, after it was left behind.
    pub(super) fn applied(&self, batch: &[Arc<Entry>], now_millis: u64) -> bool {
        let mut state = self.lock();
        if let Some(last) = batch.last() {
            state.durable = Some(last.sequence.clone());
            state.durable_at = Some(last.at);
        }
        state.flight = None;
        state.moved_millis = now_millis;
        let recovered = state.feed == Feed::Nobody;
        if recovered {
            state.feed = Feed::Behind;
        }
        recovered
    }

    /// Leaves the sink behind with what it has in hand: the queue is dropped, to be read again. Whether it has nothing in
    /// hand, and is to be fed again at once.
    pub(super) fn leave(&self) -> bool {
        let mut state = self.lock();
        state.queue.clear();
        state.queued_bytes = 0;
        state.full_since = None;
        state.given = state.flight.as_ref().map(|flight| flight.last.clone()).or_else(|| state.durable.clone());
        state.feed = if state.flight.is_some() { Feed::Nobody } else { Feed::Behind };
        state.feed == Feed::Behind
    }

    /// Feeds it as all that keep up, if it has been given all up to `head` and is fed as one that is behind.
    pub(super) fn join(&self, head: Option<&Sequence>) -> bool {
        let mut state = self.lock();
        let joins = state.feed == Feed::Behind && state.given.as_ref() >= head;
        if joins {
            state.feed = Feed::Main;
        }
        joins
    }

    /// The time of the last record that was applied, if any was.
    pub(super) fn durable_at(&self) -> Option<Timestamp> {
        self.lock().durable_at
    }

    pub(super) fn look(&self) -> Look {
        let state = self.lock();
        let queued = || state.queue.front().map(|entry| entry.at);
        let in_hand = state.flight.as_ref().map(|flight| flight.first_at).or_else(queued);
        let pending_at = match state.feed {
            Feed::Main => in_hand,
            Feed::Nobody | Feed::Behind => in_hand.or(state.durable_at),
        };
        Look { pending_at, moved_millis: state.moved_millis, feed: state.feed }
    }
}
