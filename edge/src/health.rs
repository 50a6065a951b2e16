//! Which regions answer, as this isolate has seen: a region that failed is avoided for a while and then probed.

use std::time::Duration;

use echoes_shared::policy::REQUEST_DEADLINE_MILLIS;
use echoes_shared::{Region, Timestamp};

/// How long a region is avoided after its first failure.
const FIRST_AVOIDANCE: Duration = Duration::from_secs(5);
/// How long it is avoided at most, before jitter.
const LONGEST_AVOIDANCE: Duration = Duration::from_secs(60);
/// A probe that has not been heard of for so long has died with its request.
const PROBE_MILLIS: u64 = REQUEST_DEADLINE_MILLIS;

/// The health of all regions.
#[derive(Debug, Clone, Default)]
pub struct HealthTable {
    us_east_1: Health,
    us_west_2: Health,
    eu_west_1: Health,
    ap_southeast_1: Health,
}

#[derive(Debug, Clone, Copy, Default)]
struct Health {
    /// Failures in a row, each at a time when the region was not being avoided.
    failures: u32,
    /// Whether the last failure was one of a core that is there and busy.
    busy: bool,
    /// Milliseconds since the epoch.
    avoid_until: u64,
    /// Milliseconds since the epoch; later than now while one request probes.
    probe_until: u64,
}

impl Health {
    fn is_avoided(&self, now: Timestamp) -> bool {
        now.millis() < self.avoid_until || (self.failures > 0 && now.millis() < self.probe_until)
    }
}

impl HealthTable {
    /// The regions in the order in which to ask them: the usable ones as given, then those that are avoided, for when nothing
    /// else is left.
    pub fn order(&self, nearest: &[Region], now: Timestamp) -> Vec<Region> {
        let those = |avoided| nearest.iter().copied().filter(move |&region| self.is_avoided(region, now) == avoided);
        those(false).chain(those(true)).collect()
    }

    /// Whether the region failed lately.
    pub fn is_avoided(&self, region: Region, now: Timestamp) -> bool {
        self.of(region).is_avoided(now)
    }

    /// Whether the region failed lately without a word: not even that it is busy.
    pub fn is_silent(&self, region: Region, now: Timestamp) -> bool {
        let health = self.of(region);
        health.is_avoided(now) && !health.busy
    }

    /// A request is about to ask the region. If that is to show whether it is well again, others avoid it meanwhile.
    pub fn begin(&mut self, region: Region, now: Timestamp) {
        let health = self.of_mut(region);
        if health.failures > 0 && !health.is_avoided(now) {
            health.probe_until = now.plus_millis(PROBE_MILLIS).millis();
        }
    }

    /// The region answered.
    pub fn succeeded(&mut self, region: Region) {
        *self.of_mut(region) = Health::default();
    }

    /// What came of the call says nothing of the region. If it was to show whether the region is well again, another may.
    pub fn not_known(&mut self, region: Region) {
        self.of_mut(region).probe_until = 0;
    }

    /// The region failed; `busy` where its core said so itself. `jitter` is any random byte: it spreads the probes of many
    /// isolates over a quarter either way.
    pub fn failed(&mut self, region: Region, now: Timestamp, jitter: u8, busy: bool) {
        let health = self.of_mut(region);
        health.busy = busy;
        // Requests that were under way together fail together; that is one failure, not many.
        if now.millis() < health.avoid_until {
            return;
        }
        let doubled = FIRST_AVOIDANCE.as_millis() << health.failures.min(8);
        let base = u64::try_from(doubled.min(LONGEST_AVOIDANCE.as_millis())).unwrap_or(u64::MAX);
        let spread = base / 2 * u64::from(jitter) / u64::from(u8::MAX);
        health.failures = health.failures.saturating_add(1);
        health.avoid_until = now.plus_millis(base * 3 / 4 + spread).millis();
        health.probe_until = 0;
    }

