//! Machines that are no machines: one seeded scheduler polls the tasks of every worker, in virtual time.
//!
//! Between any two polls a worker may be frozen, so that it goes on later as if no time had passed, or killed.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use echoes_shared::Timestamp;
use futures_util::future::BoxFuture;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::stream::Host;

/// When the simulation begins.
pub const EPOCH_MILLIS: u64 = 1_795_000_000_000;
/// Whoever belongs to no worker.
pub const NOBODY: usize = 0;

/// A task of a worker.
struct Task {
    worker: usize,
    signs: Arc<Signs>,
    future: BoxFuture<'static, ()>,
}

#[derive(Default)]
struct Signs {
    ready: AtomicBool,
    killed: AtomicBool,
    done: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Signs {
    fn end(&self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(waker) = lock(&self.waiting).take() {
            waker.wake();
        }
    }
}

impl Wake for Signs {
    fn wake(self: Arc<Self>) {
        self.ready.store(true, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The scheduler. Cheap to clone.
#[derive(Clone)]
pub struct Machine(Arc<Mutex<State>>);

struct State {
    rng: ChaCha8Rng,
    millis: u64,
    born: Vec<Task>,
    timers: BTreeMap<(u64, u64), Waker>,
    timer: u64,
    frozen: BTreeMap<usize, u64>,
    dead: Vec<usize>,
    workers: usize,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machine")
    }
}

impl Machine {
    pub fn new(seed: u64) -> Self {
        let state = State {
            rng: ChaCha8Rng::seed_from_u64(seed),
            millis: 0,
            born: Vec::new(),
            timers: BTreeMap::new(),
            timer: 0,
            frozen: BTreeMap::new(),
            dead: Vec::new(),
            workers: NOBODY,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    pub fn millis(&self) -> u64 {
        self.state().millis
    }

    /// The true time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(EPOCH_MILLIS + self.millis())
    }

    /// One in so many times.
    pub fn one_in(&self, times: u32) -> bool {
        self.state().rng.random_range(0..times) == 0
    }

    /// A number below `bound`.
    pub fn below(&self, bound: usize) -> usize {
        self.state().rng.random_range(0..bound)
    }

    pub fn sleep(&self, millis: u64) -> BoxFuture<'static, ()> {
        let until = self.millis() + millis;
        Box::pin(Sleep { machine: self.clone(), until })
    }

    /// The usual wait for an answer: mostly short, sometimes seconds.
    pub async fn dawdle(&self) {
        let millis = if self.one_in(40) { self.below(4_000) } else { self.below(30) };
        self.sleep(millis as u64).await;
    }

    /// A host for a new worker, whose clocks are its own: the wall clock is up to five minutes off.
    pub fn host(&self) -> SimHost {
        let mut state = self.state();
        state.workers += 1;
        let (uptime, skew) = (state.rng.random_range(0..1_000_000), state.rng.random_range(0..600_000));
        SimHost { machine: self.clone(), worker: state.workers, uptime, skew }
    }

    pub fn spawn(&self, worker: usize, future: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let signs = Arc::new(Signs::default());
        signs.ready.store(true, Ordering::Relaxed);
        self.state().born.push(Task { worker, signs: Arc::clone(&signs), future });
        Box::pin(Join(signs))
    }

    /// Nothing of that worker runs for so long.
    pub fn freeze(&self, worker: usize, millis: u64) {
        let mut state = self.state();
        let until = state.millis + millis;
        state.frozen.insert(worker, until);
    }

    /// Nothing of that worker runs any more.
    pub fn kill(&self, worker: usize) {
        self.state().dead.push(worker);
    }

    /// Polls tasks until virtual time has come to `until`.
    pub fn run(&self, until: u64) {
        let mut tasks: Vec<Task> = Vec::new();
        loop {
            let (ready, dead) = {
                let mut state = self.state();
                tasks.append(&mut state.born);
                let dead = std::mem::take(&mut state.dead);
                let millis = state.millis;
                state.frozen.retain(|_, until| *until > millis);
                let frozen = |task: &Task| state.frozen.contains_key(&task.worker);
                let ready: Vec<_> = (0..tasks.len())
                    .filter(|index| tasks[*index].signs.ready.load(Ordering::Relaxed) && !frozen(&tasks[*index]))
                    .collect();
                (ready, dead)
            };
            // Dropped without the lock: what they hold may want it.
            let gone = |task: &Task| dead.contains(&task.worker) || task.signs.killed.load(Ordering::Relaxed);
            if tasks.iter().any(gone) {
                let (ends, stays): (Vec<_>, Vec<_>) = tasks.into_iter().partition(gone);
                tasks = stays;
                ends.iter().for_each(|task| task.signs.end());
                drop(ends);
                continue;
            }
            if ready.is_empty() {
                if !self.advance(until) {
                    self.state().born.append(&mut tasks);
                    return;
                }
                continue;
            }
            let index = ready[self.below(ready.len())];
            let task = &mut tasks[index];
            task.signs.ready.store(false, Ordering::Relaxed);
            let waker = Waker::from(Arc::clone(&task.signs));
            if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                let task = tasks.swap_remove(index);
                task.signs.end();
            }
        }
    }

    /// Goes on to the next timer or the end of the next frost; `false` at the end.
    fn advance(&self, until: u64) -> bool {
        let mut state = self.state();
        let timer = state.timers.keys().next().map(|(at, _)| *at);
        let thaw = state.frozen.values().min().copied();
        let Some(next) = timer.into_iter().chain(thaw).min().filter(|next| *next <= until) else {
            state.millis = until;
            return false;
        };
        state.millis = state.millis.max(next);
        let later = state.timers.split_off(&(next + 1, 0));
        let due = std::mem::replace(&mut state.timers, later);
        drop(state);
        due.into_values().for_each(Waker::wake);
        true
    }
}

struct Sleep {
    machine: Machine,
    until: u64,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.machine.state();
        if state.millis >= self.until {
            return Poll::Ready(());
        }
        state.timer += 1;
        let key = (self.until, state.timer);
        state.timers.insert(key, context.waker().clone());
        Poll::Pending
    }
}

struct Join(Arc<Signs>);

impl Future for Join {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        *lock(&self.0.waiting) = Some(context.waker().clone());
        if self.0.done.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Join {
    fn drop(&mut self) {
        self.0.killed.store(true, Ordering::Relaxed);
    }
}

/// A worker's machine.
#[derive(Debug, Clone)]
pub struct SimHost {
    machine: Machine,
    pub worker: usize,
    uptime: u64,
    skew: u64,
}

impl Host for SimHost {
    fn monotonic_millis(&self) -> u64 {
        self.machine.millis() + self.uptime
    }

    fn now(&self) -> Timestamp {
        self.machine.now().minus_millis(300_000).plus_millis(self.skew)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.machine.sleep(u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        self.machine.spawn(self.worker, task)
    }

    fn part_of(&self, whole: Duration) -> Duration {
        let part = self.machine.below(1_000);
        whole.mul_f64(part as f64 / 1_000.0)
    }
}
