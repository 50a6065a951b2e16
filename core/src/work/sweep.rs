//! The job that takes echoes past 90 days out of the sparse `recent-index`, at a set rate, and says what that costs and saves.

mod bill;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echoes_shared::Timestamp;

use super::{Again, Did};
use crate::config::WorkConfig;
use crate::store::{Store, StoreError, SweepPosition};
use crate::units::{self, Units};
use bill::Bill;

/// Entries of one step at most.
const MAX_ENTRIES: u32 = 100;

/// The sweep of this region's own echoes.
#[derive(Debug)]
pub(super) struct Sweep {
    store: Store,
    units_per_second: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    at: At,
    /// Whether a position is saved, which the end of the round must take away.
    saved: bool,
    bill: Bill,
}

/// How far the job is.
#[derive(Debug, Clone, Default)]
enum At {
    /// An earlier process may have left a position.
    #[default]
    Unknown,
    /// No round is under way.
    Rest,
    Within(SweepPosition),
}

impl Sweep {
    pub(super) fn new(store: Store, config: &WorkConfig) -> Self {
        let state = State { at: At::default(), saved: false, bill: Bill::new(store.regions().len()) };
        Self { store, units_per_second: config.sweep_units_per_second, state: Mutex::new(state) }
    }

    /// One page of entries; the pause that it asks for keeps the rate.
    pub(super) async fn pass(&self, now: Timestamp) -> Result<Again, StoreError> {
        let (more, consumed) = units::counted(Box::pin(self.step(now))).await;
        units::consume(consumed);
        let mut state = self.state();
        state.bill.units += consumed;
        if more? {
            return Ok(Again::After(pause(consumed, self.units_per_second)));
        }
        // A round that met nothing is not worth a line every few hours.
        if state.bill.looked_at > 0 {
            tracing::info!(job = "sweep", swept = state.bill.swept, "{}", state.bill);
        }
        Ok(Again::Later)
    }

    /// Whether there is more to do.
    async fn step(&self, now: Timestamp) -> Result<bool, StoreError> {
        let from = self.position().await?;
        let entries = self.units_per_second.clamp(1, MAX_ENTRIES);
        let step = self.store.sweep_recent(from, entries, now).await?;
        self.state().bill.add(&step);
        if let Some(error) = step.failed {
            return Err(error);
        }
        // Saved before it is believed: a step whose position was lost is taken again, and finds its echoes swept.
        let save = if step.next.is_some() { step.looked_at > 0 } else { self.state().saved };
        if save {
            self.store.save_sweep_position(step.next.as_ref()).await?;
            self.state().saved = step.next.is_some();
        }
        let more = step.next.is_some();
        self.state().at = step.next.map_or(At::Rest, At::Within);
        Ok(more)
    }

    /// Where to go on; `None` begins a round.
    async fn position(&self) -> Result<Option<SweepPosition>, StoreError> {
        let at = self.state().at.clone();
        Ok(match at {
            At::Unknown => {
                let saved = self.store.sweep_position().await?;
                self.state().saved = saved.is_some();
                saved
            }
            At::Rest => {
                self.state().bill = Bill::new(self.store.regions().len());
                None
            }
            At::Within(position) => Some(position),
        })
    }

    /// What the present or last round has done in this process.
    pub(super) fn did(&self) -> Did {
        let bill = self.state().bill;
        Did { text: bill.to_string(), figures: bill.figures() }
    }

    /// It guards numbers and a position, which are whole even where a holder panicked.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long what was consumed takes at the set rate.
fn pause(consumed: Units, units_per_second: u32) -> Duration {
    Duration::try_from_secs_f64((consumed.read + consumed.write) / f64::from(units_per_second.max(1)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_by_pauses() {
        assert_eq!(pause(Units { read: 2.5, write: 22.5 }, 25), Duration::from_secs(1));
        assert_eq!(pause(Units { read: 0.5, write: 0.0 }, 25), Duration::from_millis(20));
        assert_eq!(pause(Units::default(), 0), Duration::ZERO);
    }
}