    fn of(&self, region: Region) -> &Health {
        match region {
            Region::UsEast1 => &self.us_east_1,
            Region::UsWest2 => &self.us_west_2,
            Region::EuWest1 => &self.eu_west_1,
            Region::ApSoutheast1 => &self.ap_southeast_1,
        }
    }

    fn of_mut(&mut self, region: Region) -> &mut Health {
        match region {
            Region::UsEast1 => &mut self.us_east_1,
            Region::UsWest2 => &mut self.us_west_2,
            Region::EuWest1 => &mut self.eu_west_1,
            Region::ApSoutheast1 => &mut self.ap_southeast_1,
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use Region::{ApSoutheast1, EuWest1, UsEast1, UsWest2};

    const NEAREST: [Region; 4] = [EuWest1, UsEast1, UsWest2, ApSoutheast1];
    const LEAST: u8 = 0;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_795_388_393_000 + seconds * 1_000)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_region_that_failed_comes_last_for_a_while() {
        let mut table = HealthTable::default();
        assert_eq!(table.order(&NEAREST, at(0)), NEAREST);
        table.failed(EuWest1, at(0), LEAST, false);
        assert_eq!(table.order(&NEAREST, at(3)), [UsEast1, UsWest2, ApSoutheast1, EuWest1]);
        assert_eq!(table.order(&NEAREST, at(4)), NEAREST);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn one_request_at_a_time_probes() {
        let mut table = HealthTable::default();
        table.failed(EuWest1, at(0), LEAST, false);
        table.begin(EuWest1, at(10));
        assert!(table.is_avoided(EuWest1, at(11)));
        // A probe that died with its request does not block the next for ever.
        assert!(!table.is_avoided(EuWest1, at(12)));
        table.begin(EuWest1, at(12));
        table.succeeded(EuWest1);
        assert!(!table.is_avoided(EuWest1, at(12)));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_probe_that_tells_nothing_makes_room_for_the_next() {
        let mut table = HealthTable::default();
        table.not_known(EuWest1);
        assert!(!table.is_avoided(EuWest1, at(0)));
        table.failed(EuWest1, at(0), LEAST, false);
        table.not_known(EuWest1);
        assert!(table.is_avoided(EuWest1, at(3)));
        table.begin(EuWest1, at(10));
        table.not_known(EuWest1);
        assert!(!table.is_avoided(EuWest1, at(10)));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn avoidance_doubles_to_a_minute() {
        let mut table = HealthTable::default();
        let mut now = 0;
        for expected in [5, 10, 20, 40, 60, 60, 60] {
            table.failed(UsEast1, at(now), u8::MAX, false);
            let longest = expected * 5 / 4;
            assert!(table.is_avoided(UsEast1, at(now + longest - 1)), "{expected}");
            assert!(!table.is_avoided(UsEast1, at(now + longest + 1)), "{expected}");
            now += longest + 1;
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_busy_region_is_avoided_and_not_silent() {
        let mut table = HealthTable::default();
        assert!(!table.is_silent(EuWest1, at(0)));
        table.failed(EuWest1, at(0), LEAST, true);
        assert!(table.is_avoided(EuWest1, at(1)) && !table.is_silent(EuWest1, at(1)));
        // The last word counts, also where it came with others.
        table.failed(EuWest1, at(1), LEAST, false);
        assert!(table.is_silent(EuWest1, at(1)));
        table.failed(EuWest1, at(2), LEAST, true);
        assert!(!table.is_silent(EuWest1, at(2)));
        table.succeeded(EuWest1);
        assert!(!table.is_silent(EuWest1, at(2)));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn requests_that_fail_together_count_once() {
        let mut table = HealthTable::default();
        for _ in 0..50 {
            table.failed(UsWest2, at(0), LEAST, false);
        }
        assert!(!table.is_avoided(UsWest2, at(4)));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn with_all_regions_down_all_are_tried_in_order() {
        let mut table = HealthTable::default();
        for region in NEAREST {
            table.failed(region, at(0), LEAST, false);
        }
        assert_eq!(table.order(&NEAREST, at(1)), NEAREST);
    }
}
