//! The word that the process stops, as a connection hears it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Fuse, FusedFuture, FutureExt as _};
use tokio::sync::watch;
use tokio::task::coop::unconstrained;

use super::promise::Promise;

/// Ready once the word has been said, or nobody can say it any more.
pub(super) struct Stop {
    word: watch::Receiver<bool>,
    said: Fuse<BoxFuture<'static, ()>>,
    promise: Promise,
}

impl Stop {
    pub(super) fn new(word: watch::Receiver<bool>) -> Self {
        let mut heard = word.clone();
        let said = async move { drop(heard.wait_for(|stops| *stops).await) };
        // A task that has spent its budget would be told to come again instead of being promised anything.
        Self { word, said: unconstrained(said).boxed().fuse(), promise: Promise::default() }
    }

    /// Whether it has been said since this connection began. A look, for between two requests.
    pub(super) fn is_said(&self) -> bool {
        match self.word.has_changed() {
            Ok(false) => self.is_terminated(),
            Ok(true) => *self.word.borrow(),
            Err(_) => true,
        }
    }
}

impl Future for Stop {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.promise.is_to(context) && matches!(self.word.has_changed(), Ok(false)) {
            return Poll::Pending;
        }
        let said = self.said.poll_unpin(context);
        if said.is_pending() {
            self.promise.give(context);
        }
        said
    }
}

impl FusedFuture for Stop {
    fn is_terminated(&self) -> bool {
        self.said.is_terminated()
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Stop").field("is_terminated", &self.is_terminated()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::task::{ArcWake, noop_waker};
    use tokio::task::coop::{consume_budget, has_budget_remaining};
    use tokio::task::yield_now;

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicU32);

    impl ArcWake for Bell {
        fn wake_by_ref(bell: &Arc<Self>) {
            bell.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn asked(stop: &mut Stop, bell: &Arc<Bell>) -> bool {
        stop.poll_unpin(&mut Context::from_waker(&futures_util::task::waker(Arc::clone(bell)))).is_ready()
    }

    #[test]
    fn who_asked_last_is_woken_however_often_it_asked() {
        let (say, word) = watch::channel(false);
        let mut stop = Stop::new(word);
        let [one, other] = [(); 2].map(|()| Arc::new(Bell::default()));
        for bell in [&one, &one, &other, &other] {
            assert!(!asked(&mut stop, bell));
        }
        assert!(stop.poll_unpin(&mut Context::from_waker(&noop_waker())).is_pending());
        assert!(!asked(&mut stop, &other));
        say.send_replace(false);
        assert!(!asked(&mut stop, &other) && !stop.is_said(), "it was not the word");
        let before = other.0.load(Ordering::SeqCst);
        say.send_replace(true);
        assert_eq!(other.0.load(Ordering::SeqCst), before + 1);
        assert!(stop.is_said() && asked(&mut stop, &other) && stop.is_terminated());
    }

    #[test]
    fn what_was_said_before_or_can_not_be_said_any_more_is_heard_at_once() {
        let (say, word) = watch::channel(true);
        assert!(asked(&mut Stop::new(word.clone()), &Arc::default()));
        say.send_replace(false);
        let mut stop = Stop::new(word);
        assert!(!asked(&mut stop, &Arc::default()));
        drop(say);
        assert!(stop.is_said() && asked(&mut stop, &Arc::default()));
    }

    #[tokio::test]
    async fn a_task_without_budget_is_told_all_the_same() {
        let (say, word) = watch::channel(false);
        let mut stop = Stop::new(word);
        let bell = Arc::new(Bell::default());
        let spent = poll_fn(|_| {
            while consume_budget().now_or_never().is_some() {}
            assert!(!has_budget_remaining());
            Poll::Ready(asked(&mut stop, &bell))
        });
        assert!(!spent.await);
        yield_now().await;
        assert!(!asked(&mut stop, &bell));
        let before = bell.0.load(Ordering::SeqCst);
        say.send_replace(true);
        assert_eq!(bell.0.load(Ordering::SeqCst), before + 1);
    }
}
