//! What a flight does next, from what it has been answered: no waiting and no clock in here, so that every order of events can be
//! tried (see `model.rs`).

use std::time::Duration;

use bytes::Bytes;
use echoes_shared::policy::TIMELINES_DEADLINE_MILLIS;

use super::Lifetimes;
use super::envelope::Envelope;
use super::lifetimes::millis;
use super::redis::{Begin, Kept, Look, Stamp};
use super::trail::{self, L2, L3, Step};
use crate::metrics::CacheOutcome;

/// For how long another process's load is awaited at most. After it there is time left to load for who asks for several lists
/// at once.
const MAX_WAIT: Duration = Duration::from_millis(200);
const _: () = assert!(MAX_WAIT.as_millis() * 2 < TIMELINES_DEADLINE_MILLIS as u128);

/// What a walk wants next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Ask<V> {
    /// What Redis knows of the key.
    Look,
    /// What Memcached holds under the key.
    Fetch,
    /// To keep in Redis what Memcached had, for so long.
    Promote { envelope: Envelope, left: Duration },
    /// The lease of the load.
    Begin,
    /// News of another process's load, at most so long; then a look.
    Wait(Duration),
    /// The store. Without a right to it, what it says is kept in memory alone.
    Load(Option<Right>),
    /// Nothing: a shared tier has it.
    Show(Found<V>),
}

/// The right to keep what is loaded from now on: it lasts as long as the key's generation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Right {
    pub stamp: Stamp,
    /// Redis's clock.
    pub begun_at_millis: u64,
    /// For how long the store's indexes may still be behind, where the generation is young.
    pub settling_millis: Option<u64>,
    pub lease: Option<[u8; 16]>,
}

/// A value of a shared tier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Found<V> {
    pub value: V,
    pub fresh: Freshness,
    /// The tier's name.
    pub tier: &'static str,
}

/// How long a value may be shown from now on, and whether not a moment longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Freshness {
    pub millis: u64,
    pub brief: bool,
}

/// One flight's way through the shared tiers. `V` is what an envelope's payload is read as.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Walk<V> {
    memcached: bool,
    /// What is fresh for less is loaded again.
    at_least_millis: u64,
    /// Since when the indexes have heard of the last invalidation that this process knows of. What is brief and was loaded
    /// before may lack it: whoever filled Redis need not have known.
    settled_millis_ago: Option<i64>,
    known: Option<(Stamp, u64)>,
    waited: bool,
    /// Whether Redis did not answer. Then nobody has said what has just changed, nor will.
    away: bool,
    found: Option<Found<V>>,
    /// Whether the tiers had nothing that counts.
    missed_l2: bool,
    missed_l3: bool,
}

impl<V: Clone> Walk<V> {
    pub(super) fn new(memcached: bool, at_least: Duration, settled_millis_ago: Option<i64>) -> Self {
        let at_least_millis = millis(at_least);
        Self {
            memcached,
            at_least_millis,
            settled_millis_ago,
            known: None,
            waited: false,
            away: false,
            found: None,
            missed_l2: false,
            missed_l3: false,
        }
    }

    /// Redis's answer to a look. `read` reads a payload, or says why it does not count.
    pub(super) fn looked(
        &mut self,
        look: Look,
        lifetimes: &Lifetimes,
        read: impl FnOnce(&Envelope) -> Result<V, CacheOutcome>,
    ) -> (Ask<V>, Option<CacheOutcome>) {
        self.known = None;
        let (stamp, now_millis, bytes) = match look {
            // Whoever looked counts it.
            Look::Away => {
                self.away = true;
                return (Ask::Load(None), None);
            }
            Look::Unknown => {
                self.missed_l2 = true;
                return (Ask::Begin, Some(CacheOutcome::Miss));
            }
            Look::Known { stamp, now_millis, value } => (stamp, now_millis, value),
        };
        self.known = Some((stamp, now_millis));
        // What was promoted is older than what Redis is filled with, but no older than Memcached shows.
        let oldest = lifetimes.redis.max(lifetimes.memcached);
        match self.judge(L2, bytes.as_ref(), lifetimes.redis, oldest, read) {
            Ok((_, found)) => (Ask::Show(found), Some(CacheOutcome::Hit)),
            Err(outcome) => {
                self.missed_l2 = true;
                // Whoever filled Redis meanwhile filled Memcached after it.
                let next = if self.memcached && !self.waited { Ask::Fetch } else { Ask::Begin };
                (next, Some(outcome))
            }
        }
    }

