//! How a child is, in the control API's words.

use serde::{Deserialize, Serialize};

/// How a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunState {
    /// It runs.
    Running,
    /// Its process has ended: its ports refuse.
    Stopped,
    /// Its process is there but does nothing: its ports accept and never answer.
    Hung,
}
