//! How fast bulk work goes: within a budget of units a second that the operator sets, and with as many calls at a time as
//! the table grants.

mod budget;
mod window;

use std::time::Duration;

use rand::RngExt as _;

use crate::clock::Stopwatch;
use crate::units;

pub use budget::{Booking, Budget, Kind};
pub use window::{Permit, Window};

/// The pause after a refusal is drawn from zero to this, doubled with each refusal in a row…
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// … up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Doublings after which the longest pause is certainly reached.
const DOUBLINGS: u32 = 10;
const _: () = assert!(FIRST_PAUSE.as_millis() << DOUBLINGS > LONGEST_PAUSE.as_millis());

/// What one call met.
#[derive(Debug)]
pub enum Attempt<T, E> {
    /// An answer.
    Done(T),
    /// No units, or no answer, just now. The same call, or what is left of it, is worth another try.
    Refused(E),
    /// An error that another try would meet again.
    Failed(E),
}

/// The throttle of one piece of bulk work, shared by all of its calls.
#[derive(Debug)]
pub struct Pace {
    budget: Budget,
    window: Window,
    patience: Duration,
}

impl Pace {
    /// A throttle that gives a call up after `patience` without a single unit granted to it.
    pub fn new(budget: Budget, window: Window, patience: Duration) -> Self {
        Self { budget, window, patience }
    }

    /// Calls until the table grants it. Between two attempts others take their turn: a refusal makes room, and the pause
    /// after it has full jitter, so that those refused together do not come back together.
    pub async fn until_granted<T, E>(&self, mut call: impl AsyncFnMut() -> Attempt<T, E>) -> Result<T, E> {
        let mut in_vain: Option<Stopwatch> = None;
        let mut refusals = 0;
        loop {
            let permit = self.window.enter().await;
            let booking = self.budget.book().await;
            let (met, consumed) = units::counted(call()).await;
            match met {
                Attempt::Done(answer) => {
                    booking.settle(consumed);
                    permit.granted();
                    return Ok(answer);
                }
                Attempt::Failed(error) => return Err(error),
                Attempt::Refused(error) => {
                    permit.refused();
                    if consumed.is_none() {
                        booking.cancel();
                    } else {
                        // A part of the call was granted, and that is progress.
                        booking.settle(consumed);
                        (in_vain, refusals) = (None, 0);
                    }
                    if in_vain.get_or_insert_with(Stopwatch::start).elapsed() >= self.patience {
                        return Err(error);
                    }
                }
            }
            tokio::time::sleep(pause(refusals)).await;
            refusals += 1;
        }
    }
}

fn pause(refusals: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << refusals.min(DOUBLINGS)).min(LONGEST_PAUSE);
    rand::rng().random_range(Duration::ZERO..=longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Units;

    fn pace(patience: Duration) -> Pace {
        Pace::new(Budget::unlimited(), Window::new(4, 4), patience)
    }

    #[tokio::test]
    async fn a_refused_call_is_made_again() {
        let (pace, mut left) = (pace(Duration::from_secs(60)), 3);
        let answer = pace.until_granted(async || {
            left -= 1;
            if left == 0 { Attempt::Done("stored") } else { Attempt::Refused("throttled") }
        });
        assert_eq!(answer.await, Ok("stored"));
    }

    #[tokio::test]
    async fn patience_ends_without_progress_and_not_with_it() {
        let none = pace(Duration::ZERO);
        assert_eq!(none.until_granted(async || Attempt::<(), _>::Refused("throttled")).await, Err("throttled"));
        let hopeless = none.until_granted(async || Attempt::<(), _>::Failed("no such table"));
        assert_eq!(hopeless.await, Err("no such table"));
        let some = pace(Duration::from_millis(40));
        let mut left = 20;
        let answer = some.until_granted(async || {
            units::consume(Units { read: 0.0, write: 1.0 });
            tokio::time::sleep(Duration::from_millis(5)).await;
            left -= 1;
            if left == 0 { Attempt::Done(()) } else { Attempt::Refused("throttled") }
        });
        assert_eq!(answer.await, Ok(()));
    }

    #[test]
    fn pauses_are_bounded() {
        assert!((0..200).all(|refusals| pause(refusals) <= LONGEST_PAUSE));
        assert!((0..200).all(|_| pause(0) <= FIRST_PAUSE));
    }
}
