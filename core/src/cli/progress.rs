//! How far bulk work has come: a bar on a terminal, a line every few seconds elsewhere, always on stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::Stopwatch;

/// Between two lines where stderr is no terminal.
const LINE_PERIOD: Duration = Duration::from_secs(5);
/// Between two rates on a terminal.
const RATE_PERIOD: Duration = Duration::from_secs(1);
/// Faults that are shown; all are counted.
const FAULTS_SHOWN: u64 = 100;

/// What is shown while bulk work goes on.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// `write` or `read`.
    kind: &'static str,
    shown: Stopwatch,
    shown_at: State,
    faults: u64,
}

/// How far the work has come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    pub bytes: u64,
    pub echoes: u64,
    pub units: f64,
}

impl Progress {
    /// Progress of work that begins at `start`, towards so many bytes where that is known.
    pub(super) fn new(kind: &'static str, bytes: Option<u64>, start: State) -> Self {
        let bar = io::stderr().is_terminal().then(|| bar(bytes));
        Self { bar, kind, shown: Stopwatch::start(), shown_at: start, faults: 0 }
    }

    /// Shows how far the work has come, if it is time to.
    pub(super) fn show(&mut self, state: State) {
        if let Some(bar) = &self.bar {
            bar.set_position(state.bytes);
        }
        let elapsed = self.shown.elapsed();
        if elapsed < if self.bar.is_some() { RATE_PERIOD } else { LINE_PERIOD } {
            return;
        }
        let seconds = elapsed.as_secs_f64();
        let echoes = state.echoes.saturating_sub(self.shown_at.echoes) as f64 / seconds;
        let units = (state.units - self.shown_at.units) / seconds;
        let rates = format!("{} echoes, {echoes:.0} echoes/s, {units:.0} {} units/s", state.echoes, self.kind);
        (self.shown, self.shown_at) = (Stopwatch::start(), state);
        match &self.bar {
            Some(bar) => bar.set_message(rates),
            None => self.say(rates),
        }
    }

    /// Shows one fault; the hundredth is the last.
    pub(super) fn fault(&mut self, fault: impl Display) {
        self.faults += 1;
        if self.faults <= FAULTS_SHOWN {
            self.say(fault);
        }
        if self.faults == FAULTS_SHOWN {
            self.say("the faults that follow are only counted");
        }
    }

    /// A line on stderr.
    #[expect(clippy::print_stderr, reason = "stdout is for results")]
    pub(super) fn say(&self, line: impl Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("echoes: {line}")),
            None => eprintln!("echoes: {line}"),
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), "{bar:30} {percent:>3}% {bytes}/{total_bytes} {msg} {eta}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {msg} {elapsed}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
