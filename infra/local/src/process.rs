//! A child process in a process group of its own, with its output prefixed and its death reported.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::console::Console;

/// How many lines a death report quotes.
const LAST_LINES: usize = 15;
/// Longer lines are cut into pieces.
const LINE_BYTES: u64 = 16 * 1024;
/// How long the output of a dead process is read on: a grandchild may hold the pipe open.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);

/// What to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The program, by path or by name.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment, or `None` to inherit this process's.
    pub env: Option<Vec<(String, String)>>,
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
    running: Mutex<Option<Running>>,
}

#[derive(Debug, Clone)]
struct Running {
    group: Pid,
    /// Its end is nobody's surprise: somebody asked for it, or waits for it.
    expected: Arc<AtomicBool>,
    /// How it ended, once it has.
    ended: watch::Receiver<Option<Death>>,
}

impl Process {
    /// Describes a child; nothing runs yet.
    #[must_use]
    pub fn new(name: String, spec: Spec, console: Console, deaths: mpsc::Sender<Death>) -> Self {
        Self { name, spec, console, deaths, running: Mutex::new(None) }
    }

    /// The part's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it. Its end is reported only once it is watched over.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn start(&self) -> anyhow::Result<()> {
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
        let group = Pid::from_raw(i32::try_from(id)?);

        let lines = Lines::default();
        let mut outputs = Vec::new();
        outputs.extend(child.stdout.take().map(|out| self.pump(out, &lines)));
        outputs.extend(child.stderr.take().map(|out| self.pump(out, &lines)));
        let expected = Arc::new(AtomicBool::new(true));
        let (report, ended) = watch::channel(None);
        let watcher =
            Watcher { name: self.name.clone(), deaths: self.deaths.clone(), expected: expected.clone(), report };
        tokio::spawn(watcher.watch(child, outputs, lines));
        *self.lock() = Some(Running { group, expected, ended });
        Ok(())
    }

    /// From now on its end is reported, unless [`Self::stop`] asks for it.
    ///
    /// # Errors
    /// How it ended, when it has already.
    pub fn watch_over(&self) -> Result<(), Death> {
        match &*self.lock() {
            None => Ok(()),
            Some(running) => {
                running.expected.store(false, Ordering::SeqCst);
                let ended = running.ended.borrow().clone();
                ended.map_or(Ok(()), Err)
            }
        }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be run, fails, or takes longer than `limit`.
    pub async fn run_to_end(&self, limit: Duration) -> anyhow::Result<()> {
        self.start()?;
        let end = timeout(limit, self.ended()).await;
        let end = end.with_context(|| format!("{} took longer than {} s", self.name, limit.as_secs()))?;
        if end.success { Ok(()) } else { Err(end.into()) }
    }

    /// Ends it with its whole group: SIGTERM, and SIGKILL for what is left after `grace`. Answers when it is gone.
    pub async fn stop(&self, grace: Duration) {
        let Some(mut running) = self.lock().take() else {
            return;
        };
        running.expected.store(true, Ordering::SeqCst);
        if running.ended.borrow().is_none() {
            send(running.group, Signal::SIGTERM);
            // A hung process hears the first signal only when it goes on.
            send(running.group, Signal::SIGCONT);
            let gone = timeout(grace, running.ended.wait_for(Option::is_some)).await;
            if gone.is_err() {
                self.console.line(&self.name, "did not stop in time: killed");
            }
        }
        // Grandchildren too, which may outlive the one that was asked.
        send(running.group, Signal::SIGKILL);
        let _gone = running.ended.wait_for(Option::is_some).await;
    }

    /// Stops the group from running without ending it, as a hang does.
    pub fn hang(&self) {
        if let Some(running) = &*self.lock() {
            send(running.group, Signal::SIGSTOP);
        }
    }

    /// Lets a hung group go on.
    pub fn go_on(&self) {
        if let Some(running) = &*self.lock() {
            send(running.group, Signal::SIGCONT);
        }
    }

    /// Resolves when it has ended; never when it does not run.
    pub async fn ended(&self) -> Death {
        let running = self.lock().clone();
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A group that is gone already needs no signal.
fn send(group: Pid, signal: Signal) {
    let _gone = killpg(group, signal);
}

/// The last lines that a process printed.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<VecDeque<String>>>);

impl Lines {
    fn push(&self, text: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(text.to_owned());
    }

    fn take(&self) -> Vec<String> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.drain(..).collect()
    }
}

/// Waits for a child's end and tells who should know.
struct Watcher {
    name: String,
    deaths: mpsc::Sender<Death>,
    expected: Arc<AtomicBool>,
    report: watch::Sender<Option<Death>>,
}

impl Watcher {
    async fn watch(self, mut child: Child, outputs: Vec<JoinHandle<()>>, lines: Lines) {
        let (success, status) = match child.wait().await {
            Ok(status) => (status.success(), status.to_string()),
            Err(error) => (false, error.to_string()),
        };
        let reading = async {
            for output in outputs {
                let _read = output.await;
            }
        };
        let _complete = timeout(OUTPUT_GRACE, reading).await;
        let death = Death { name: self.name, success, status, last_lines: lines.take() };
        self.report.send_replace(Some(death.clone()));
        if !self.expected.load(Ordering::SeqCst) {
            // Nobody listens any more only when everything is being stopped.
            let _told = self.deaths.send(death).await;
        }
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
        assert!(shell("exit 0").0.run_to_end(limit).await.is_ok());
        let error = shell("echo why; exit 1").0.run_to_end(limit).await.unwrap_err();
        assert!(error.to_string().ends_with("why"), "{error}");
    }
}