    /// Memcached's answer.
    pub(super) fn fetched(
        &mut self,
        bytes: Option<&Bytes>,
        lifetimes: &Lifetimes,
        read: impl FnOnce(&Envelope) -> Result<V, CacheOutcome>,
    ) -> (Ask<V>, CacheOutcome) {
        match self.judge(L3, bytes, lifetimes.memcached, lifetimes.memcached, read) {
            Ok((envelope, found)) => {
                // It lives no longer above than below: what is left to it here is the most that it gets there.
                let left_millis = found.fresh.millis.min(millis(lifetimes.redis));
                let now_millis = self.known.map_or(0, |(_, now_millis)| now_millis);
                let envelope = Envelope { fresh_until_millis: now_millis.saturating_add(left_millis), ..envelope };
                self.found = Some(found);
                (Ask::Promote { envelope, left: Duration::from_millis(left_millis) }, CacheOutcome::Hit)
            }
            Err(outcome) => {
                self.missed_l3 = true;
                (Ask::Begin, outcome)
            }
        }
    }

    /// Redis's answer to a promotion: whether the key had changed since the look.
    pub(super) fn promoted(&mut self, changed: bool) -> Ask<V> {
        match self.found.take() {
            Some(found) if !changed => Ask::Show(found),
            _ => {
                self.missed_l3 = true;
                self.known = None;
                Ask::Begin
            }
        }
    }

    /// Redis's answer to the wish to load.
    pub(super) fn begun(&mut self, begin: Begin, lifetimes: &Lifetimes) -> Ask<V> {
        let (stamp, age_millis, now_millis, lease) = match begin {
            Begin::Away => {
                self.away = true;
                return Ask::Load(None);
            }
            Begin::Load { stamp, age_millis, now_millis, lease } => {
                (stamp, age_millis, now_millis, Some(lease.token))
            }
            Begin::Wait { lease_left, .. } if !self.waited => {
                self.waited = true;
                return Ask::Wait(lease_left.min(MAX_WAIT));
            }
            // Enough waited: two load.
            Begin::Wait { stamp, age_millis, now_millis, .. } => (stamp, age_millis, now_millis, None),
        };
        let settling_millis = millis(lifetimes.settle).checked_sub(age_millis).filter(|left| *left > 0);
        Ask::Load(Some(Right { stamp, begun_at_millis: now_millis, settling_millis, lease }))
    }

    /// Redis's answer to the wish to keep what was loaded.
    pub(super) fn kept(&mut self, kept: Kept) {
        self.away |= kept == Kept::Away;
    }

    /// For how long, counted from before the load, what is loaded under this right may be shown; no end, where nothing speaks
    /// against it. The indexes may be behind, as the right says, or as this process knows. And where Redis was away, what is
    /// loaded may lack what nobody will tell of: it is shown while it is fresh, so that it is gone as soon as what lay in memory.
    pub(super) fn settling_millis(&self, right: Option<&Right>, lifetimes: &Lifetimes) -> Option<u64> {
        let young = right.and_then(|right| right.settling_millis);
        let known = self.settled_millis_ago.filter(|ago| *ago < 0).map(i64::unsigned_abs);
        let away = self.away.then(|| millis(lifetimes.memory));
        [young, known, away].into_iter().flatten().min()
    }

