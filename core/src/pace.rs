//! How fast bulk work goes: within a budget of units a second that the operator sets, and with as many calls at a time as
//! the table grants.

mod budget;
pub mod table;
mod window;

use std::time::Duration;

use rand::RngExt as _;

use crate::clock::Stopwatch;
use crate::store::StoreError;
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

impl<T> Attempt<T, StoreError> {
    /// What a call of the store met.
    pub fn of(met: Result<T, StoreError>) -> Self {
        match met {
            Ok(answer) => Self::Done(answer),
            Err(error) if error.is_passing() => Self::Refused(error),
            Err(error) => Self::Failed(error),
        }
    }
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

    /// Calls until the table grants it; `state` goes into each attempt and comes back from it. Between two attempts others
    /// take their turn: a refusal makes room, and the pause after it has full jitter, so that those refused together do not
    /// come back together.
    pub async fn until_granted<S, T, E, F>(&self, mut state: S, mut call: impl FnMut(S) -> F) -> (S, Result<T, E>)
    where
        F: Future<Output = (S, Attempt<T, E>)>,
    {
        let mut in_vain: Option<Stopwatch> = None;
        let mut refusals = 0;
        loop {
            let permit = self.window.enter().await;
            let booking = self.budget.book().await;
            let ((back, met), consumed) = units::counted(call(state)).await;
            state = back;
            match met {
                Attempt::Done(answer) => {
                    booking.settle(consumed);
                    permit.granted();
                    return (state, Ok(answer));
                }
                Attempt::Failed(error) => return (state, Err(error)),
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
                        return (state, Err(error));
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
        let call = async |left: u32| {
            (left - 1, if left == 1 { Attempt::Done("stored") } else { Attempt::Refused("throttled") })
        };
        assert_eq!(pace(Duration::from_secs(60)).until_granted(3, call).await, (0, Ok("stored")));
    }

    #[tokio::test]
    async fn patience_ends_without_progress_and_not_with_it() {
        let none = pace(Duration::ZERO);
        let refused = none.until_granted((), async |()| ((), Attempt::<(), _>::Refused("throttled")));
        assert_eq!(refused.await.1, Err("throttled"));
        let hopeless = none.until_granted((), async |()| ((), Attempt::<(), _>::Failed("no such table")));
        assert_eq!(hopeless.await.1, Err("no such table"));
        let some = pace(Duration::from_millis(40));
        let in_parts = some.until_granted(20, async |left: u32| {
            units::consume(Units { read: 0.0, write: 1.0 });
            tokio::time::sleep(Duration::from_millis(5)).await;
            (left - 1, if left == 1 { Attempt::Done(()) } else { Attempt::Refused("throttled") })
        });
        assert_eq!(in_parts.await, (0, Ok(())));
    }

    #[test]
    fn pauses_are_bounded() {
        assert!((0..200).all(|refusals| pause(refusals) <= LONGEST_PAUSE));
        assert!((0..200).all(|_| pause(0) <= FIRST_PAUSE));
    }
}
