//! What a walk counts, in a form that regions can compare: how many echoes still live, and the sum of all graves.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use echoes_shared::policy::TOMBSTONE_DAYS;
use echoes_shared::{EchoId, Timestamp, keys};

/// Tombstones that may be swept within so many days of the request are left out of the sum: regions sweep at different times.
/// Whatever such a tombstone buried has been dead for the other six days.
const LASTING_DAYS: u32 = 1;
const _: () = assert!(LASTING_DAYS < TOMBSTONE_DAYS);

/// What a walk found. Two regions with equal tallies hold the very same tombstones, the chance of 2⁻⁶⁴ apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Tombstones.
    pub graves: u64,
    /// The sum of their digests, which is the same in any order.
    pub sum: u64,
    /// Echoes that the walk left alive: another region's to bury, or changed while they were buried.
    pub living: u64,
}

/// A tombstone under its base key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grave<'a> {
    pub hash: &'a str,
    pub id: EchoId,
    /// As it stands in the item.
    pub deleted_at: &'a str,
    /// Epoch seconds.
    pub ttl: u64,
}

impl Tally {
    /// Adds a tombstone to what an erasure up to a time has found.
    pub(super) fn add(&mut self, grave: Grave<'_>, up_to: Timestamp) {
        if grave.ttl < up_to.plus_days(LASTING_DAYS).epoch_seconds() {
            return;
        }
        self.graves = self.graves.wrapping_add(1);
        self.sum = self.sum.wrapping_add(grave.digest());
    }
}

impl Grave<'_> {
    fn digest(self) -> u64 {
        let mut hash = Sha256::new();
        for part in [self.hash, &keys::sort_key(self.id), self.deleted_at] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.finalize().iter().take(8).fold(0, |sum, &byte| sum << 8 | u64::from(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP_TO: Timestamp = Timestamp::from_millis(1_795_388_393_372);

    fn grave(hash: &str) -> Grave<'_> {
        let id = "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20".parse().unwrap();
        Grave { hash, id, deleted_at: "2026-11-22T22:59:53.372Z", ttl: UP_TO.plus_days(7).epoch_seconds() }
    }

    #[test]
    fn order_does_not_matter_and_content_does() {
        let sum = |graves: &[Grave<'_>]| {
            let mut tally = Tally::default();
            graves.iter().for_each(|grave| tally.add(*grave, UP_TO));
            tally
        };
        let (base, bucket) = (grave("ana"), grave("ana#202611"));
        assert_eq!(sum(&[base, bucket]), sum(&[bucket, base]));
        assert_eq!(sum(&[base, bucket]).graves, 2);
        assert_ne!(sum(&[base]), sum(&[bucket]));
        // Another tombstone in the same place is another tombstone.
        assert_ne!(sum(&[base]), sum(&[Grave { deleted_at: "2026-11-22T22:59:53.373Z", ..base }]));
    }

    #[test]
    fn graves_about_to_be_swept_do_not_count() {
        let mut tally = Tally::default();
        tally.add(Grave { ttl: UP_TO.plus_days(1).epoch_seconds() - 1, ..grave("ana") }, UP_TO);
        assert_eq!(tally, Tally::default());
    }
}
