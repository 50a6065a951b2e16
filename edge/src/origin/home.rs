//! Edits and deletes: any core may be asked, the echo's home decides, and when that is down the nearest healthy core does.

use std::collections::VecDeque;

use echoes_shared::{Region, Timestamp};

use super::answer::Answer;
use super::attempts::Budget;
use super::{Call, Unavailable, attempt, is_avoided, order};
use crate::clock;
use crate::config::OriginConfig;

/// What is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    region: Region,
    fallback: bool,
}

/// How the search for the home goes. It decides and does no I/O.
#[derive(Debug)]
struct Search {
    /// Regions not yet asked where the home is, or not yet asked to stand in for it.
    candidates: VecDeque<Region>,
    /// The home, once a core has named it, until it has been asked.
    home: Option<Region>,
    /// Regions that were asked without a fallback.
    asked: Vec<Region>,
    /// Regions that failed, and a home that is down.
    excluded: Vec<Region>,
    /// Whether those asked from now on, the home excepted, stand in for it.
    fallback: bool,
}

impl Search {
    fn new(order: Vec<Region>) -> Self {
        Self { candidates: order.into(), home: None, asked: Vec::new(), excluded: Vec::new(), fallback: false }
    }

    /// The next call, or `None` when nobody is left.
    fn next(&mut self) -> Option<Step> {
        if let Some(region) = self.home.take() {
            self.asked.push(region);
            return Some(Step { region, fallback: false });
        }
        while let Some(region) = self.candidates.pop_front() {
            if !self.excluded.contains(&region) {
                self.asked.push(region);
                return Some(Step { region, fallback: self.fallback });
            }
        }
        None
    }

    /// How many calls are still to be expected: the one to come, the home, and the one that stands in for it.
    const fn expected(&self, step: Step) -> usize {
        match (step.fallback, self.fallback) {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }
    }

    /// The region did not answer.
    fn failed(&mut self, region: Region) {
        self.excluded.push(region);
    }

    /// The region says that another is the home. A home that is known to be down, or was asked already, is not asked: the
    /// region that named it stands in, being the nearest healthy one.
    fn sent_on(&mut self, from: Region, home: Region, home_is_down: bool) {
        self.candidates.push_front(from);
        self.fallback = true;
        if home_is_down || self.asked.contains(&home) {
            self.excluded.push(home);
            self.excluded.retain(|region| *region != from);
        } else {
            self.home = Some(home);
        }
    }
}

/// Asks for what an echo's home decides. It may be done twice: by a home that did not answer in time, and by the region that
/// then stands in for it. `began` is when somebody began to wait for it.
pub async fn ask_home(
    call: Call,
    config: &OriginConfig,
    nearest: &[Region],
    began: Timestamp,
) -> Result<Answer, Unavailable> {
    run(Search::new(order(config, nearest)), call, config, began).await
}

/// Asks for what `from` was asked for already and says that `home` must do.
pub async fn sent_on(
    call: Call,
    config: &OriginConfig,
    nearest: &[Region],
    began: Timestamp,
    from: Region,
    home: Region,
) -> Result<Answer, Unavailable> {
    let others = order(config, nearest).into_iter().filter(|region| *region != from).collect();
    let mut search = Search { asked: vec![from], ..Search::new(others) };
    search.sent_on(from, home, !is_reachable(config, home));
    run(search, call, config, began).await
}

/// Whether the region has a core that did not fail lately.
fn is_reachable(config: &OriginConfig, region: Region) -> bool {
    config.core(region).is_some() && !is_avoided(region)
}

async fn run(
    mut search: Search,
    mut call: Call,
    config: &OriginConfig,
    began: Timestamp,
) -> Result<Answer, Unavailable> {
    let budget = Budget::new(began);
    while let Some(step) = search.next() {
        if budget.is_spent(clock::now()) {
            break;
        }
        call.fallback = step.fallback;
        match attempt(&call, config, step.region, &budget, search.expected(step)).await {
            None => search.failed(step.region),
            Some(answer) => match answer.home() {
                Some(home) if !step.fallback => {
                    search.sent_on(step.region, home, !is_reachable(config, home));
                }
                // A misdirected call without a home that we know, or in spite of the fallback.
                _ if answer.status == 421 => search.failed(step.region),
                _ => return Ok(answer),
            },
        }
    }
    Err(Unavailable)
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use Region::{ApSoutheast1, EuWest1, UsEast1, UsWest2};

    fn search() -> Search {
        Search::new(vec![EuWest1, UsEast1, UsWest2, ApSoutheast1])
    }

    fn step(region: Region, fallback: bool) -> Option<Step> {
        Some(Step { region, fallback })
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_home_is_asked_when_the_nearest_names_it() {
        let mut search = search();
        assert_eq!(search.next(), step(EuWest1, false));
        search.sent_on(EuWest1, ApSoutheast1, false);
        assert_eq!(search.next(), step(ApSoutheast1, false));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_home_that_is_down_is_stood_in_for_by_the_nearest() {
        let mut search = search();
        search.next();
        search.sent_on(EuWest1, ApSoutheast1, false);
        search.next();
        search.failed(ApSoutheast1);
        assert_eq!(search.next(), step(EuWest1, true));
        search.failed(EuWest1);
        assert_eq!(search.next(), step(UsEast1, true));
        assert_eq!(search.next(), step(UsWest2, true));
        assert_eq!(search.next(), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_home_known_to_be_down_is_not_asked() {
        let mut search = search();
        search.next();
        search.sent_on(EuWest1, UsEast1, true);
        assert_eq!(search.next(), step(EuWest1, true));
        assert_eq!(search.next(), step(UsWest2, true));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_dead_nearest_is_passed_over() {
        let mut search = search();
        search.next();
        search.failed(EuWest1);
        assert_eq!(search.next(), step(UsEast1, false));
        search.sent_on(UsEast1, EuWest1, true);
        assert_eq!(search.next(), step(UsEast1, true));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn regions_that_send_us_round_in_circles_are_left() {
        let mut search = search();
        let mut steps = 0;
        while let Some(Step { region, fallback }) = search.next() {
            steps += 1;
            if fallback {
                search.failed(region);
            } else {
                let home = if region == EuWest1 { UsEast1 } else { EuWest1 };
                search.sent_on(region, home, false);
            }
        }
        assert!(steps <= 7, "{steps}");
    }
}
