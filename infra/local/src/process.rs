//! A child process in a process group of its own, with its output prefixed and its death reported.

mod group;
mod watcher;

use std::fmt;
use std::future::pending;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::console::Console;
use group::Group;
use watcher::{Lines, Watcher};

/// Longer lines are cut into pieces.
const LINE_BYTES: u64 = 16 * 1024;

/// What to run.
#[derive(Clone)]
pub struct Spec {
    /// The program, by path or by name.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment, or `None` to inherit this process's.
    pub env: Option<Vec<(String, String)>>,
}

/// Variables by name only: some of their values are secrets.
impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.env.as_ref().map(|env| env.iter().map(|(name, _value)| name.as_str()).collect::<Vec<_>>());
        let Self { program, args, env: _ } = self;
        f.debug_struct("Spec").field("program", program).field("args", args).field("env", &names).finish()
    }
}

/// How a process ended.
#[derive(Debug, Clone)]
pub struct Death {
    /// The part's name.
    pub name: String,
    /// Whether it says that it did what it was to do.
    pub success: bool,
    /// How it ended: `exit status: 1`.
    pub status: String,
    /// The last lines it printed, oldest first.
    pub last_lines: Vec<String>,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ended: {}", self.name, self.status)?;
        self.last_lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for Death {}

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
        outputs.extend(child.stdout.take().map(|out| self.pump(out, &lines)));
        outputs.extend(child.stderr.take().map(|out| self.pump(out, &lines)));
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
        slot.running = Some(Running { group, expected, ended });
        Ok(())
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
            running.group.signal(Signal::SIGSTOP);
        }
    }

    /// Lets a hung group go on.
    pub fn go_on(&self) {
        if let Some(running) = &self.lock().running {
            running.group.signal(Signal::SIGCONT);
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

    fn pump(&self, output: impl AsyncRead + Unpin + Send + 'static, lines: &Lines) -> JoinHandle<()> {
        let (console, name, lines) = (self.console, self.name.clone(), lines.clone());
        tokio::spawn(async move {
            let mut reader = BufReader::new(output);
            let mut line = Vec::new();
            loop {
                line.clear();
                let mut piece = (&mut reader).take(LINE_BYTES);
                match piece.read_until(b'\n', &mut line).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {
                        let text = String::from_utf8_lossy(&line);
                        let text = text.trim_end();
                        console.line(&name, text);
                        lines.push(text);
                    }
                }
            }
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (Process, mpsc::Receiver<Death>) {
        let (sender, receiver) = mpsc::channel(1);
        let spec = Spec { program: "sh".into(), args: vec!["-c".to_owned(), script.to_owned()], env: None };
        let process = Process::new("test".to_owned(), spec, Console::new(), sender);
        (process, receiver)
    }

    #[tokio::test]
    async fn a_death_is_reported_with_the_last_lines() {
        let (process, mut deaths) = shell("sleep 0.2; echo one; echo two >&2; exit 3");
        process.start().unwrap();
        process.watch_over().unwrap();
        let death = deaths.recv().await.unwrap();
        assert_eq!(death.name, "test");
        assert!(death.status.contains('3'), "{}", death.status);
        let mut lines = death.last_lines;
        lines.sort();
        assert_eq!(lines, ["one", "two"]);
    }

    #[tokio::test]
    async fn a_stop_ends_the_whole_group_and_is_no_death() {
        let (process, mut deaths) = shell("sleep 600 & sleep 600");
        process.start().unwrap();
        process.watch_over().unwrap();
        process.hang();
        process.stop(Duration::from_secs(5)).await;
        drop(process);
        assert!(deaths.recv().await.is_none());
    }

    #[tokio::test]
    async fn what_ignores_a_request_to_stop_is_killed() {
        let (process, mut deaths) = shell("trap '' TERM; while true; do sleep 1; done");
        process.start().unwrap();
        process.watch_over().unwrap();
        process.stop(Duration::from_millis(300)).await;
        drop(process);
        assert!(deaths.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_run_to_the_end_tells_failure_from_success() {
        let limit = Duration::from_secs(5);
        let run = async |script| {
            let (process, _deaths) = shell(script);
            process.start().unwrap();
            process.finish(limit).await
        };
        assert!(run("exit 0").await.is_ok());
        let error = run("echo why; exit 1").await.unwrap_err();
        assert!(error.to_string().ends_with("why"), "{error}");
    }

    #[tokio::test]
    async fn what_the_dead_left_behind_is_killed_at_once() {
        // The one left behind holds the pipe: it closes when that one is gone.
        let (process, _deaths) = shell("sleep 600 & echo left; exit 0");
        let begun = tokio::time::Instant::now();
        process.start().unwrap();
        process.finish(Duration::from_secs(5)).await.unwrap();
        assert!(!process.lives());
        assert!(begun.elapsed() < Duration::from_secs(5));
        process.stop(Duration::from_secs(5)).await;
    }

    #[tokio::test]
    async fn a_stop_that_was_given_up_is_taken_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let deaf = folder.path().join("deaf");
        let script = format!("trap '' TERM; : >'{}'; while true; do sleep 1; done", deaf.display());
        let (process, _deaths) = shell(&script);
        process.start().unwrap();
        while !deaf.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(timeout(Duration::from_millis(50), process.stop(Duration::from_secs(60))).await.is_err());
        assert!(process.lives());
        process.stop(Duration::from_millis(50)).await;
        assert!(!process.lives());
    }

    #[tokio::test]
    async fn what_is_closed_does_not_start() {
        let (process, _deaths) = shell("sleep 600");
        process.start().unwrap();
        assert!(process.start().is_err(), "once is enough");
        process.close(Duration::from_secs(5)).await;
        assert!(process.start().is_err());
        assert!(!process.lives());
    }

    #[test]
    fn debug_output_names_variables_and_keeps_their_values() {
        let env = Some(vec![("AWS_SECRET_ACCESS_KEY".to_owned(), "hush".to_owned())]);
        let text = format!("{:?}", Spec { program: "sh".into(), args: Vec::new(), env });
        assert!(text.contains("AWS_SECRET_ACCESS_KEY") && !text.contains("hush"), "{text}");
    }
}
