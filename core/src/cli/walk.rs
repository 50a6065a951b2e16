//! How a command reads the whole table: in how many parts, how fast, and how patiently.

use std::time::Duration;

use clap::Args;

use crate::pace::{Budget, Kind, Pace, Window};

/// Arguments of every command that reads the table from end to end.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct WalkArgs {
    /// Parts of the table that are read side by side.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub segments: u16,
    /// Read units a second at most; without it, as fast as the table grants.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    units_per_second: Option<u32>,
    /// How long the table, or whatever takes what is read, may refuse before the command ends with status 1.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    patience: u64,
}

impl WalkArgs {
    /// The pace of the reading.
    pub(super) fn pace(self) -> Pace {
        let budget = self.units_per_second.map_or(Budget::unlimited(), |n| Budget::per_second(Kind::Read, n));
        Pace::new(budget, Window::new(self.segments, self.segments), self.patience())
    }

    /// How long one call may be refused.
    pub(super) fn patience(self) -> Duration {
        Duration::from_secs(self.patience)
    }
}
