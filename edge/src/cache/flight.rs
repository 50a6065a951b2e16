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
    static FLIGHTS: RefCell<Flights> = RefCell::default();
}

/// A fetch under way; it is over when this is dropped.
#[derive(Debug)]
pub struct Flight {
    key: String,
    number: u64,
}

impl Drop for Flight {
    fn drop(&mut self) {
        FLIGHTS.with_borrow_mut(|flights| flights.end(&self.key, self.number));
    }
}

/// Begins a fetch under `key`, or first waits until the one under way is over, for half of a request's time at most.
pub async fn take_turn(key: &str) -> Flight {
    wait_and_begin(key, PATIENCE_MILLIS).await
}

/// The same with another patience, in milliseconds.
pub async fn wait_and_begin(key: &str, patience_millis: u64) -> Flight {
    let first = clock::now();
    let mut now = first;
    // Only the fetch that is under way now is waited for: had it given nothing, those who wait would go one by one.
    let awaited = under_way(key, now);
    while awaited.is_some() && under_way(key, now) == awaited && now.millis_since(first) < patience_millis {
        sleep(STEP_MILLIS).await;
        now = clock::now();
    }
    let number = FLIGHTS.with_borrow_mut(|flights| flights.begin(key, now));
    Flight { key: key.to_owned(), number }
}

/// Whether a fetch under `key` is under way.
pub fn is_under_way(key: &str, now: Timestamp) -> bool {
    under_way(key, now).is_some()
}

fn under_way(key: &str, now: Timestamp) -> Option<u64> {
    FLIGHTS.with_borrow(|flights| flights.under_way(key, now))
}

/// The fetches of an isolate by key, each with a number of its own: several may begin at one time of the clock.
#[derive(Debug, Default)]
struct Flights {
    began: HashMap<String, (Timestamp, u64)>,
    last_number: u64,
}

impl Flights {
    /// A fetch begins; it takes the place of one that nobody waits for any longer.
    fn begin(&mut self, key: &str, now: Timestamp) -> u64 {
        if self.began.len() >= MANY {
            self.began.retain(|_, (at, _)| now.millis_since(*at) < EXPIRY_MILLIS);
        }
        self.last_number += 1;
        self.began.insert(key.to_owned(), (now, self.last_number));
        self.last_number
    }

    /// A fetch is over. One that has been replaced leaves the other in place.
    fn end(&mut self, key: &str, number: u64) {
        if self.began.get(key).is_some_and(|(_, under_way)| *under_way == number) {
            self.began.remove(key);
        }
    }

    /// The number of the fetch under way.
    fn under_way(&self, key: &str, now: Timestamp) -> Option<u64> {
        let (at, number) = *self.began.get(key)?;
        (now.millis_since(at) < EXPIRY_MILLIS).then_some(number)
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
    fn a_fetch_ends_itself_and_no_other() {
        let mut flights = Flights::default();
        let first = flights.begin("key", at(0));
        assert_eq!(flights.under_way("key", at(1)), Some(first));
        // The same time, and yet another fetch: who waits for the first sees that it is over.
        let second = flights.begin("key", at(0));
        assert_ne!(first, second);
        flights.end("key", first);
        assert_eq!(flights.under_way("key", at(1)), Some(second));
        flights.end("key", second);
        assert_eq!(flights.under_way("key", at(1)), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_fetch_that_died_with_its_request_is_not_waited_for() {
        let mut flights = Flights::default();
        flights.begin("key", at(0));
        assert_eq!(flights.under_way("key", at(EXPIRY_MILLIS)), None);
        for n in 0..2 * MANY {
            flights.begin(&format!("key {n}"), at(EXPIRY_MILLIS * n as u64));
        }
        assert!(flights.began.len() <= MANY);
    }
}
