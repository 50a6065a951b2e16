//! What a write changes is told to the caches, however the write ends: answered, failed, or left by its caller.

use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::cache::{Cache, Change};

/// A change that the caches have not been told of yet. One that is dropped is told all the same: a write whose answer was lost,
/// or whose time was up, may have landed.
#[derive(Debug)]
pub(super) struct Telling<'a> {
    cache: &'a Cache,
    change: Mutex<Option<Change>>,
}

impl<'a> Telling<'a> {
    /// Nothing to tell yet.
    pub(super) fn new(cache: &'a Cache) -> Self {
        Self { cache, change: Mutex::default() }
    }

    /// From now on this is told in the end, in place of what was to be told before. What is gone is forgotten in this process at
    /// once.
    pub(super) fn expect(&self, change: Change) {
        if change.gone {
            self.cache.forget(std::slice::from_ref(&change));
        }
        *self.change.lock().unwrap_or_else(PoisonError::into_inner) = Some(change);
    }

    /// The write is over: tells the region, and answers when it has heard.
    pub(super) async fn tell(self) {
        if let Some(telling) = self.begin() {
            // A task that panicked has told this process first.
            let _ = telling.await;
        }
    }

    /// The write has changed nothing.
    pub(super) fn nothing(self) {
        self.take();
    }

    /// Tells in a task of its own, so that a caller who leaves meanwhile ends nothing.
    fn begin(&self) -> Option<JoinHandle<()>> {
        let change = [self.take()?];
        self.cache.forget(&change);
        let cache = self.cache.clone();
        // Without a runtime, as when the process ends, this process alone knows.
        Some(Handle::try_current().ok()?.spawn(async move { cache.tell(&change).await }))
    }

    fn take(&self) -> Option<Change> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.begin();
    }
}
