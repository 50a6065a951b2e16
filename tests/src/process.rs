//! A child in a process group of its own, with its output kept.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::waiting::eventually;

/// How long a child that would not stop may take once it is killed.
const KILLED_WITHIN: Duration = Duration::from_secs(5);
/// How long a child that is dropped may take to stop its own children.
const DROPPED_WITHIN: Duration = Duration::from_secs(20);

/// A child that is stopped, at the latest, when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts it.
    pub fn start(mut command: Command) -> Self {
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let out = child.stdout.take().map(|out| keep(out, &lines));
        let err = child.stderr.take().map(|err| keep(err, &lines));
        Self { child, lines, readers: out.into_iter().chain(err).collect(), ended: None }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("its state can be asked for");
        }
        self.ended
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let status = eventually(within, "the end of a process", || self.ended().ok_or_else(|| "it runs".to_owned()));
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        status
    }

    /// Asks it to stop, as an operator would.
    pub fn ask_to_stop(&self) {
        let _ = kill(self.pid(), Signal::SIGTERM);
    }

    /// Asks it to stop, and waits.
    #[track_caller]
    pub fn terminate(&mut self, within: Duration) -> ExitStatus {
        self.ask_to_stop();
        self.wait(within)
    }

    /// Its last lines.
    pub fn last_lines(&self, count: usize) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// Its process's id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        // It has children in groups of their own, so it is asked first.
        let _ = kill(self.pid(), Signal::SIGTERM);
        let begun = std::time::Instant::now();
        while self.ended().is_none() && begun.elapsed() < DROPPED_WITHIN {
            thread::sleep(Duration::from_millis(20));
        }
        if self.ended().is_none() {
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let begun = std::time::Instant::now();
            while self.ended().is_none() && begun.elapsed() < KILLED_WITHIN {
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn keep(output: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    })
}
