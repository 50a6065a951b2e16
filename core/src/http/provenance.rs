//! Where an answer from the caches came from and how long that took, as `Cache-Status` (RFC 9211) and `Server-Timing` tell it.

use std::time::Duration;

use super::answer;
use super::header::Text;
use crate::service::{Step, Trail};

/// The store had it.
pub(super) const FROM_STORE: &str = "echoes-store; fwd=miss";

/// The members from the origin to the caller.
pub(super) fn cache_status(trail: &Trail) -> Text {
    let mut text = Text::new();
    for step in trail.steps() {
        if !text.is_empty() {
            text.push(", ");
        }
        match *step {
            Step::Store => text.push(FROM_STORE),
            Step::Hit { tier, ttl_seconds, stale } => {
                text.push("echoes-");
                text.push(tier);
                text.push("; hit; ttl=");
                text.push_number(ttl_seconds);
                text.push(if stale { "; detail=stale" } else { "" });
            }
            Step::Miss { tier, collapsed } => {
                text.push("echoes-");
                text.push(tier);
                text.push(if collapsed { "; fwd=miss; collapsed" } else { "; fwd=miss" });
            }
        }
    }
    if text.is_empty() {
        text.push(FROM_STORE);
    }
    text
}

/// How long the tier that had it took, or the store.
pub(super) fn timing(trail: &Trail, took: Duration) -> Text {
    let mut text = Text::new();
    match trail.steps().first() {
        Some(Step::Hit { tier, .. }) => {
            let hundredths = took.as_secs() * 100_000 + u64::from(took.subsec_micros() / 10);
            text.push(tier);
            text.push(";dur=");
            text.push_number(hundredths / 100);
            text.push(if hundredths % 100 < 10 { ".0" } else { "." });
            text.push_number(hundredths % 100);
        }
        _ => text.push(&answer::timing(took)),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiers_are_named_from_the_origin_to_the_caller() {
        let hit = |tier, ttl_seconds| Step::Hit { tier, ttl_seconds, stale: ttl_seconds < 0 };
        let miss = |tier, collapsed| Step::Miss { tier, collapsed };
        for (steps, text) in [
            (vec![], "echoes-store; fwd=miss"),
            (vec![hit("l1", 4)], "echoes-l1; hit; ttl=4"),
            (vec![hit("l1", -12)], "echoes-l1; hit; ttl=-12; detail=stale"),
            (vec![hit("l2", 3_100), miss("l1", false)], "echoes-l2; hit; ttl=3100, echoes-l1; fwd=miss"),
            (
                vec![Step::Store, miss("l2", false), miss("l1", true)],
                "echoes-store; fwd=miss, echoes-l2; fwd=miss, echoes-l1; fwd=miss; collapsed",
            ),
        ] {
            assert_eq!(cache_status(&Trail::of(steps)).as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn a_hit_is_timed_in_hundredths_of_a_millisecond() {
        let hit = Trail::of([Step::Hit { tier: "l1", ttl_seconds: 4, stale: false }]);
        for (micros, text) in
            [(0, "l1;dur=0.00"), (59, "l1;dur=0.05"), (1_230, "l1;dur=1.23"), (2_000_990, "l1;dur=2000.99")]
        {
            assert_eq!(timing(&hit, Duration::from_micros(micros)).as_bytes(), text.as_bytes());
        }
        assert_eq!(timing(&Trail::default(), Duration::from_micros(1_230)).as_bytes(), b"dynamodb;dur=1.2");
    }
}
