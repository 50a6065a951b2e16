//! Things that no other test has: names, keys, random bytes.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};

use echoes_shared::{IdempotencyKey, Timestamp};

use crate::clock;

/// A name that begins with `prefix` and was never used in any run.
pub fn name(prefix: &str) -> String {
    format!("{prefix}-{:016x}", number())
}

/// A key for a create now.
pub fn key() -> IdempotencyKey {
    key_at(clock::now())
}

/// A key for a create at `at`.
pub fn key_at(at: Timestamp) -> IdempotencyKey {
    let mut bytes = [0; 10];
    for (byte, random) in bytes.iter_mut().zip(number().to_be_bytes().into_iter().chain(number().to_be_bytes())) {
        *byte = random;
    }
    IdempotencyKey::mint(at, &bytes)
}

/// A number that comes once: the standard library seeds its hashers at random.
fn number() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(COUNT.fetch_add(1, Ordering::Relaxed));
    hasher.write_u64(clock::now().millis());
    hasher.finish()
}
