//! What the supervisor prints: every line with the name of the part it comes from, in colour on a terminal only.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::time::Duration;

use crate::host::variable;

/// The width of the longest part's name, `memcached ap-southeast-1/2`.
const NAME_WIDTH: usize = 26;

/// Colours of the terminal's own palette, so that they suit a dark and a light one.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// Prints to standard output. Whole lines, so that parts do not interleave.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    terminal: bool,
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Console {
    /// Colours when standard output is a terminal and `NO_COLOR` is not the reader's wish.
    #[must_use]
    pub fn new() -> Self {
        Self { terminal: stdout().is_terminal() && variable("NO_COLOR").is_none() }
    }

    /// One line of a part: `core us-east-1 | text`.
    pub fn line(&self, part: &str, text: &str) {
        let prefix = format!("{part:<NAME_WIDTH$} |");
        if self.terminal {
            let colour = colour(part);
            self.print(&format!("\x1b[{colour}m{prefix}\x1b[0m {text}\n"));
        } else {
            self.print(&format!("{prefix} {text}\n"));
        }
    }

    /// Says that a part has started, and how long that took.
    pub fn started(&self, part: &str, took: Duration) {
        self.line(part, &format!("started in {} ms", took.as_millis()));
    }

    /// Text without a prefix, and nothing added to it.
    pub fn print(&self, text: &str) {
        let mut out = stdout().lock();
        // A reader that went away must not stop the stack from being stopped in order.
        let _written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// The same colour for the same part, whatever else runs.
fn colour(part: &str) -> u8 {
    let sum: usize = part.bytes().map(usize::from).sum();
    COLOURS.get(sum % COLOURS.len()).copied().unwrap_or(36)
}
