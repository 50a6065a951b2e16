//! What this process has lately heard of echoes, for sources that were read from an index which may not know it yet.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use echoes_shared::{Echo, EchoId, Emotion, Timestamp, UserId};
use rand::Rng;

use super::source::Source;

/// Milliseconds for which a deleted echo is kept out.
const GONE_MILLIS: u64 = 60_000;
/// Deleted echoes remembered at most; the oldest is forgotten first.
const MAX_GONE: usize = 10_000;
/// Milliseconds for which an erased person is kept out: the erasure of very many echoes takes minutes.
const ERASED_MILLIS: u64 = 900_000;
/// Erased people remembered at most; the first is forgotten first.
const MAX_ERASED: usize = 1_000;
/// Milliseconds before a read began in which a new echo or an edit may have been missed by the index. Short, because another
/// region's delete, of which this process has not heard, may follow.
const NOTED_MILLIS: u64 = 5_000;
/// New and edited echoes remembered at most; the oldest is forgotten first.
const MAX_NOTED: usize = 2_000;

/// Deleted, new and edited echoes, each in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct News {
    gone: HashMap<EchoId, Timestamp>,
    gone_in_order: VecDeque<(EchoId, Timestamp)>,
    noted: VecDeque<(Arc<Echo>, Timestamp)>,
    erased: VecDeque<Erased>,
}

/// A person whose echoes of up to some time are being deleted, and when this was heard.
#[derive(Debug)]
struct Erased {
    user: UserId,
    up_to: Timestamp,
    at: Timestamp,
}

impl Erased {
    fn includes(&self, echo: &Echo) -> bool {
        echo.user_id == self.user && echo.timestamp <= self.up_to
    }
}

impl News {
    /// An echo was deleted.
    pub(super) fn forget(&mut self, id: EchoId, now: Timestamp) {
        self.tidy(now);
        self.gone.insert(id, now);
        self.gone_in_order.push_back((id, now));
        self.noted.retain(|(echo, _)| echo.echo_id != id);
    }

    /// A person's echoes of up to this time are being deleted.
    pub(super) fn forget_person(&mut self, user: &UserId, up_to: Timestamp, now: Timestamp) {
        self.tidy(now);
        let erased = Erased { user: user.clone(), up_to, at: now };
        self.noted.retain(|(echo, _)| !erased.includes(echo));
        self.erased.push_back(erased);
    }

    /// An echo was created or edited. Says whether that is still true: not where it has been deleted since.
    pub(super) fn note(&mut self, echo: &Arc<Echo>, now: Timestamp) -> bool {
        self.tidy(now);
        let lives = !self.gone.contains_key(&echo.echo_id) && !self.erased.iter().any(|erased| erased.includes(echo));
        if lives {
            self.noted.push_back((Arc::clone(echo), now));
        }
        lives
    }

    /// Brings a source up to date that began to be read at `since`.
    pub(super) fn apply(&self, source: &mut Source, emotion: Emotion, since: Timestamp, rng: &mut impl Rng) {
        for (echo, at) in &self.noted {
            if echo.emotion == emotion && since.millis_since(*at) <= NOTED_MILLIS {
                source.note(echo, rng);
            }
        }
        self.gone.keys().for_each(|&id| source.forget(id));
        self.erased.iter().for_each(|erased| source.forget_person(&erased.user, erased.up_to));
    }

    fn tidy(&mut self, now: Timestamp) {
        while let Some(&(id, at)) = self.gone_in_order.front()
            && (now.millis_since(at) >= GONE_MILLIS || self.gone_in_order.len() >= MAX_GONE)
        {
            self.gone_in_order.pop_front();
            // A second delete of the same echo is remembered from its own time.
            if self.gone.get(&id) == Some(&at) {
                self.gone.remove(&id);
            }
        }
        while let Some(Erased { at, .. }) = self.erased.front()
            && (now.millis_since(*at) >= ERASED_MILLIS || self.erased.len() >= MAX_ERASED)
        {
            self.erased.pop_front();
        }
        // Either way: a clock set back would otherwise hold what another region has deleted since, until it has caught up.
        while let Some((_, at)) = self.noted.front()
            && (now.millis().abs_diff(at.millis()) >= GONE_MILLIS || self.noted.len() >= MAX_NOTED)
        {
            self.noted.pop_front();
        }
    }
}
