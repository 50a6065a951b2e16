//! Several people's timelines at once: side by side with a bound, under one deadline; one that cannot be read is named.

use std::time::Duration;

use echoes_shared::policy::MAX_ANSWER_BYTES;
use echoes_shared::query::TimelinesQuery;
use echoes_shared::{Problem, Slug, Timestamp, UserId};
use futures_util::{StreamExt as _, stream};

use super::{List, Service, ServiceError, Step, StoreError, Trail};
use crate::cache::{Head, Key};

/// People whose timelines are read at a time.
const IN_FLIGHT: usize = 16;
/// Bytes of all echoes of an answer: what the edge takes, less the names, the cursors and the problems.
const ECHOES_BYTES: usize = MAX_ANSWER_BYTES - 1024 * 1024;

/// The timelines of several people, each group in the order asked.
#[derive(Debug, Default)]
pub struct Timelines {
    /// Those that were read.
    pub read: Vec<(UserId, List)>,
    /// Those that were not, and why.
    pub failed: Vec<(UserId, ServiceError)>,
}

impl Timelines {
    /// Where the answer came from: the furthest way of its parts.
    pub fn trail(&self) -> Trail {
        furthest(self.read.iter().map(|(_, list)| &list.trail))
    }
}

impl Service {
    /// The newest echoes of each of these people, as far as they are read within `deadline`; an error where nobody's are.
    pub async fn timelines(
        &self,
        query: TimelinesQuery,
        now: Timestamp,
        deadline: Duration,
    ) -> Result<Timelines, ServiceError> {
        let people = query.users.len();
        // Nobody's long echoes take another's place, and what is held in memory is bounded before it is put together.
        let share_bytes = ECHOES_BYTES / people.max(1);
        let read_one = |(at, user): (usize, UserId)| async move {
            let key = Key::Timeline(user);
            let cut = |head: &Head| head.cut_within(query.limit, share_bytes, self.signer(&key));
            (at, self.head(&key, now, cut).await)
        };
        let answers: Vec<_> = stream::iter(query.users.clone().into_iter().enumerate())
            .map(read_one)
            .buffer_unordered(IN_FLIGHT)
            .take_until(tokio::time::sleep(deadline))
            .collect()
            .await;
        sort(query.users, answers)
    }
}

/// Puts what was answered in the order asked, and names those of whom nothing was.
fn sort(users: Vec<UserId>, answers: Vec<(usize, Result<List, StoreError>)>) -> Result<Timelines, ServiceError> {
    let late = || Err(Problem::new(Slug::Unavailable, "the store took too long").into());
    let mut people: Vec<_> = users.into_iter().map(|user| (user, late())).collect();
    for (at, answer) in answers {
        if let Some((_, place)) = people.get_mut(at) {
            *place = answer.map_err(ServiceError::from);
        }
    }
    let mut timelines = Timelines::default();
    for (user, outcome) in people {
        match outcome {
            Ok(list) => timelines.read.push((user, list)),
            Err(error) => timelines.failed.push((user, error)),
        }
    }
    match timelines.failed.pop_if(|_| timelines.read.is_empty()) {
        Some((_, error)) => Err(error),
        None => Ok(timelines),
    }
}

/// Of the ways in which the parts of an answer came here, the one that went furthest; of equal ones that of the least freshness.
fn furthest<'a>(trails: impl Iterator<Item = &'a Trail>) -> Trail {
    let rank = |trail: &&Trail| match trail.steps().first() {
        None | Some(Step::Store) => (usize::MAX, 0),
        Some(Step::Hit { ttl_seconds, .. }) => (trail.steps().len(), ttl_seconds.saturating_neg()),
        Some(Step::Miss { .. }) => (trail.steps().len(), i64::MAX),
    };
    trails.max_by_key(rank).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_came_the_furthest_way_of_its_parts() {
        let hit = |tier, ttl_seconds| Step::Hit { tier, ttl_seconds, stale: ttl_seconds < 0 };
        let miss = Step::Miss { tier: "l1", collapsed: false };
        let trails = [
            Trail::of([hit("l1", 4)]),
            Trail::of([hit("l1", -3)]),
            Trail::of([hit("l2", 30), miss]),
            Trail::of([Step::Store, miss]),
        ];
        for known in 1..=4 {
            assert_eq!(furthest(trails[..known].iter()), trails[known - 1]);
            assert_eq!(furthest(trails[..known].iter().rev()), trails[known - 1]);
        }
    }

    #[test]
    fn those_without_an_answer_are_named_and_the_order_is_kept() {
        let users = || ["a", "b", "c", "d"].map(|name| name.parse::<UserId>().unwrap()).to_vec();
        let list = || {
            let page = Head::new(&Key::Recent, &[], None).cut(1, |_| String::new());
            Ok(List { page, trail: Trail::default() })
        };
        let throttled = || Err(StoreError::Throttled { operation: "Query" });
        let sorted = sort(users(), vec![(3, list()), (1, throttled()), (0, list())]).unwrap();
        let names = |users: Vec<&UserId>| users.into_iter().map(UserId::to_string).collect::<Vec<_>>();
        assert_eq!(names(sorted.read.iter().map(|(user, _)| user).collect()), ["a", "d"]);
        assert_eq!(names(sorted.failed.iter().map(|(user, _)| user).collect()), ["b", "c"]);
        assert!(matches!(sort(users(), vec![(0, throttled())]), Err(ServiceError::Problem(_))));
        assert!(matches!(sort(users(), (0..4).map(|at| (at, throttled())).collect()), Err(ServiceError::Store(_))));
    }
}
