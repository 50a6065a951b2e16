//! One fetch for each key at a time in an isolate.
//!
//! A request may not await another request's promise in this runtime, so those who find a fetch under way look at the
//! memory again and again, for a while, with timers of their own.

use std::cell::RefCell;
use std::collections::HashMap;

use echoes_shared::Timestamp;
use echoes_shared::policy::REQUEST_DEADLINE_MILLIS;

use crate::clock;
use crate::runtime::sleep;

/// Milliseconds between two looks.
const STEP_MILLIS: u32 = 10;
/// Milliseconds that somebody waits for another's fetch before starting one of their own.
const PATIENCE_MILLIS: u64 = REQUEST_DEADLINE_MILLIS / 2;
/// A fetch that has not ended after so many milliseconds has died with its request.
const EXPIRY_MILLIS: u64 = REQUEST_DEADLINE_MILLIS + 500;
/// Above so many keys the expired ones are cleared away.
const MANY: usize = 1_000;

thread_local! {
    static BEGAN: RefCell<HashMap<String, Timestamp>> = RefCell::default();
}

/// A fetch under way; it is over when this is dropped.
#[derive(Debug)]
pub struct Flight(String);

impl Drop for Flight {
    fn drop(&mut self) {
        BEGAN.with_borrow_mut(|began| began.remove(&self.0));
    }
}

/// Begins a fetch under `key`, or first waits until the one under way is over.
pub async fn take_turn(key: &str) -> Flight {
    let first = clock::now();
    let mut now = first;
    while is_under_way(key, now) && now.millis_since(first) < PATIENCE_MILLIS {
        sleep(STEP_MILLIS).await;
        now = clock::now();
    }
    BEGAN.with_borrow_mut(|began| {
        if began.len() >= MANY {
            began.retain(|_, at| now.millis_since(*at) < EXPIRY_MILLIS);
        }
        began.insert(key.to_owned(), now);
    });
    Flight(key.to_owned())
}

fn is_under_way(key: &str, now: Timestamp) -> bool {
    BEGAN.with_borrow(|began| began.get(key).is_some_and(|&at| now.millis_since(at) < EXPIRY_MILLIS))
}
