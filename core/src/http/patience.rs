//! A connection whose other end must do its part: one that takes nothing of what is written to it, or that is written nothing because it
//! asks for nothing, is closed after a while, so that it does not hold its place, and what it was to be sent, for ever.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::unconstrained;
use tokio::time::{Sleep, sleep};

use super::promise::Promise;

/// How long the other end is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How long it may take nothing of what is written.
    pub writing: Duration,
    /// How long it may be idle, or send a request that does not end: it is given up between once and twice as long after the last
    /// write, or after the first bytes that came since, so that a request costs no timer of its own. A request that is answered
    /// within this time is never given up.
    pub silence: Duration,
}

/// A connection that is given up when patience ends.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    patience: Patience,
    /// Ends when a write has waited too long; there while one waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Ends when it is time to see whether there was a sign of life since it began; there once a read has waited.
    silence: Option<Pin<Box<Sleep>>>,
    has_shown_life: bool,
    /// Whether something has been read since the last write. More of the same is no sign of life.
    has_asked: bool,
    /// Whom the end of silence will wake.
    promise: Promise,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, patience: Patience) -> Self {
        let (stalled, silence, promise) = (None, None, Promise::default());
        Self { stream, patience, stalled, silence, has_shown_life: false, has_asked: false, promise }
    }

    /// What a write came to, or the end of patience.
    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            self.has_shown_life = true;
            self.has_asked = false;
            return written;
        }
        let patience = self.patience.writing;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// The end of patience with an end that is silent while it is read from.
    fn listen(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let patience = self.patience.silence;
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(patience)));
        loop {
            if self.promise.is_to(context) && !silence.is_elapsed() {
                return Poll::Pending;
            }
            // A task that has spent its budget would be told to come again instead of being promised anything.
            if pin!(unconstrained(silence.as_mut())).poll(context).is_pending() {
                self.promise.give(context);
                return Poll::Pending;
            }
            if !mem::take(&mut self.has_shown_life) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            *silence = Box::pin(sleep(patience));
            self.promise = Promise::default();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, into) {
            Poll::Pending => self.listen(context),
            read => {
                self.has_shown_life |= !mem::replace(&mut self.has_asked, true);
                read
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::task::coop::{consume_budget, has_budget_remaining};
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Patience = Patience { writing: Duration::from_millis(400), silence: Duration::from_millis(200) };

    #[tokio::test]
    async fn who_takes_nothing_is_left() {
        let (here, _there) = duplex(4);
        let error = Patient::new(here, PATIENCE).write_all(b"more than fits").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn who_is_slow_is_waited_for() {
        let (here, mut there) = duplex(4);
        let mut patient = Patient::new(here, PATIENCE);
        let reading = async {
            let mut taken = [0; 4];
            for _ in 0..5 {
                tokio::time::sleep(PATIENCE.writing / 2).await;
                there.read_exact(&mut taken).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(patient.write_all(&[7; 20]), reading);
        written.unwrap();
    }

    /// When a read of what never ends is given up, with something written at these times; `drips` tells whether something arrives
    /// all the time.
    async fn given_up(drips: bool, written_at: &[Duration]) -> Duration {
        let (here, mut there) = duplex(64);
        let (mut reading, mut writing) = tokio::io::split(Patient::new(here, PATIENCE));
        let began = Instant::now();
        let dripping = async {
            if !drips {
                return std::future::pending().await;
            }
            loop {
                tokio::time::sleep(PATIENCE.silence / 20).await;
                there.write_all(b"x").await.unwrap();
            }
        };
        let answering = async {
            for &at in written_at {
                tokio::time::sleep_until(began + at).await;
                writing.write_all(b"y").await.unwrap();
            }
            std::future::pending().await
        };
        let mut read = Vec::new();
        let ended: io::Result<usize> = tokio::select! {
            ended = reading.read_to_end(&mut read) => ended,
            ended = dripping => ended,
            ended = answering => ended,
        };
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        began.elapsed()
    }

    #[tokio::test]
    async fn who_asks_nothing_or_never_ends_to_ask_is_left() {
        let silence = PATIENCE.silence;
        assert!(given_up(false, &[]).await >= silence);
        assert!(given_up(true, &[]).await >= silence);
        // Not before it has been silent for so long after the last answer.
        assert!(given_up(false, &[silence / 2]).await >= silence * 3 / 2);
        assert!(given_up(true, &[silence / 2, silence, silence * 2]).await >= silence * 3);
    }

    #[tokio::test]
    async fn who_has_just_asked_is_not_left_for_the_silence_before() {
        let silence = PATIENCE.silence;
        let (here, mut there) = duplex(64);
        let (mut reading, mut writing) = tokio::io::split(Patient::new(here, PATIENCE));
        let answering = async {
            let mut byte = [0];
            // The request comes shortly before the silence would have been too long, and the answer takes until after that.
            for read in 0..3 {
                reading.read_exact(&mut byte).await.unwrap();
                let after = tokio::time::sleep(silence / 2);
                tokio::select! {
                    read = reading.read(&mut byte) => panic!("nothing more is asked: {read:?}"),
                    () = after => writing.write_all(&[read]).await.unwrap(),
                }
            }
        };
        let asking = async {
            for _ in 0..3 {
                tokio::time::sleep(silence * 4 / 5).await;
                there.write_all(b"x").await.unwrap();
                there.read_exact(&mut [0]).await.unwrap();
            }
        };
        tokio::join!(answering, asking);
    }

    #[tokio::test]
    async fn who_is_silent_is_left_by_a_task_without_budget_too() {
        let (here, _there) = duplex(64);
        let mut patient = Patient::new(here, PATIENCE);
        let mut byte = [0];
        let spent = std::future::poll_fn(|context| {
            while consume_budget().now_or_never().is_some() {}
            assert!(!has_budget_remaining());
            Poll::Ready(Pin::new(&mut patient).poll_read(context, &mut ReadBuf::new(&mut byte)))
        });
        assert!(spent.await.is_pending());
        let silence = tokio::time::timeout(PATIENCE.silence * 100, patient.read(&mut byte));
        assert_eq!(silence.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
