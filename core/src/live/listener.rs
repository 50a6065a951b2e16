//! One who listens: what is sent next, and when the stream ends.

use std::collections::VecDeque;

use bytes::Bytes;
use echoes_shared::live::{EventId, Run};
use echoes_shared::policy::LIVE_RETRY_MILLIS;
use echoes_shared::{EchoId, Emotion, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, interval};

use super::happening;
use super::{Hub, State};
use crate::metrics::LiveEnd;

/// Events that may wait for a listener beside what it is sent again; then it is too slow. A batch of the stream has up to a thousand.
pub(super) const QUEUE: u64 = 5_000;
const _: () = assert!(QUEUE < super::ring::MAX_EVENTS as u64);
/// Events that are taken at a time.
const TAKEN: usize = 64;

/// A listener's stream. When it is dropped its seat is free.
#[derive(Debug)]
pub struct Listener {
    hub: Hub,
    news: watch::Receiver<()>,
    run: Run,
    emotion: Option<Emotion>,
    /// It was given everything up to here.
    position: u64,
    /// What was there when it came does not count as waiting.
    came_at: u64,
    /// The time of its ids until something is heard of.
    since: Timestamp,
    ready: VecDeque<Bytes>,
    beat: Interval,
    end: Option<LiveEnd>,
    _seat: OwnedSemaphorePermit,
}

/// A listener's beginning.
pub(super) struct Beginning {
    pub emotion: Option<Emotion>,
    pub after: u64,
    pub since: Timestamp,
    /// It has been here before, so it keeps its last id until it is sent another.
    pub returns: bool,
}

impl Listener {
    pub(super) fn new(hub: &Hub, state: &State, seat: OwnedSemaphorePermit, beginning: Beginning) -> Self {
        let Beginning { emotion, after, since, returns } = beginning;
        let mut beat = interval(hub.0.beat);
        beat.reset();
        let mut opening = format!("retry: {LIVE_RETRY_MILLIS}\n");
        if !returns {
            // Without data it is no event, and is remembered all the same: one that is cut off before its first event misses none.
            opening.push_str(&format!("id: {}\n", state.ring.id_at(after, since)));
        }
        opening.push('\n');
        hub.metrics().listens(1);
        Self {
            news: hub.news(),
            hub: hub.clone(),
            run: state.ring.run,
            emotion,
            position: after,
            came_at: state.ring.last(),
            since,
            ready: VecDeque::from([opening.into()]),
            beat,
            end: None,
            _seat: seat,
        }
    }

    /// Has these echoes sent first, given newest first and serialised, but for those that the hub is going to send.
    pub fn replay(&mut self, echoes: Vec<(EchoId, Bytes)>) {
        let (hub, position) = (self.hub.clone(), self.position);
        let state = hub.state();
        for (echo, body) in echoes.into_iter().rev().filter(|(echo, _)| !state.ring.comes_after(position, *echo)) {
            self.ready.extend(happening::parts(EventId { at: echo.timestamp(), place: None }, body));
        }
    }

    /// Has it said that what came before cannot be sent, and begins with what comes from now on.
    pub fn begin_here(&mut self) {
        let hub = self.hub.clone();
        let state = hub.state();
        self.position = state.ring.last();
        let id = state.ring.id_at(self.position, self.since);
        self.ready
            .push_back(format!(": the last event is too old, what came after it is not sent\nid: {id}\n\n").into());
    }

    /// What is sent next; `None` at the end. It waits as long as there is nothing, but for a comment now and then.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(piece);
            }
            if self.end.is_some() {
                return None;
            }
            if self.take() {
                continue;
            }
            tokio::select! {
                changed = self.news.changed() => if changed.is_err() { return None },
                _ = self.beat.tick() => {
                    let id = self.hub.state().ring.id_at(self.position, self.since);
                    return Some(format!(": nothing is wrong\nid: {id}\n\n").into());
                }
            }
        }
    }

    /// Takes what has come; answers whether there is something to do about it.
    fn take(&mut self) -> bool {
        let hub = self.hub.clone();
        let state = hub.state();
        if self.run != state.ring.run {
            return self.ends(LiveEnd::Gap, ": something may have been missed");
        }
        if state.closed {
            // What it has not been sent is had elsewhere.
            return self.ends(LiveEnd::Closing, ": this server ends");
        }
        let waiting = state.ring.last().saturating_sub(self.position.max(self.came_at));
        let Some((frames, position)) =
            state.ring.after(self.position, TAKEN, self.emotion).filter(|_| waiting <= QUEUE)
        else {
            return self.ends(LiveEnd::Slow, ": too slow");
        };
        let moved = position != self.position;
        self.position = position;
        self.ready.extend(frames);
        moved
    }

    fn ends(&mut self, end: LiveEnd, comment: &'static str) -> bool {
        self.end = Some(end);
        self.ready.push_back(Bytes::from_static(comment.as_bytes()));
        self.ready.push_back(Bytes::from_static(b", come back with your last id\n\n"));
        true
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let metrics = self.hub.metrics();
        metrics.listens(-1);
        metrics.ended(self.end.unwrap_or(LiveEnd::Left));
    }
}
