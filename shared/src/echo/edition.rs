//! Which of two states of one echo is the later one.

use super::Echo;

/// Bits of an edition that hold `updatedAt`: milliseconds until the year 2248.
const TIME_BITS: u32 = 43;
/// Versions above this count as this one: a million edits of one echo.
const MAX_VERSION: u64 = (1 << (63 - TIME_BITS)) - 2;

/// Above the edition of every echo: what is gone does not come back, since ids are never used again.
pub const GONE: u64 = (1 << 63) - 1;

impl Echo {
    /// The place of this state among all states of the echo: its version, and of equal versions the later edit. It is below
    /// 2⁶³, which is what a search server takes for an external version.
    pub fn edition(&self) -> u64 {
        let time = self.updated_at.millis().min((1 << TIME_BITS) - 1);
        self.version.min(MAX_VERSION) << TIME_BITS | time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IdempotencyKey, NewEcho, Region, Timestamp};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn echo(version: u64, millis: u64) -> Echo {
        let key = IdempotencyKey::mint(Timestamp::from_millis(1_795_000_000_000), &[1; 10]);
        let content = NewEcho {
            emotion: crate::Emotion::Happy,
            s3_url: None,
            location: None,
            tags: None,
            transcript: None,
            detected_mood: None,
            metadata: None,
            days_to_live: None,
        };
        let echo = Echo::create("ana".parse().unwrap(), key, content, Region::EuWest1);
        Echo { version, updated_at: Timestamp::from_millis(millis), ..echo }
    }

    #[test]
    fn the_version_counts_first_and_then_the_time() {
        let states = [(1, 5), (1, 6), (2, 3), (2, u64::MAX), (3, 0), (u64::MAX, 0), (u64::MAX, u64::MAX)];
        for pair in states.windows(2) {
            let [before, after] = [pair[0], pair[1]].map(|(version, millis)| echo(version, millis).edition());
            assert!(before < after, "{pair:?}");
        }
        assert!(echo(u64::MAX, u64::MAX).edition() < GONE);
        assert!(i64::try_from(GONE).is_ok());
    }
}
