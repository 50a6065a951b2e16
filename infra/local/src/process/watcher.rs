//! Waits for a child's end, with what it printed last, and reports it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Death;
use super::group::Group;

/// How many lines a death report quotes.
const LAST_LINES: usize = 15;
/// How long the output of a dead process is read on: a grandchild outside its group may hold the pipe open.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);

/// The last lines that a process printed.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(Arc<Mutex<VecDeque<String>>>);

impl Lines {
    pub(super) fn push(&self, text: &str) {
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
pub(super) struct Watcher {
    pub(super) name: String,
    pub(super) group: Arc<Group>,
    pub(super) deaths: mpsc::Sender<Death>,
    pub(super) expected: Arc<AtomicBool>,
    pub(super) report: watch::Sender<Option<Death>>,
}

impl Watcher {
    /// Runs until the child has ended and been reported.
    pub(super) async fn watch(self, mut child: Child, outputs: Vec<JoinHandle<()>>, lines: Lines) {
        let (success, status) = match child.wait().await {
            Ok(status) => (status.success(), status.to_string()),
            Err(error) => (false, error.to_string()),
        };
        // Grandchildren may outlive the one that was asked, and its number may soon be another's: now or never.
        self.group.end();
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
