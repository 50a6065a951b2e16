//! Which emotions' feeds were asked for lately, and whose turn it is to keep them warm.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use echoes_shared::{Emotion, Timestamp};

use super::Cache;

/// Milliseconds of a slot.
const SLOT_MILLIS: u64 = 10 * 60 * 1_000;
/// Slots that are counted together: the last hour, and what has passed of the present ten minutes.
const SLOTS: usize = 7;

/// Requests for each emotion's feed in the last hour, of this process.
#[derive(Debug, Default)]
pub(super) struct Popular(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// The number of the latest slot since the epoch.
    latest: u64,
    /// The slots in a ring, each with a count for each emotion in the order of the vocabulary.
    slots: [[u32; Emotion::ALL.len()]; SLOTS],
    /// What the region's other processes have not been told of yet.
    unshared: [u64; Emotion::ALL.len()],
}

impl Cache {
    /// Somebody asked for the feed of `emotion`.
    pub fn asked(&self, emotion: Emotion, now: Timestamp) {
        self.0.popular.asked(emotion, now);
    }

    /// Adds what this process was asked for since the last time to what the region knows.
    pub async fn share_popular(&self) {
        let Some(redis) = &self.0.redis else { return };
        let hits = self.0.popular.take_unshared();
        let hits: Vec<_> = hits.iter().map(|(emotion, hits)| (emotion.as_str(), *hits)).collect();
        redis.popular_add(&hits).await;
    }

    /// The emotions whose feeds the region was asked for in the last hour or so, or this process where it knows of no other; the
    /// most popular first.
    pub async fn popular(&self, now: Timestamp) -> Vec<Emotion> {
        let known = match &self.0.redis {
            Some(redis) => redis.popular().await,
            None => Vec::new(),
        };
        let known: Vec<_> = known.iter().filter_map(|name| name.parse().ok()).collect();
        if known.is_empty() { self.0.popular.ranked(now) } else { known }
    }

    /// Whether this process may do what one of the region does in such a time.
    pub async fn take_turn(&self, what: &str, lifetime: Duration) -> bool {
        match &self.0.redis {
            Some(redis) => redis.take_turn(what, lifetime).await,
            None => true,
        }
    }
}

impl Popular {
    /// Counts a request.
    pub(super) fn asked(&self, emotion: Emotion, now: Timestamp) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.go_on_to(now);
        let at = place(counts.latest);
        let count = counts.slots.get_mut(at).and_then(|slot| slot.get_mut(number(emotion)));
        if let Some(count) = count {
            *count = count.saturating_add(1);
        }
        if let Some(hits) = counts.unshared.get_mut(number(emotion)) {
            *hits = hits.saturating_add(1);
        }
    }

    fn take_unshared(&self) -> Vec<(Emotion, u64)> {
        let hits = {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            mem::replace(&mut counts.unshared, [0; Emotion::ALL.len()])
        };
        Emotion::ALL.iter().copied().zip(hits).filter(|(_, hits)| *hits > 0).collect()
    }

    /// The emotions that were asked for, the most popular first.
    pub(super) fn ranked(&self, now: Timestamp) -> Vec<Emotion> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.go_on_to(now);
        let total = |emotion: Emotion| -> u64 {
            counts.slots.iter().filter_map(|slot| slot.get(number(emotion))).map(|&count| u64::from(count)).sum()
        };
        let mut ranked: Vec<_> = Emotion::ALL.iter().map(|&emotion| (total(emotion), emotion)).collect();
        ranked.retain(|(total, _)| *total > 0);
        ranked.sort_by_key(|(total, _)| std::cmp::Reverse(*total));
        ranked.into_iter().map(|(_, emotion)| emotion).collect()
    }
}

impl Counts {
    /// Empties the slots that have passed. A clock that was set back counts into the latest one.
    fn go_on_to(&mut self, now: Timestamp) {
        let slot = now.millis() / SLOT_MILLIS;
        for passed in self.latest.saturating_add(1)..=slot.min(self.latest.saturating_add(SLOTS as u64)) {
            if let Some(counts) = self.slots.get_mut(place(passed)) {
                *counts = Default::default();
            }
        }
        // After a long pause all slots have been emptied, whichever they were.
        self.latest = self.latest.max(slot);
    }
}

fn place(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or_default()
}

fn number(emotion: Emotion) -> usize {
    Emotion::ALL.iter().position(|&other| other == emotion).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hour_counts() {
        let popular = Popular::default();
        let at = |minutes: u64| Timestamp::from_millis(1_795_388_400_000 + minutes * 60_000);
        for (minutes, emotion) in [(0, Emotion::Sad), (0, Emotion::Sad), (5, Emotion::Calm), (50, Emotion::Calm)] {
            popular.asked(emotion, at(minutes));
        }
        popular.asked(Emotion::Bored, at(51));
        assert_eq!(popular.take_unshared(), [(Emotion::Calm, 2), (Emotion::Sad, 2), (Emotion::Bored, 1)]);
        assert_eq!(popular.take_unshared(), []);
        assert_eq!(popular.ranked(at(59))[2..], [Emotion::Bored]);
        assert_eq!(popular.ranked(at(61)).len(), 3);
        assert_eq!(popular.ranked(at(80)), [Emotion::Calm, Emotion::Bored]);
        popular.asked(Emotion::Sad, at(20));
        assert_eq!(popular.ranked(at(81)).len(), 3, "a clock that was set back does no harm");
        assert_eq!(popular.ranked(at(200)), []);
        assert_eq!(popular.ranked(at(200_000)), []);
    }
}
