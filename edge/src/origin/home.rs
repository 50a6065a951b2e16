//! Edits and deletes: any core may be asked, the echo's home decides, and when that is down the nearest healthy core does.
//!
//! A home that says that it is busy is not down: it may take another write of the same echo in the next moment, and one of the two
//! would be lost. So nobody stands in for it, and its 503 is the answer.

use std::collections::VecDeque;

use echoes_shared::{Region, Timestamp};

use super::answer::{Answer, Failure};
use super::attempts::Budget;
use super::{Call, Unavailable, attempt, is_silent, order};
use crate::clock;
use crate::config::OriginConfig;

/// What is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    region: Region,
    fallback: bool,
}

/// How a search goes on after what a region said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// With the next call.
    On,
    /// Not at all: this region is the home, and it is busy.
    Busy(Region),
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
    /// Those of them that were busy: one of them may turn out to be the home.
    busy: Vec<Region>,
    /// Whether those asked from now on, the home excepted, stand in for it.
    fallback: bool,
}

impl Search {
    fn new(order: Vec<Region>) -> Self {
        let (home, asked, excluded, busy) = (None, Vec::new(), Vec::new(), Vec::new());
        Self { candidates: order.into(), home, asked, excluded, busy, fallback: false }
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
    fn failed(&mut self, region: Region) -> Turn {
        self.excluded.push(region);
        Turn::On
    }

    /// The region is there and busy. Where it is the home, that is the answer.
    fn busy(&mut self, step: Step) -> Turn {
        // Once the home is known, only the home is asked without a fallback.
        if self.fallback && !step.fallback {
            return Turn::Busy(step.region);
        }
        self.busy.push(step.region);
        self.excluded.push(step.region);
        Turn::On
    }

    /// The region says that another is the home. A home that is known to be down, or was asked already, is not asked: the
    /// region that named it stands in, being the nearest healthy one.
    fn sent_on(&mut self, from: Region, home: Region, home_is_down: bool) -> Turn {
        if self.busy.contains(&home) {
            return Turn::Busy(home);
        }
        self.candidates.push_front(from);
        self.fallback = true;
        if home_is_down || self.asked.contains(&home) {
            self.excluded.push(home);
            self.excluded.retain(|region| *region != from);
        } else {
            self.home = Some(home);
        }
        Turn::On
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

/// Whether the region has a core that was not silent lately. One that was busy is asked all the same.
fn is_reachable(config: &OriginConfig, region: Region) -> bool {
    config.core(region).is_some() && !is_silent(region)
}

async fn run(
    mut search: Search,
    mut call: Call,
    config: &OriginConfig,
    began: Timestamp,
) -> Result<Answer, Unavailable> {
    let budget = Budget::new(began);
    let mut busy: Vec<Answer> = Vec::new();
    while let Some(step) = search.next() {
        if budget.is_spent(clock::now()) {
            break;
        }
        call.fallback = step.fallback;
        let turn = match attempt(&call, config, step.region, &budget, search.expected(step)).await {
            Err(Failure::Busy(answer)) => {
                busy.push(*answer);
                search.busy(step)
            }
            Err(_) => search.failed(step.region),
            Ok(answer) => match answer.home() {
                Some(home) if !step.fallback => search.sent_on(step.region, home, !is_reachable(config, home)),
                // A misdirected call without a home that we know, or in spite of the fallback.
                _ if answer.status == 421 => search.failed(step.region),
                _ => return Ok(answer),
            },
        };
        if let Turn::Busy(home) = turn {
            return busy.into_iter().find(|answer| answer.region == home).ok_or(Unavailable);
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
    fn nobody_stands_in_for_a_home_that_is_busy() {
        let mut search = search();
        search.next();
        assert_eq!(search.sent_on(EuWest1, UsWest2, false), Turn::On);
        let home = search.next().unwrap();
        assert_eq!(Some(home), step(UsWest2, false));
        assert_eq!(search.busy(home), Turn::Busy(UsWest2));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_busy_region_that_turns_out_to_be_the_home_has_answered() {
        let mut search = search();
        let nearest = search.next().unwrap();
        assert_eq!(search.busy(nearest), Turn::On, "any region may be the home");
        search.next();
        assert_eq!(search.sent_on(UsEast1, EuWest1, false), Turn::Busy(EuWest1));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn busy_regions_are_no_reason_to_leave_a_home_or_to_stand_in() {
        let mut search = search();
        let nearest = search.next().unwrap();
        search.busy(nearest);
        search.next();
        assert_eq!(search.sent_on(UsEast1, UsWest2, false), Turn::On);
        assert_eq!(search.next(), step(UsWest2, false));
        search.failed(UsWest2);
        // The home is down; those who stand in may be busy too.
        let first = search.next().unwrap();
        assert_eq!(Some(first), step(UsEast1, true));
        assert_eq!(search.busy(first), Turn::On);
        assert_eq!(search.next(), step(ApSoutheast1, true));
        assert_eq!(search.next(), None);
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
