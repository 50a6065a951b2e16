//! A child process in a process group of its own, with its output prefixed and its death reported.

mod death;
mod group;
mod output;
mod run_state;
mod spec;
#[cfg(test)]
mod tests;
mod watcher;

use std::future::pending;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::console::Console;
use group::Group;
use output::pump;
use watcher::{Lines, Watcher};

pub use death::Death;
pub use run_state::RunState;
pub use spec::Spec;

/// A child that can be started, stopped, hung and started again.
#[derive(Debug)]
pub struct Process {
    name: String,
    spec: Spec,
    console: Console,
    deaths: mpsc::Sender<Death>,
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    /// What was started last, until it has been stopped.
    running: Option<Running>,
    /// It is being stopped for good: nothing starts any more.
    closed: bool,
}

#[derive(Debug, Clone)]
struct Running {
    group: Arc<Group>,
    /// Its end is nobody's surprise: somebody asked for it, or waits for it.
    expected: Arc<AtomicBool>,
    /// It has been told to do nothing.
    hung: Arc<AtomicBool>,
    /// How it ended, once it has.
    ended: watch::Receiver<Option<Death>>,
}

impl Process {
    /// Describes a child; nothing runs yet.
    #[must_use]
    pub fn new(name: String, spec: Spec, console: Console, deaths: mpsc::Sender<Death>) -> Self {
        Self { name, spec, console, deaths, slot: Mutex::default() }
    }

    /// Starts it. Its end is reported only once it is watched over.
    ///
    /// # Errors
    /// When the program cannot be run, runs already, or has been closed.
    pub fn start(&self) -> anyhow::Result<()> {
        // Held until the child is in its slot, so that a close comes before the start or finds the child.
        let mut slot = self.lock();
        ensure!(!slot.closed, "{} is not started any more: the stack is being stopped", self.name);
        ensure!(!slot.running.as_ref().is_some_and(Running::lives), "{} runs already", self.name);
        let mut command = Command::new(&self.spec.program);
        command.args(&self.spec.args).process_group(0);
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        if let Some(env) = &self.spec.env {
            command.env_clear().envs(env.iter().cloned());
        }
        let mut child = command.spawn().with_context(|| format!("running {}", self.spec.program.display()))?;
        let id = child.id().context("the child ended at once")?;
        let group = Arc::new(Group::new(Pid::from_raw(i32::try_from(id)?)));

        let lines = Lines::default();
        let mut outputs = Vec::new();
        let name = || self.name.clone();
        outputs.extend(child.stdout.take().map(|out| pump(out, self.console, name(), lines.clone())));
        outputs.extend(child.stderr.take().map(|out| pump(out, self.console, name(), lines.clone())));
        let expected = Arc::new(AtomicBool::new(true));
        let (report, ended) = watch::channel(None);
        let watcher = Watcher {
            name: self.name.clone(),
            group: group.clone(),
            deaths: self.deaths.clone(),
            expected: expected.clone(),
            report,
        };
        tokio::spawn(watcher.watch(child, outputs, lines));
        slot.running = Some(Running { group, expected, hung: Arc::default(), ended });
        Ok(())
    }

    /// Starts it, waits until it is `ready`, and watches over it from then on. What does not get ready is stopped again.
    ///
    /// # Errors
    /// What kept it from running or from getting ready, its own end included.
    pub async fn start_until(
        &self,
        ready: impl Future<Output = anyhow::Result<()>>,
        grace: Duration,
    ) -> anyhow::Result<()> {
        self.start()?;
        let outcome = tokio::select! {
            ready = ready => ready.and_then(|()| Ok(self.watch_over()?)),
            death = self.ended() => Err(death.into()),
        };
        if outcome.is_err() {
            self.stop(grace).await;
        }
        outcome
    }

    /// From now on its end is reported, unless [`Self::stop`] asks for it.
    ///
    /// # Errors
    /// How it ended, when it has already.
    pub fn watch_over(&self) -> Result<(), Death> {
        match &self.lock().running {
            None => Ok(()),
            Some(running) => {
                running.expected.store(false, Ordering::SeqCst);
                let ended = running.ended.borrow().clone();
                ended.map_or(Ok(()), Err)
            }
        }
    }

    /// Waits for the end of what has been started.
    ///
    /// # Errors
    /// When it fails, or takes longer than `limit`.
    pub async fn finish(&self, limit: Duration) -> anyhow::Result<()> {
        let end = timeout(limit, self.ended()).await;
        let end = end.with_context(|| format!("{} took longer than {} s", self.name, limit.as_secs()))?;
        if end.success { Ok(()) } else { Err(end.into()) }
    }

    /// Ends it with its whole group: SIGTERM, and SIGKILL for what is left after `grace`. Answers when it is gone, to
    /// every caller: the slot is cleared only then, so a caller that gave up in the middle leaves it to the next.
    pub async fn stop(&self, grace: Duration) {
        let Some(mut running) = self.lock().running.clone() else {
            return;
        };
        running.expected.store(true, Ordering::SeqCst);
        running.group.signal(Signal::SIGTERM);
        // A hung process hears the first signal only when it goes on.
        running.group.signal(Signal::SIGCONT);
        if timeout(grace, running.ended.wait_for(Option::is_some)).await.is_err() {
            self.console.line(&self.name, "did not stop in time: killed");
            running.group.signal(Signal::SIGKILL);
            let _gone = running.ended.wait_for(Option::is_some).await;
        }
        let mut slot = self.lock();
        if slot.running.as_ref().is_some_and(|now| Arc::ptr_eq(&now.group, &running.group)) {
            slot.running = None;
        }
    }

    /// Stops it as [`Self::stop`] does, for good: from the first moment on it can be neither started nor hung.
    pub async fn close(&self, grace: Duration) {
        self.lock().closed = true;
        self.stop(grace).await;
    }

    /// Whether it has been started and has not ended.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.lock().running.as_ref().is_some_and(Running::lives)
    }

    /// Stops the group from running without ending it, as a hang does.
    pub fn hang(&self) {
        let slot = self.lock();
        if let Some(running) = &slot.running
            && !slot.closed
        {
            running.hung.store(true, Ordering::SeqCst);
            running.group.signal(Signal::SIGSTOP);
        }
    }

    /// Lets a hung group go on.
    pub fn go_on(&self) {
        if let Some(running) = &self.lock().running {
            running.group.signal(Signal::SIGCONT);
            running.hung.store(false, Ordering::SeqCst);
        }
    }

    /// How it is, also after an end that nobody asked for.
    #[must_use]
    pub fn state(&self) -> RunState {
        match &self.lock().running {
            Some(running) if running.lives() && running.hung.load(Ordering::SeqCst) => RunState::Hung,
            Some(running) if running.lives() => RunState::Running,
            _ => RunState::Stopped,
        }
    }

    /// Resolves when it has ended; never when it does not run.
    pub async fn ended(&self) -> Death {
        let running = self.lock().running.clone();
        if let Some(mut running) = running
            && let Ok(ended) = running.ended.wait_for(Option::is_some).await
            && let Some(death) = ended.clone()
        {
            return death;
        }
        pending().await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn lives(&self) -> bool {
        self.ended.borrow().is_none()
    }
}
