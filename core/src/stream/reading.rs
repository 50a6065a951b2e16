//! A shard's reading as its worker holds it: how to end it, and how it ended.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};

use super::Host;
use super::shard::{Ended, Shard};

/// A shard that is being read.
pub(super) struct Reading {
    stop: watch::Sender<bool>,
    ended: Arc<Mutex<Option<Ended>>>,
    /// Dropped, it ends the reading.
    task: BoxFuture<'static, ()>,
}

impl Reading {
    /// Begins to read, in a task on `host`; `notify` hears of the end.
    pub(super) fn of(shard: Arc<Shard>, host: &dyn Host, notify: Arc<Notify>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let ended = Arc::new(Mutex::new(None));
        let last = Last { ended: Arc::clone(&ended), notify, how: Ended::Lost };
        let task = host.spawn(Box::pin(last.of(shard.run(stopped))));
        Self { stop, ended, task }
    }

    /// Has the shard given back.
    pub(super) fn stop(&self) {
        let _ = self.stop.send(true);
    }

    /// How it ended, if it did.
    pub(super) fn ended(&self) -> Option<Ended> {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn until_its_end(self) {
        self.task.await;
    }
}

/// Tells how a reading ended, also where it panicked.
struct Last {
    ended: Arc<Mutex<Option<Ended>>>,
    notify: Arc<Notify>,
    how: Ended,
}

impl Last {
    async fn of(mut self, reading: impl Future<Output = Ended>) {
        self.how = reading.await;
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.how);
        self.notify.notify_one();
    }
}
