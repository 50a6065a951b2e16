//! The sample echoes of an empty stack: the same people, places and words on every machine, the last of them of today.

mod content;
pub mod load;
mod people;
mod places;
mod words;

use echoes_shared::{IdempotencyKey, NewEcho, Region, Timestamp, UserId};
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use people::{Person, people};

/// How many echoes there are.
pub const SAMPLES: usize = 2_000;
/// How far back they reach.
const DAYS: u64 = 120;
/// Anything would do; changing it changes every sample.
const SEED: u64 = 20_261_122;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// One echo to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Who says it.
    pub user: UserId,
    /// The create's name; its millisecond is the echo's.
    pub key: IdempotencyKey,
    /// Where it is written: the region nearest to the person.
    pub region: Region,
    /// What is said.
    pub new_echo: NewEcho,
}

/// Every sample as of `now`, in no particular order; a function of the millisecond `now`.
///
/// They lie in the 120 days before `now`, more of them lately, as in a service that grows.
#[must_use]
pub fn samples(now: Timestamp) -> Vec<Sample> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let people = people();
    let weight_total: u32 = people.iter().map(|person| person.weight).sum();
    (0..SAMPLES)
        .filter_map(|_| {
            let person = speaker(&people, random.random_range(0..weight_total.max(1)))?;
            let at = now.minus_millis(age_millis(&mut random));
            let mut bits = [0; 10];
            random.fill_bytes(&mut bits);
            Some(Sample {
                user: person.user.clone(),
                key: IdempotencyKey::mint(at, &bits),
                region: person.home.region,
                new_echo: content::new_echo(person, at, &mut random),
            })
        })
        .collect()
}

/// The person at `point` of a line on which each has as long a part as a weight.
fn speaker(people: &[Person], mut point: u32) -> Option<&Person> {
    for person in people {
        match point.checked_sub(person.weight) {
            Some(rest) => point = rest,
            None => return Some(person),
        }
    }
    None
}

/// The square of a uniform number: a quarter of the echoes lie in the last sixteenth of the time.
fn age_millis(random: &mut impl Rng) -> u64 {
    let share: u64 = random.random_range(0..10_000);
    let day = DAYS * DAY_MILLIS;
    // A minute at least, so that no clock calls a sample one of the future.
    60_000 + (day - DAY_MILLIS) / 10_000 * share / 10_000 * share + random.random_range(0..DAY_MILLIS / 2)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use echoes_shared::{Echo, Emotion, validate};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_400_000_000);

    #[test]
    fn the_same_moment_gives_the_same_samples() {
        assert_eq!(samples(NOW), samples(NOW));
        assert_eq!(samples(NOW).len(), SAMPLES);
    }

    #[test]
    fn samples_are_spread_as_a_service_would_have_them() {
        let all = samples(NOW);
        let mut users = BTreeMap::<_, u32>::new();
        let mut regions = BTreeMap::<_, u32>::new();
        let mut emotions = BTreeSet::new();
        for sample in &all {
            *users.entry(sample.user.clone()).or_default() += 1;
            *regions.entry(sample.region).or_default() += 1;
            emotions.insert(sample.new_echo.emotion);
            assert!(NOW.millis_since(sample.key.timestamp()) <= DAYS * DAY_MILLIS);
            assert!(sample.key.timestamp() < NOW);
        }
        assert!(users.len() >= 55, "{}", users.len());
        assert!(users.values().filter(|&&count| count > 100).count() >= 2, "{users:?}");
        assert_eq!(regions.len(), 4);
        assert!(regions.values().all(|&count| count >= 300), "{regions:?}");
        assert_eq!(emotions.len(), Emotion::ALL.len());
        let share = |test: fn(&NewEcho) -> bool| all.iter().filter(|sample| test(&sample.new_echo)).count();
        assert!(share(|echo| echo.location.is_none()) > 50);
        assert!(share(|echo| echo.transcript.is_none()) > 50);
        assert!((5..100).contains(&share(|echo| echo.days_to_live.is_some())));
    }

    #[test]
    fn every_sample_is_one_that_the_edge_would_take() {
        let mut ids = BTreeSet::new();
        for sample in samples(NOW) {
            let body = serde_json::to_vec(&sample.new_echo).unwrap();
            let taken = validate::new_echo(&body, &sample.user, None).unwrap();
            assert_eq!(taken, sample.new_echo);
            let echo = Echo::create(sample.user, sample.key, sample.new_echo, sample.region);
            assert!(echo.lives_at(NOW));
            assert!(ids.insert(echo.echo_id));
        }
    }
}
