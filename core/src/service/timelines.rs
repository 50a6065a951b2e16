//! Several people's timelines at once: side by side with a bound, under one deadline; one that cannot be read is named.

use std::io;
use std::time::Duration;

use echoes_shared::policy::MAX_ANSWER_BYTES;
use echoes_shared::query::TimelinesQuery;
use echoes_shared::{Echo, Problem, Slug, Timestamp, UserId};
use futures_util::{StreamExt as _, stream};

use super::read::Scope;
use super::{List, Service, ServiceError, StoreError};
use crate::store::Page;

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

impl Service {
    /// The newest echoes of each of these people, as far as they are read within `deadline`; an error where nobody's are.
    pub async fn timelines(
        &self,
        query: TimelinesQuery,
        now: Timestamp,
        deadline: Duration,
    ) -> Result<Timelines, ServiceError> {
        let (limit, people) = (query.limit.into(), query.users.len());
        // Nobody's long echoes take another's place, and what is held in memory is bounded before it is put together.
        let share_bytes = ECHOES_BYTES / people.max(1);
        let read_one = |(at, user): (usize, UserId)| async move {
            let page = self.store.timeline(&user, limit, None, now).await;
            let list = page.map(|page| self.list(&Scope::Timeline(&user, None), cut(page, share_bytes)));
            (at, list)
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

/// The page up to so many bytes, one echo at least; its cursor then goes on behind them.
fn cut(mut page: Page, max_bytes: usize) -> Page {
    let mut left_bytes = max_bytes;
    let fits = |echo: &&Echo| {
        let rest = left_bytes.checked_sub(bytes(echo));
        left_bytes = rest.unwrap_or_default();
        rest.is_some()
    };
    let count = page.echoes.iter().take_while(fits).count().max(1);
    if count < page.echoes.len() {
        page.echoes.truncate(count);
        page.next = page.echoes.last().map(|echo| echo.echo_id);
    }
    page
}

/// How long an echo is in an answer.
fn bytes(echo: &Echo) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(1);
    // Neither an echo nor a counter can fail; if one did, the echo would be thought shorter than it is.
    let _ = serde_json::to_writer(&mut counter, echo);
    counter.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use echoes_shared::{EchoId, Emotion, IdempotencyKey, NewEcho, Region};

    fn page(count: u8) -> Page {
        let content = |n: u8| NewEcho {
            emotion: Emotion::Calm,
            s3_url: None,
            location: None,
            tags: None,
            transcript: Some("x".repeat(usize::from(n))),
            detected_mood: None,
            metadata: None,
            days_to_live: None,
        };
        let key = |n: u8| IdempotencyKey::mint(Timestamp::from_millis(1_795_388_393_372), &[n; 10]);
        let echo = |n: u8| Echo::create("ana".parse().unwrap(), key(n), content(n), Region::EuWest1);
        Page { echoes: (0..count).map(echo).collect(), next: None }
    }

    fn ids(page: &Page) -> Vec<EchoId> {
        page.echoes.iter().map(|echo| echo.echo_id).collect()
    }

    #[test]
    fn a_page_is_cut_where_its_bytes_end_and_goes_on_there() {
        let whole = page(9);
        let all: usize = whole.echoes.iter().map(bytes).sum();
        assert_eq!(cut(whole.clone(), all), whole);
        assert_eq!(bytes(&whole.echoes[1]), serde_json::to_vec(&whole.echoes[1]).unwrap().len() + 1);
        for (max_bytes, count) in [(all - 1, 8), (bytes(&whole.echoes[0]) + 5, 1), (0, 1)] {
            let rest = cut(whole.clone(), max_bytes);
            assert_eq!(ids(&rest), ids(&whole)[..count]);
            assert_eq!(rest.next, Some(whole.echoes[count - 1].echo_id));
        }
        assert_eq!(cut(page(0), 0), page(0));
    }

    #[test]
    fn those_without_an_answer_are_named_and_the_order_is_kept() {
        let users = || ["a", "b", "c", "d"].map(|name| name.parse::<UserId>().unwrap()).to_vec();
        let list = || Ok(List::default());
        let throttled = || Err(StoreError::Throttled { operation: "Query" });
        let sorted = sort(users(), vec![(3, list()), (1, throttled()), (0, list())]).unwrap();
        let names = |users: Vec<&UserId>| users.into_iter().map(UserId::to_string).collect::<Vec<_>>();
        assert_eq!(names(sorted.read.iter().map(|(user, _)| user).collect()), ["a", "d"]);
        assert_eq!(names(sorted.failed.iter().map(|(user, _)| user).collect()), ["b", "c"]);
        assert!(matches!(sort(users(), vec![(0, throttled())]), Err(ServiceError::Problem(_))));
        assert!(matches!(sort(users(), (0..4).map(|at| (at, throttled())).collect()), Err(ServiceError::Store(_))));
    }
}
