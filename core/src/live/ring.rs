//! The events of the last minutes, in the order in which they were heard: what listeners are sent from, and what one who comes back is
//! sent again. It decides and does no I/O.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use echoes_shared::live::{EventId, Place, Run};
use echoes_shared::{EchoId, Emotion, Timestamp};

use super::happening::Drawn;

/// Events that are held at most (issue: *replay of the last minutes*).
pub(super) const MAX_EVENTS: usize = 10_000;
/// Bytes of them.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// For how long they are held, and how old an id may be for which the store is read instead.
pub(crate) const MAX_AGE_MILLIS: u64 = 5 * 60 * 1_000;
/// Milliseconds by which a time from elsewhere is set back: two regions hear of one write at different times.
pub(super) const OVERLAP_MILLIS: u64 = 10_000;

/// One event.
#[derive(Debug)]
struct Event {
    at: Timestamp,
    /// Milliseconds of the monotonic clock.
    heard_millis: u64,
    echo: EchoId,
    emotion: Option<Emotion>,
    frame: Bytes,
}

/// The last that was said of an echo.
#[derive(Debug, Clone, Copy)]
struct Latest {
    position: u64,
    edition: u64,
}

/// Events without a gap. Positions count from 1.
#[derive(Debug)]
pub(super) struct Ring {
    pub run: Run,
    events: VecDeque<Event>,
    next: u64,
    bytes: usize,
    latest: HashMap<EchoId, Latest>,
    newest_at: Option<Timestamp>,
    /// Everything that was written after this time was heard and is held, or will be heard.
    complete_after: Option<Timestamp>,
}

/// Where one who comes back begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// After this position.
    pub after: u64,
    /// What was written since then must be had from the store first.
    pub store_since: Option<Timestamp>,
}

impl Ring {
    pub(super) fn new(run: Run) -> Self {
        Self {
            run,
            events: VecDeque::new(),
            next: 1,
            bytes: 0,
            latest: HashMap::new(),
            newest_at: None,
            complete_after: None,
        }
    }

    /// The last position that was given.
    pub(super) const fn last(&self) -> u64 {
        self.next - 1
    }

    /// The id of who was sent all up to `position`; `otherwise` is the time of one who has heard of nothing.
    pub(super) fn id_at(&self, position: u64, otherwise: Timestamp) -> EventId {
        let at = self.newest_at.unwrap_or(otherwise);
        EventId { at, place: Some(Place { run: self.run, position }) }
    }

    /// Takes an event in, unless it, or something later of the same echo, was said already; answers whether it did.
    pub(super) fn push(&mut self, drawn: &Drawn, now_millis: u64) -> bool {
        if self.latest.get(&drawn.echo).is_some_and(|latest| drawn.edition <= latest.edition) {
            return false;
        }
        let position = self.next;
        self.next += 1;
        let frame = drawn.frame(EventId { at: drawn.at, place: Some(Place { run: self.run, position }) });
        self.bytes += frame.len();
        self.latest.insert(drawn.echo, Latest { position, edition: drawn.edition });
        self.newest_at = self.newest_at.max(Some(drawn.at));
        self.complete_after.get_or_insert(drawn.at);
        let Drawn { at, echo, emotion, .. } = *drawn;
        self.events.push_back(Event { at, heard_millis: now_millis, echo, emotion, frame });
        self.shrink(now_millis);
        true
    }

    fn shrink(&mut self, now_millis: u64) {
        let is_old = |event: &Event| event.heard_millis.saturating_add(MAX_AGE_MILLIS) < now_millis;
        while self.events.len() > MAX_EVENTS || self.bytes > MAX_BYTES || self.events.front().is_some_and(is_old) {
            let position = self.first();
            let Some(event) = self.events.pop_front() else { return };
            self.bytes -= event.frame.len();
            self.complete_after = self.complete_after.max(Some(event.at));
            if self.latest.get(&event.echo).is_some_and(|latest| latest.position == position) {
                self.latest.remove(&event.echo);
            }
        }
    }

    /// The position of the oldest event that is held; the next one where none is.
    fn first(&self) -> u64 {
        self.next - self.events.len() as u64
    }

    /// Where one begins who was last sent `id`.
    pub(super) fn start(&self, id: EventId) -> Start {
        if let Some(Place { run, position }) = id.place
            && run == self.run
            && (self.first()..=self.next).contains(&(position.saturating_add(1)))
        {
            return Start { after: position, store_since: None };
        }
        let since = id.at.minus_millis(OVERLAP_MILLIS);
        let older = self.events.iter().take_while(|event| event.at < since).count() as u64;
        // Times are whole seconds: what is of the very second may be missing.
        let is_held = self.complete_after.is_some_and(|at| at < since);
        Start { after: self.first() - 1 + older, store_since: (!is_held).then_some(since) }
    }

    /// Whether the event of an echo is still to come to one who stands at `position`.
    pub(super) fn comes_after(&self, position: u64, echo: EchoId) -> bool {
        self.latest.get(&echo).is_some_and(|latest| latest.position > position)
    }

    /// At most `count` positions after `position`: those of the events that concern `emotion`, and the last position that was looked
    /// at. `None` where some are held no more.
    pub(super) fn after(&self, position: u64, count: usize, emotion: Option<Emotion>) -> Option<(Vec<Bytes>, u64)> {
        let skip = usize::try_from((position + 1).checked_sub(self.first())?).ok()?;
        let concerns = |event: &&Event| match (emotion, event.emotion) {
            (Some(wanted), Some(given)) => wanted == given,
            _ => true,
        };
        let looked_at = self.events.iter().skip(skip).take(count);
        let frames = looked_at.clone().filter(concerns).map(|event| event.frame.clone()).collect();
        Some((frames, position + looked_at.count() as u64))
    }
}
