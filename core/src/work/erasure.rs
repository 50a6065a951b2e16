//! The job that erases people: a step for each erasure that runs, in turn, and from time to time a look behind those done.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echoes_shared::Timestamp;
use futures_util::future::BoxFuture;
use serde_json::json;

use super::{Again, Did};
use crate::cache::{Cache, Change};
use crate::store::{ErasureList, ErasurePosition, Gone, LateLook, Store, StoreError};

/// Milliseconds between two looks behind the erasures of the last eight days. Nothing should come that late, so it need not be
/// often; it costs a read unit or so for each of them.
const LOOK_MILLIS: u64 = 10 * 60 * 1_000;

/// The erasures of this region.
#[derive(Debug)]
pub(super) struct Erasures {
    store: Store,
    cache: Cache,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Behind whom the list of those that run goes on: everybody has a turn before anybody has two.
    running: Option<ErasurePosition>,
    /// Whether anybody's turn since that list began walked, so that there may be more to do at once.
    walked: bool,
    /// When the last round of looks began.
    looked_at: Option<Timestamp>,
    /// Such a round, where one is under way. A crash begins the next at once.
    looking: Option<Looking>,
    turns: u64,
    buried: u64,
}

#[derive(Debug, Clone, Default)]
struct Looking {
    after: Option<ErasurePosition>,
    look: LateLook,
}

impl Erasures {
    pub(super) fn new(store: Store, cache: Cache) -> Self {
        Self { store, cache, state: Mutex::default() }
    }

    /// One person's turn; without more to do, a step for each of a page.
    pub(super) async fn pass(&self, now: Timestamp) -> Result<Again, StoreError> {
        let after = self.state().running.clone();
        let (entries, next) = self.store.erasures(ErasureList::Running, after.as_ref(), now).await?;
        for entry in &entries {
            // After a failure too the next person is next.
            self.state().running = Some(entry.position());
            let progress = self.store.erase_on(entry, &|gone| self.tell(gone), now).await?;
            let mut state = self.state();
            state.turns += 1;
            state.buried += u64::try_from(progress.buried).unwrap_or(u64::MAX);
            if progress.walked {
                state.walked = true;
                return Ok(Again::After(Duration::ZERO));
            }
        }
        let more = next.is_some();
        self.state().running = next;
        if more {
            return Ok(Again::After(Duration::ZERO));
        }
        let walked = std::mem::take(&mut self.state().walked);
        // However long a walk takes, the looks have their step at the end of each list.
        let again = self.look(now).await?;
        // Who rests does not walk, so the list begins anew at once only while somebody goes on.
        Ok(if walked { Again::After(Duration::ZERO) } else { again })
    }

    /// A step of a round of looks, when one is due.
    async fn look(&self, now: Timestamp) -> Result<Again, StoreError> {
        let Some(mut looking) = self.due(now) else { return Ok(Again::Later) };
        let (entries, next) = self.store.erasures(ErasureList::Done, looking.after.as_ref(), now).await?;
        for entry in &entries {
            let over = self.store.look_for_late_echoes(entry, &mut looking.look, &|gone| self.tell(gone), now).await;
            if matches!(over, Ok(false)) {
                self.state().looking = Some(looking);
                return Ok(Again::After(Duration::ZERO));
            }
            looking = Looking { after: Some(entry.position()), look: LateLook::default() };
            self.state().looking = Some(looking.clone());
            over?;
        }
        let more = next.is_some();
        self.state().looking = next.map(|next| Looking { after: Some(next), look: LateLook::default() });
        Ok(if more { Again::After(Duration::ZERO) } else { Again::Later })
    }

    fn tell(&self, gone: Vec<Gone>) -> BoxFuture<'static, ()> {
        let cache = self.cache.clone();
        Box::pin(async move {
            let changes: Vec<Change> = gone.into_iter().map(Change::from).collect();
            cache.tell(&changes).await;
        })
    }

    fn due(&self, now: Timestamp) -> Option<Looking> {
        let mut state = self.state();
        if state.looking.is_none() {
            // Either way round: a clock that was set back does not put it off.
            if state.looked_at.is_some_and(|last| now.millis().abs_diff(last.millis()) < LOOK_MILLIS) {
                return None;
            }
            state.looked_at = Some(now);
            state.looking = Some(Looking::default());
        }
        state.looking.clone()
    }

    /// What this process has done.
    pub(super) fn did(&self) -> Did {
        let State { turns, buried, .. } = *self.state();
        Did {
            text: format!("{turns} turns, {buried} echoes buried"),
            figures: json!({ "turns": turns, "buried": buried }),
        }
    }

    /// A lock whose holder panicked still guards whole values.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
