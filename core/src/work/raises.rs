//! The job that raises versions as other regions ask.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::{Again, Did};
use crate::cache::{Cache, Change};
use crate::store::{AskPosition, Raise, Store, StoreError};

/// Asks that are remembered as done at most; those above are looked at in every walk.
const MAX_DONE: usize = 10_000;

/// What is asked of this region.
#[derive(Debug)]
pub(super) struct Raises {
    store: Store,
    cache: Cache,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the walk goes on; `None` between two walks.
    after: Option<AskPosition>,
    /// What needs no more looks, by the edition that lost: of the walk before, and of this one. An ask lives seven days.
    done: BTreeMap<AskPosition, u64>,
    done_again: BTreeMap<AskPosition, u64>,
    raised: usize,
}

impl Raises {
    pub(super) fn new(store: Store, cache: Cache) -> Self {
        Self { store, cache, state: Mutex::default() }
    }

    /// Up to a hundred asks.
    pub(super) async fn pass(&self) -> Result<Again, StoreError> {
        let after = self.with_state(|state| state.after.clone());
        let (asks, next) = self.store.asked_raises(after.as_ref()).await?;
        for (position, overtaken) in asks {
            let is_done = self.with_state(|state| state.done.get(&position) == Some(&overtaken.lost));
            let raise = if is_done { Raise::Needless } else { self.store.raise_version(&overtaken).await? };
            match raise {
                // It is on its way here: the next walk sees.
                Raise::TooEarly => continue,
                Raise::Needless => {}
                Raise::Done(echo) => {
                    self.with_state(|state| state.raised += 1);
                    self.cache.tell(&[Change::from(&*echo)]).await;
                }
            }
            self.with_state(|state| {
                if state.done_again.len() < MAX_DONE {
                    state.done_again.insert(position, overtaken.lost);
                }
            });
        }
        let more = next.is_some();
        self.with_state(|state| {
            state.after = next;
            if !more {
                state.done = std::mem::take(&mut state.done_again);
            }
        });
        Ok(if more { Again::After(Duration::ZERO) } else { Again::Later })
    }

    /// What has been done in this process.
    pub(super) fn did(&self) -> Did {
        let raised = self.with_state(|state| state.raised);
        Did { text: format!("raised {raised} versions"), figures: json!({ "raised": raised }) }
    }

    /// It guards positions, which are whole even where a holder panicked.
    fn with_state<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
