//! What this process knows to be deleted. The store's indexes list an echo for moments after its tombstone was put.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use echoes_shared::{EchoId, Timestamp, UserId};

/// For how long it is known at least: far longer than any index is behind. For twice as long at most.
const KEPT_MILLIS: u64 = 10 * 60 * 1_000;
/// Names in one half at most, 16 to 200 bytes each: 160 deletions a second. Beyond that the older half goes early.
const MAX_NAMES: usize = 100_000;

/// Echoes and people that are never shown again. Bounded: it forgets what the indexes have long heard of.
#[derive(Debug, Default)]
pub(super) struct Departed {
    /// Whether there is any; most often there is none, and nothing is locked.
    any: AtomicBool,
    halves: RwLock<Halves>,
}

/// What was learnt since the last turn, and what was learnt in the time before it.
#[derive(Debug, Default)]
struct Halves {
    newer: Names,
    older: Names,
    turned_at_millis: u64,
}

#[derive(Debug, Default)]
struct Names {
    /// Whether each is known to be deleted; else it is about to be, and may be given back.
    echoes: HashMap<EchoId, bool>,
    people: HashMap<UserId, Timestamp>,
}

impl Names {
    fn len(&self) -> usize {
        self.echoes.len() + self.people.len()
    }

    fn hides(&self, user: &str, id: EchoId) -> bool {
        self.echoes.contains_key(&id) || self.people.get(user).is_some_and(|up_to| id.timestamp() <= *up_to)
    }
}

impl Departed {
    /// Never shows this echo again. `tick` is [`crate::clock::monotonic_millis`].
    pub(super) fn forget(&self, id: EchoId, tick: u64) {
        self.learn(tick, |names| {
            names.echoes.insert(id, true);
        });
    }

    /// Does not show this echo, which is about to be deleted, until [`Departed::lives`] says that it was not.
    pub(super) fn suspect(&self, id: EchoId, tick: u64) {
        self.learn(tick, |names| {
            names.echoes.entry(id).or_insert(false);
        });
    }

    /// The echo was not deleted after all, unless it is known to be.
    pub(super) fn lives(&self, id: EchoId) {
        let mut halves = self.halves.write().unwrap_or_else(PoisonError::into_inner);
        let Halves { newer, older, .. } = &mut *halves;
        for names in [newer, older] {
            if names.echoes.get(&id) == Some(&false) {
                names.echoes.remove(&id);
            }
        }
    }

    /// Never shows an echo of this person of up to a time again.
    pub(super) fn forget_person(&self, user: &UserId, up_to: Timestamp, tick: u64) {
        self.learn(tick, |names| {
            let latest = names.people.entry(user.clone()).or_insert(up_to);
            *latest = up_to.max(*latest);
        });
    }

    fn learn(&self, tick: u64, learn: impl FnOnce(&mut Names)) {
        let mut halves = self.halves.write().unwrap_or_else(PoisonError::into_inner);
        if tick.saturating_sub(halves.turned_at_millis) >= KEPT_MILLIS || halves.newer.len() >= MAX_NAMES {
            halves.older = mem::take(&mut halves.newer);
            halves.turned_at_millis = tick;
        }
        learn(&mut halves.newer);
        self.any.store(true, Ordering::Release);
    }

    /// Whether nothing is hidden, as most of the time.
    pub(super) fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// Whether this echo of this person must not be shown.
    pub(super) fn hides(&self, user: &str, id: EchoId) -> bool {
        if self.is_empty() {
            return false;
        }
        let halves = self.halves.read().unwrap_or_else(PoisonError::into_inner);
        halves.newer.hides(user, id) || halves.older.hides(user, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::echo;

    #[test]
    fn the_departed_stay_hidden_for_long_but_not_for_ever() {
        let departed = Departed::default();
        let (one, other) = (echo("ana", 1), echo("ana", 2));
        assert!(!departed.hides(one.user_id.as_str(), one.echo_id));
        departed.forget(one.echo_id, 5);
        assert!(departed.hides(one.user_id.as_str(), one.echo_id));
        assert!(!departed.hides(other.user_id.as_str(), other.echo_id));
        departed.forget(other.echo_id, KEPT_MILLIS + 5);
        assert!(departed.hides(one.user_id.as_str(), one.echo_id), "the older half still knows it");
        departed.forget(other.echo_id, KEPT_MILLIS * 2 + 5);
        assert!(
            !departed.hides(one.user_id.as_str(), one.echo_id)
                && departed.hides(other.user_id.as_str(), other.echo_id)
        );
    }

    #[test]
    fn a_person_departs_up_to_a_time() {
        let departed = Departed::default();
        let (early, late, stranger) = (echo("ana", 1), echo("ana", 5_000), echo("ben", 1));
        departed.forget_person(&early.user_id, late.timestamp.minus_millis(1), 0);
        departed.forget_person(&early.user_id, early.timestamp, 0);
        assert!(departed.hides(early.user_id.as_str(), early.echo_id));
        assert!(!departed.hides(late.user_id.as_str(), late.echo_id));
        assert!(!departed.hides(stranger.user_id.as_str(), stranger.echo_id));
    }

    #[test]
    fn who_was_only_about_to_be_deleted_may_come_back() {
        let departed = Departed::default();
        let (one, other) = (echo("ana", 1), echo("ana", 2));
        departed.suspect(one.echo_id, 0);
        departed.suspect(other.echo_id, 0);
        departed.forget(other.echo_id, 0);
        departed.suspect(other.echo_id, 0);
        for echo in [&one, &other] {
            assert!(departed.hides(echo.user_id.as_str(), echo.echo_id));
            departed.lives(echo.echo_id);
        }
        assert!(!departed.hides(one.user_id.as_str(), one.echo_id));
        assert!(departed.hides(other.user_id.as_str(), other.echo_id), "somebody else deleted it");
    }

    #[test]
    fn it_is_bounded() {
        let departed = Departed::default();
        for millis in 0..MAX_NAMES as u64 * 5 / 2 {
            departed.forget(echo("ana", millis).echo_id, 0);
        }
        let halves = departed.halves.read().unwrap();
        assert!(halves.newer.len() <= MAX_NAMES && halves.older.len() <= MAX_NAMES);
    }
}
