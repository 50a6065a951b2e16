//! How a child ended, as its operator is told.

use std::fmt;

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
