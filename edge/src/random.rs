//! Random bytes, drawn from the runtime in batches: a call for each request id would cost more than the id.

use std::cell::RefCell;

use echoes_shared::Timestamp;

use crate::runtime::fill_random;

const POOL_BYTES: usize = 1_024;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_BYTES], used: POOL_BYTES }) };
}

struct Pool {
    bytes: [u8; POOL_BYTES],
    used: usize,
}

/// `N` random bytes, at most as many as the pool holds.
pub fn bytes<const N: usize>() -> [u8; N] {
    const { assert!(N <= POOL_BYTES) };
    POOL.with_borrow_mut(|pool| {
        if POOL_BYTES - pool.used < N {
            // A source that fails leaves the pool used up, so the next call asks again.
            pool.used = if fill_random(&mut pool.bytes) { 0 } else { POOL_BYTES - N };
        }
        let (_, rest) = pool.bytes.split_at(pool.used);
        let taken = rest.first_chunk::<N>().copied().unwrap_or([0; N]);
        pool.used += N;
        taken
    })
}

/// A fresh request id, a UUIDv7 in its 36-character form.
pub fn request_id(now: Timestamp) -> String {
    uuid::Builder::from_unix_timestamp_millis(now.millis(), &bytes()).into_uuid().hyphenated().to_string()
}
