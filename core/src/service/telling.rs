//! What a write changes is told to the caches, however the write ends: answered, failed, or left by its caller.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::cache::{Cache, Certainty, Change};
use crate::store::StoreError;

/// For how long an echo stays hidden whose delete had no answer: by then the store's indexes show whether it was made.
const DOUBT: Duration = Duration::from_secs(5);

/// A change that the caches have not been told of yet. One that is dropped is told all the same: a write whose answer was lost,
/// or whose time was up, may have landed.
#[derive(Debug)]
pub(super) struct Telling<'a> {
    cache: &'a Cache,
    change: Mutex<Option<(Change, Certainty)>>,
}

impl<'a> Telling<'a> {
    /// Nothing to tell yet.
    pub(super) fn new(cache: &'a Cache) -> Self {
        Self { cache, change: Mutex::default() }
    }

    /// From now on this is told in the end, in place of what was to be told before. An echo that is to go is hidden by this
    /// process at once.
    pub(super) fn expect(&self, change: Change) {
        if change.gone {
            self.cache.heed(std::slice::from_ref(&change), Certainty::Perhaps);
        }
        self.put(change, Certainty::Perhaps);
    }

    /// The same of a change that the store has taken, however the rest of the write ends.
    pub(super) fn done(&self, change: Change) {
        if change.gone {
            self.cache.forget(std::slice::from_ref(&change));
        }
        self.put(change, Certainty::Done);
    }

    /// The write was made: tells the region, and answers when it has heard.
    pub(super) async fn tell(self) {
        self.end(Certainty::Done).await;
    }

    /// The store refused the write because the echo is no longer as the writer was shown it.
    pub(super) async fn tell_of_what_was_shown(self) {
        self.end(Certainty::Shown).await;
    }

    /// The write failed. Nothing is told where it certainly was not made; else everybody looks again.
    pub(super) async fn failed(self, error: &StoreError) {
        let made = |(change, certainty): &(Change, Certainty)| change.gone || *certainty == Certainty::Done;
        if !error.leaves_doubt() && !self.lock().as_ref().is_some_and(made) {
            return self.nothing();
        }
        if let Some(telling) = self.begin(error.leaves_doubt()) {
            let _ = telling.await;
        }
    }

    /// The write has changed nothing.
    pub(super) fn nothing(self) {
        self.lock().take();
    }

    async fn end(self, certainty: Certainty) {
        if let Some((_, held)) = self.lock().as_mut() {
            *held = certainty;
        }
        if let Some(telling) = self.begin(false) {
            // A task that panicked has told this process first.
            let _ = telling.await;
        }
    }

    /// Tells in a task of its own, so that a caller who leaves meanwhile ends nothing. `in_doubt` says that a delete which is
    /// not known to have been made may have been.
    fn begin(&self, in_doubt: bool) -> Option<JoinHandle<()>> {
        let (mut change, certainty) = self.lock().take()?;
        let cache = self.cache.clone();
        let was_hidden = change.gone && certainty == Certainty::Perhaps;
        if was_hidden {
            change.gone = false;
            if !in_doubt {
                cache.lives(change.echo);
            }
        }
        let id = change.echo;
        let change = [change];
        cache.heed(&change, certainty);
        // Without a runtime, as when the process ends, this process alone knows.
        let runtime = Handle::try_current().ok()?;
        if was_hidden && in_doubt {
            let (cache, change) = (cache.clone(), change.clone());
            runtime.spawn(async move {
                tokio::time::sleep(DOUBT).await;
                cache.lives(id);
                // What was loaded meanwhile lacks it.
                cache.tell_of(&change, certainty).await;
            });
        }
        Some(runtime.spawn(async move {
            // What neither Redis nor the store heard of, the stream tells.
            cache.tell_of(&change, certainty).await;
        }))
    }

    fn put(&self, change: Change, certainty: Certainty) {
        *self.lock() = Some((change, certainty));
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Change, Certainty)>> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.begin(true);
    }
}

#[cfg(test)]
mod tests {
    use echoes_shared::{Echo, Region};

    use super::*;
    use crate::cache::{CacheConfig, Lifetimes};
    use crate::metrics::Metrics;
    use crate::samples;

    fn cache() -> Cache {
        let memory = CacheConfig { memory_bytes: 1 << 20, redis: None, memcached: None };
        Cache::new(&memory, Region::EuWest1, Lifetimes::default(), Metrics::new().unwrap())
    }

    fn echo() -> (Echo, Change) {
        let echo = samples::echo("ana", 1);
        let change =
            Change { user: echo.user_id.clone(), echo: echo.echo_id, emotion: Some(echo.emotion), gone: true };
        (echo, change)
    }

    fn lost() -> StoreError {
        StoreError::Unreachable { operation: "PutItem", cause: "no answer".to_owned() }
    }

    #[tokio::test]
    async fn an_echo_whose_delete_failed_is_shown_again() {
        let (cache, (echo, change)) = (cache(), echo());
        let telling = Telling::new(&cache);
        telling.expect(change.clone());
        assert!(cache.hides(&echo));
        telling.failed(&StoreError::Throttled { operation: "PutItem" }).await;
        assert!(!cache.hides(&echo), "it certainly lives");

        let telling = Telling::new(&cache);
        telling.expect(change.clone());
        telling.failed(&lost()).await;
        assert!(cache.hides(&echo), "nobody knows");
        tokio::time::sleep(DOUBT + Duration::from_secs(1)).await;
        assert!(!cache.hides(&echo), "by now the store does");
    }

    #[tokio::test]
    async fn a_delete_that_was_made_holds_however_it_ends() {
        let (cache, (echo, change)) = (cache(), echo());
        let telling = Telling::new(&cache);
        telling.expect(change.clone());
        telling.done(change.clone());
        telling.failed(&StoreError::Throttled { operation: "PutItem" }).await;
        let other = Telling::new(&cache);
        other.expect(change);
        drop(other);
        tokio::time::sleep(DOUBT + Duration::from_secs(1)).await;
        assert!(cache.hides(&echo));
    }
}
