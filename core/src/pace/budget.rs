//! Units a second at most, charged with what DynamoDB says it consumed.
//!
//! A call's price is known only after it: a write costs one unit for each KiB and index, and DynamoDB alone counts them. So
//! a call books what the ones before it cost, waits for its slot, and afterwards the booking is corrected; what was
//! consumed too much delays the calls that follow. (`governor`, the usual crate, wants the price before the call and knows
//! no debt above its burst.)

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::units::{self, Units};

/// What an idle budget saves up, so that a call that comes a little late loses nothing.
const SAVED: Duration = Duration::from_millis(100);
/// How much one call's price counts in the price that the next ones book.
const WEIGHT: f64 = 0.2;

/// Which units a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Read units.
    Read,
    /// Write units, those of indexes included.
    Write,
}

impl Kind {
    fn of(self, units: Units) -> f64 {
        match self {
            Self::Read => units.read,
            Self::Write => units.write,
        }
    }
}

/// Units a second that some work may consume, shared by all of its calls.
#[derive(Debug)]
pub struct Budget {
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    kind: Kind,
    started: Stopwatch,
    ledger: Mutex<Ledger>,
}

/// The arithmetic; times are counted from the start.
#[derive(Debug)]
struct Ledger {
    units_per_second: f64,
    /// When all that is booked and consumed will be paid.
    paid_at_seconds: f64,
    /// What a call is expected to cost.
    expected: f64,
}

/// A call's place in a budget. One that is dropped unsettled stays charged with what was expected of it.
#[derive(Debug)]
#[must_use = "settle it with what the call consumed"]
pub struct Booking<'a> {
    limit: Option<&'a Limit>,
    booked: f64,
}

impl Budget {
    /// No limit.
    pub const fn unlimited() -> Self {
        Self { limit: None }
    }

    /// At most `units` of this kind a second, one at least.
    pub fn per_second(kind: Kind, units: u32) -> Self {
        let ledger = Ledger { units_per_second: f64::from(units.max(1)), paid_at_seconds: 0.0, expected: 1.0 };
        Self { limit: Some(Limit { kind, started: Stopwatch::start(), ledger: Mutex::new(ledger) }) }
    }

    /// Does one call's work when the budget allows it, and charges what it consumed.
    pub async fn spend<T>(&self, work: impl Future<Output = T>) -> T {
        let booking = self.book().await;
        let (done, consumed) = units::counted(work).await;
        booking.settle(consumed);
        done
    }

    /// Waits for the next slot, in the order of asking.
    pub async fn book(&self) -> Booking<'_> {
        let Some(limit) = &self.limit else { return Booking { limit: None, booked: 0.0 } };
        let (wait, booked) = limit.ledger().book(limit.started.elapsed());
        tokio::time::sleep(wait).await;
        Booking { limit: Some(limit), booked }
    }
}

impl Limit {
    /// A lock whose holder panicked still guards whole numbers: nothing between two of them can panic.
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Booking<'_> {
    /// Corrects the booking to what the call consumed. One that says nothing, as a refused condition does, is charged as
    /// expected.
    pub fn settle(self, consumed: Units) {
        // Whoever counts around this work still sees what it consumed.
        units::consume(consumed);
        let Some(limit) = self.limit else { return };
        let consumed = limit.kind.of(consumed);
        if consumed > 0.0 {
            limit.ledger().correct(self.booked, consumed);
        }
    }

    /// Gives the booking back: the call consumed nothing.
    pub fn cancel(self) {
        if let Some(limit) = self.limit {
            limit.ledger().refund(self.booked);
        }
    }
}

impl Ledger {
    /// How long to wait for the next slot, and what was booked for it.
    fn book(&mut self, now: Duration) -> (Duration, f64) {
        let slot = self.paid_at_seconds.max((now.saturating_sub(SAVED)).as_secs_f64());
        self.paid_at_seconds = slot + self.expected / self.units_per_second;
        (Duration::from_secs_f64((slot - now.as_secs_f64()).max(0.0)), self.expected)
    }

    fn correct(&mut self, booked: f64, consumed: f64) {
        self.paid_at_seconds += (consumed - booked) / self.units_per_second;
        self.expected += (consumed - self.expected) * WEIGHT;
    }

    fn refund(&mut self, booked: f64) {
        self.paid_at_seconds -= booked / self.units_per_second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(units_per_second: f64) -> Ledger {
        Ledger { units_per_second, paid_at_seconds: 0.0, expected: 1.0 }
    }

    /// The seconds that calls of `price` take one after the other, the calls themselves taking no time.
    fn one_after_the_other(ledger: &mut Ledger, calls: u32, price: f64) -> f64 {
        let mut now = Duration::ZERO;
        for _ in 0..calls {
            let (wait, booked) = ledger.book(now);
            now += wait;
            ledger.correct(booked, price);
        }
        now.as_secs_f64()
    }

    #[test]
    fn the_rate_is_kept_whatever_a_call_costs() {
        for price in [0.5, 1.0, 6.0, 150.0] {
            let took = one_after_the_other(&mut ledger(100.0), 101, price);
            assert!((took - price).abs() < 0.2, "{price} units a call: {took} s");
        }
    }

    #[test]
    fn those_who_come_together_get_slots_of_their_own() {
        let mut ledger = ledger(10.0);
        let waits: Vec<_> = (0..4).map(|_| ledger.book(Duration::ZERO).0.as_millis()).collect();
        assert_eq!(waits, [0, 100, 200, 300]);
        ledger.refund(1.0);
        assert_eq!(ledger.book(Duration::ZERO).0.as_millis(), 300);
    }

    #[test]
    fn idleness_saves_little() {
        let mut ledger = ledger(10.0);
        let later = Duration::from_secs(3_600);
        let waits: Vec<_> = (0..4).map(|_| ledger.book(later).0.as_millis()).collect();
        assert_eq!(waits, [0, 0, 100, 200]);
    }

    #[tokio::test]
    async fn what_a_call_consumes_is_charged_and_still_counted_outside() {
        let budget = Budget::per_second(Kind::Write, 100);
        let write = Units { read: 0.0, write: 6.0 };
        let work = async {
            for _ in 0..3 {
                budget.spend(async { units::consume(write) }).await;
            }
        };
        let started = Stopwatch::start();
        let ((), all) = units::counted(work).await;
        assert_eq!(all.write, 18.0);
        // The third call waits until the twelve units of the first two are paid, less what idleness saved.
        assert!(started.elapsed() >= Duration::from_millis(100));
        assert_eq!(Budget::unlimited().spend(async { 1 }).await, 1);
    }
}