    /// A shared tier's value counts if it is whole, of the generation of now, and its time is neither over nor yet to come.
    fn judge(
        &self,
        tier: &'static str,
        bytes: Option<&Bytes>,
        lifetime: Duration,
        oldest: Duration,
        read: impl FnOnce(&Envelope) -> Result<V, CacheOutcome>,
    ) -> Result<(Envelope, Found<V>), CacheOutcome> {
        let (stamp, now_millis) = self.known.ok_or(CacheOutcome::Miss)?;
        let envelope = Envelope::decode(bytes.ok_or(CacheOutcome::Miss)?).ok_or(CacheOutcome::Error)?;
        if envelope.stamp != stamp {
            return Err(CacheOutcome::Miss);
        }
        let age = signed(now_millis.saturating_sub(envelope.filled_at_millis));
        if envelope.brief && self.settled_millis_ago.is_some_and(|settled_ago| age > settled_ago) {
            return Err(CacheOutcome::Miss);
        }
        let left = envelope.left_millis(now_millis, millis(oldest)).ok_or(CacheOutcome::Miss)?;
        let left = left.min(millis(lifetime));
        if left < self.at_least_millis {
            return Err(CacheOutcome::Miss);
        }
        let value = read(&envelope)?;
        let fresh = Freshness { millis: left, brief: envelope.brief };
        Ok((envelope, Found { value, fresh, tier }))
    }

    /// The tiers below memory on the way of what is shown, or, where that is nothing, of what was loaded.
    pub(super) fn steps(&self, found: Option<&Found<V>>) -> Vec<Step> {
        let (from, missed_l3, missed_l2) = match found {
            Some(found) => (trail::hit(found.tier, signed(found.fresh.millis)), false, found.tier == L3),
            None => (Step::Store, self.missed_l3, self.missed_l2),
        };
        let l3 = missed_l3.then(|| trail::miss(L3));
        let l2 = missed_l2.then(|| trail::miss(L2));
        [Some(from), l3, l2].into_iter().flatten().collect()
    }
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

impl Right {
    /// What is loaded under it, as a tier keeps it that shows it for so long.
    pub(super) fn envelope(&self, life_millis: u64, brief: bool, kind: u8, payload: Bytes) -> Envelope {
        Envelope {
            stamp: self.stamp,
            filled_at_millis: self.begun_at_millis,
            fresh_until_millis: self.begun_at_millis.saturating_add(life_millis),
            brief,
            kind,
            payload,
        }
    }
}

/// How a loaded value is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fill {
    pub memory: Freshness,
    /// How long in Redis.
    pub redis_millis: u64,
    /// How long in Memcached.
    pub memcached_millis: u64,
}

impl Fill {
    /// For what was loaded within `took_millis`, by which memory's part is shorter: it counts from before the load.
    /// `settling_millis` is for how long, counted from before the load too, the indexes may be behind: what was read of them is
    /// then loaded again.
    pub(super) fn new(lifetimes: &Lifetimes, settling_millis: Option<u64>, took_millis: u64, absent: bool) -> Self {
        let settled = settling_millis.map(|left| left.saturating_sub(took_millis));
        let absence = absent.then(|| millis(lifetimes.absence));
        let most = settled.into_iter().chain(absence).min();
        let within = |lifetime| most.unwrap_or(u64::MAX).min(millis(lifetime));
        let memory_millis = millis(lifetimes.memory).saturating_sub(took_millis);
        Self {
            memory: Freshness { millis: most.unwrap_or(u64::MAX).min(memory_millis), brief: most.is_some() },
            redis_millis: within(lifetimes.redis),
            memcached_millis: within(lifetimes.memcached),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_counts_from_before_the_load() {
        let lifetimes = Lifetimes::default();
        let fill = Fill::new(&lifetimes, None, 1_500, false);
        assert_eq!(fill.memory, Freshness { millis: 3_500, brief: false });
        assert_eq!(fill.redis_millis, 3_600_000, "that counts from the beginning in the envelope");
        assert_eq!(Fill::new(&lifetimes, Some(2_000), 1_500, false).memory, Freshness { millis: 500, brief: true });
        assert_eq!(Fill::new(&lifetimes, None, 60_000, false).memory.millis, 0);
    }
}
