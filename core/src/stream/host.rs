//! What the pump needs of the machine: time, chance and tasks. The simulation has its own.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use echoes_shared::Timestamp;
use futures_util::future::BoxFuture;
use rand::RngExt as _;
use tokio::task::JoinHandle;

use crate::clock;

/// The machine that a worker runs on.
pub trait Host: Send + Sync + fmt::Debug + 'static {
    /// A clock that nobody sets.
    fn monotonic_millis(&self) -> u64;
    /// The wall clock, which may be minutes off.
    fn now(&self) -> Timestamp;
    /// Ends after so long.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
    /// Runs `task` beside the caller. What comes back ends with it, and ends it when it is dropped.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;
    /// A random part of `whole`.
    fn part_of(&self, whole: Duration) -> Duration;
}

/// This process on its machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioHost;

impl Host for TokioHost {
    fn monotonic_millis(&self) -> u64 {
        clock::monotonic_millis()
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        Box::pin(Running(tokio::spawn(task)))
    }

    fn part_of(&self, whole: Duration) -> Duration {
        whole.mul_f64(rand::rng().random_range(0.0..1.0))
    }
}

/// A task that ends with its handle. One that panicked counts as ended.
struct Running(JoinHandle<()>);

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(|_| ())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The pauses between tries: full jitter below a bound that doubles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// How often in a row something has failed.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to wait after one more failure.
    pub(super) fn next(&mut self, host: &dyn Host) -> Duration {
        let times = 2_u32.checked_pow(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        host.part_of(self.first.saturating_mul(times).min(self.longest))
    }

    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }
}
