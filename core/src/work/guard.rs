//! The job that puts tombstones back over which an edit made elsewhere has won.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use echoes_shared::Timestamp;
use serde_json::json;

use super::{Again, Did};
use crate::cache::{Cache, Change};
use crate::store::{Gone, GuardPosition, Store, StoreError};

/// A walk over the deletes of so many last milliseconds that this region took.
#[derive(Debug)]
pub(super) struct Guard {
    store: Store,
    cache: Cache,
    age_millis: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the walk goes on; `None` between two walks.
    after: Option<GuardPosition>,
    looked_at: usize,
    restored: usize,
}

impl Guard {
    pub(super) fn new(store: Store, cache: Cache, age_millis: u64) -> Self {
        Self { store, cache, age_millis, state: Mutex::default() }
    }

    /// Up to a hundred deletes.
    pub(super) async fn pass(&self, now: Timestamp) -> Result<Again, StoreError> {
        let after = self.with_state(|state| {
            if state.after.is_none() {
                *state = State::default();
            }
            state.after.clone()
        });
        let changes = Mutex::new(Vec::new());
        let doomed = |gone: Gone| {
            let change = Change::from(gone);
            self.cache.forget(std::slice::from_ref(&change));
            changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        };
        let pass = self.store.guard_tombstones(now.minus_millis(self.age_millis), after, doomed, now).await;
        // After a failure too: what was put back before it stands.
        let changes = changes.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !changes.is_empty() {
            self.cache.tell(&changes).await;
        }
        let pass = pass?;
        let more = pass.next.is_some();
        self.with_state(|state| {
            state.looked_at += pass.looked_at;
            state.restored += pass.restored;
            state.after = pass.next;
        });
        Ok(if more { Again::After(Duration::ZERO) } else { Again::Later })
    }

    /// What the present or last walk has done in this process.
    pub(super) fn did(&self) -> Did {
        self.with_state(|state| Did {
            text: format!("put {} of {} tombstones back", state.restored, state.looked_at),
            figures: json!({ "lookedAt": state.looked_at, "restored": state.restored }),
        })
    }

    /// It guards numbers and a position, which are whole even where a holder panicked.
    fn with_state<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
