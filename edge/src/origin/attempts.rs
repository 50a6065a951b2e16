//! Divides one deadline among the attempts of a request.

use echoes_shared::Timestamp;
use echoes_shared::policy::{ATTEMPT_MILLIS, REQUEST_DEADLINE_MILLIS};

/// An attempt is worth making only with so many milliseconds for it.
const LEAST_MILLIS: u64 = 50;

/// What is left of a request's time.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    ends: Timestamp,
}

impl Budget {
    /// The whole time, from now.
    pub const fn new(now: Timestamp) -> Self {
        Self { ends: now.plus_millis(REQUEST_DEADLINE_MILLIS) }
    }

    /// Milliseconds for the next attempt: an equal share of what is left, so that a region that hangs costs its share
    /// and no more. Where something else took part of the time, the last attempts go short and not the first, which then
    /// still tells whether the nearest region hangs.
    pub fn share_millis(&self, now: Timestamp, attempts_left: usize) -> u32 {
        let left = self.ends.millis_since(now);
        let share = left / u64::try_from(attempts_left.max(1)).unwrap_or(1);
        u32::try_from(share.max(left.min(ATTEMPT_MILLIS)).max(LEAST_MILLIS)).unwrap_or(u32::MAX)
    }

    /// Whether there is no time for another attempt.
    pub const fn is_spent(&self, now: Timestamp) -> bool {
        self.ends.millis_since(now) < LEAST_MILLIS
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_795_388_393_000 + millis)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn three_hung_regions_take_the_deadline_and_no_more() {
        let budget = Budget::new(at(0));
        let mut now = 0;
        for left in [3, 2, 1] {
            assert!(!budget.is_spent(at(now)));
            let share = u64::from(budget.share_millis(at(now), left));
            assert!((600..=700).contains(&share), "{share}");
            now += share;
        }
        assert_eq!(now, REQUEST_DEADLINE_MILLIS);
        assert!(budget.is_spent(at(now)));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn time_that_a_quick_failure_saved_goes_to_the_rest() {
        let budget = Budget::new(at(0));
        assert_eq!(budget.share_millis(at(2), 2), 999);
        assert_eq!(budget.share_millis(at(2), 0), 1_998);
        assert_eq!(u64::from(budget.share_millis(at(9_999), 1)), LEAST_MILLIS);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn time_that_was_lost_is_taken_from_the_last() {
        let budget = Budget::new(at(0));
        assert_eq!(u64::from(budget.share_millis(at(900), 3)), ATTEMPT_MILLIS);
        assert_eq!(u64::from(budget.share_millis(at(900 + ATTEMPT_MILLIS), 2)), 1_100 - ATTEMPT_MILLIS);
    }
}
