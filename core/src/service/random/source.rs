//! What the draws of one emotion are made from, whole or sampled.

use std::sync::Arc;

use echoes_shared::{Echo, EchoId, Timestamp, UserId};
use rand::Rng;

use super::sampling::Edition;
use super::whole::Whole;

/// Milliseconds until an edition is read again, and a whole emotion at the latest.
const MAX_LIFE_MILLIS: u64 = 120_000;
/// Milliseconds until a whole emotion is read again, at the earliest; an empty one above all, so that its first echo is soon drawn.
pub(super) const MIN_LIFE_MILLIS: u64 = 1_000;
/// Milliseconds for each echo of a whole emotion: reading it costs as much a second whatever its size, about one unit.
const LIFE_MILLIS_PER_ECHO: u64 = 60;

/// What draws are made from.
#[derive(Debug)]
pub(super) enum Source {
    /// Every echo.
    Whole(Whole),
    /// Some of them.
    Sampled(Edition),
}

impl Source {
    /// One draw.
    pub(super) fn draw(&mut self, now: Timestamp, rng: &mut impl Rng) -> Option<Arc<Echo>> {
        match self {
            Self::Whole(whole) => whole.draw(now, rng),
            Self::Sampled(edition) => edition.draw(now, rng),
        }
    }

    /// Whether there is something to draw, or was until it expired.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.len() == 0,
            Self::Sampled(edition) => edition.is_empty(),
        }
    }

    /// Any living echo, for the draw that found nothing.
    pub(super) fn any(&self, now: Timestamp, rng: &mut impl Rng) -> Option<Arc<Echo>> {
        match self {
            // It looks at all of them in any draw.
            Self::Whole(_) => None,
            Self::Sampled(edition) => edition.any(now, rng),
        }
    }

    /// Takes in an echo as it is now.
    pub(super) fn note(&mut self, echo: &Arc<Echo>, rng: &mut impl Rng) {
        match self {
            Self::Whole(whole) => whole.note(echo),
            Self::Sampled(edition) => edition.note(echo, rng),
        }
    }

    /// Never draws this echo again.
    pub(super) fn forget(&mut self, id: EchoId) {
        match self {
            Self::Whole(whole) => whole.forget(id),
            Self::Sampled(edition) => edition.forget(id),
        }
    }

    /// Never draws an echo of this person of up to this time again.
    pub(super) fn forget_person(&mut self, user: &UserId, up_to: Timestamp) {
        let is_theirs = |echo: &Echo| echo.user_id == *user && echo.timestamp <= up_to;
        match self {
            Self::Whole(whole) => whole.forget_those(is_theirs),
            Self::Sampled(edition) => edition.forget_those(is_theirs),
        }
    }

    /// How many milliseconds after it was read it should be read again.
    pub(super) fn life_millis(&self) -> u64 {
        match self {
            Self::Whole(whole) => (LIFE_MILLIS_PER_ECHO * whole.len() as u64).clamp(MIN_LIFE_MILLIS, MAX_LIFE_MILLIS),
            Self::Sampled(_) => MAX_LIFE_MILLIS,
        }
    }

    /// Whether it should be read again at this age because of the draws that it has served.
    pub(super) fn is_spent(&self, age_millis: u64) -> bool {
        match self {
            Self::Whole(whole) => whole.is_spent() && age_millis >= MIN_LIFE_MILLIS,
            Self::Sampled(edition) => edition.is_spent(),
        }
    }
}
