//! A process group that is signalled only while its number is surely its own.

use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The group of a child that leads it.
#[derive(Debug)]
pub(super) struct Group {
    id: Pid,
    /// The leader has been reaped: the system may give its number to a stranger.
    gone: Mutex<bool>,
}

impl Group {
    pub(super) fn new(id: Pid) -> Self {
        Self { id, gone: Mutex::new(false) }
    }

    /// Signals every member; nothing happens once the leader has been reaped.
    pub(super) fn signal(&self, signal: Signal) {
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if !*gone {
            // A group that is gone already needs no signal.
            let _gone = killpg(self.id, signal);
        }
    }

    /// Kills what is left; to be called once, right after the leader has been reaped.
    pub(super) fn end(&self) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let _gone = killpg(self.id, Signal::SIGKILL);
        *gone = true;
    }
}
