//! Lines into the table: many at a time, the lines of one echo in their order, an outcome for each.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use echoes_shared::problem::FieldError;
use echoes_shared::{EchoId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::End;
use super::checkpoint::Checkpoint;
use super::lines::{Content, Line};
use super::mark::{Mark, Outcome, Reached, Ticket};
use crate::pace::{Attempt, Pace};
use crate::store::{CHUNK_ITEMS, NewItem, RestoreOutcome, Store, StoreError};
use crate::units;

/// Lines past the mark at most. Where one is refused for long, the others wait here rather than fill the memory.
const MAX_OPEN_LINES: usize = 10_000;
/// How long calls under way may go on once the import is to stop. One that is cut off is repeated by the next run.
const DRAIN: Duration = Duration::from_secs(5);
/// Between two reports of progress.
const REPORT: Duration = Duration::from_millis(200);

/// How echoes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One by one, each on the condition that nothing lies in its place.
    Conditional,
    /// Twenty-five at a time over whatever is there.
    AssumeEmpty,
}

impl Mode {
    const fn items_of_a_call(self) -> usize {
        match self {
            Self::Conditional => 1,
            Self::AssumeEmpty => CHUNK_ITEMS,
        }
    }
}

/// How an import goes.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How echoes are written.
    pub mode: Mode,
    /// Calls at a time at most.
    pub calls: u16,
    /// The time, for each call anew: an import may take hours.
    pub clock: fn() -> Timestamp,
}

/// What an import tells while it runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// A line is no echo.
    Faulty(u64, &'a [FieldError]),
    /// Something else lies under a line's id.
    Differs(u64, EchoId),
    /// How far it came, and the write units it consumed.
    Progress(&'a Reached, f64),
}

/// What an import did.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub end: End,
    /// How far it came.
    pub reached: Reached,
    /// Write units consumed by this run.
    pub units: f64,
}

/// An import that runs.
pub struct Import<'a> {
    store: Store,
    pace: Arc<Pace>,
    plan: Plan,
    mark: Mark,
    checkpoint: Option<Checkpoint>,
    /// Lines read and not taken yet.
    ready: VecDeque<Line>,
    /// Echoes of the next call.
    gathered: Vec<Taken>,
    /// The ids gathered or under way: another line of one of them waits until it is done, and so comes after it.
    busy: HashSet<EchoId>,
    calls: JoinSet<Finished>,
    units: f64,
    /// Why no more lines are taken.
    ending: Option<End>,
    tell: &'a mut dyn FnMut(Event<'_>),
}

/// A line's echo on its way.
struct Taken {
    ticket: Ticket,
    line: u64,
    new: NewItem,
}

/// What a call has done.
struct Finished {
    lines: Vec<(Taken, Option<Outcome>)>,
    error: Option<StoreError>,
    units: f64,
}

impl<'a> Import<'a> {
    /// An import that goes on from `reached`.
    pub fn new(
        store: Store,
        pace: Pace,
        plan: Plan,
        reached: Reached,
        checkpoint: Option<Checkpoint>,
        tell: &'a mut dyn FnMut(Event<'_>),
    ) -> Self {
        Self {
            store,
            pace: Arc::new(pace),
            plan,
            mark: Mark::at(reached),
            checkpoint,
            ready: VecDeque::new(),
            gathered: Vec::new(),
            busy: HashSet::new(),
            calls: JoinSet::new(),
            units: 0.0,
            ending: None,
            tell,
        }
    }

    /// Takes lines until there are no more, `stop` comes, or the table refuses one for good.
    ///
    /// The checkpoint is removed at the source's end, faulty lines or not: they are told once, and a run after that begins
    /// anew. Otherwise it is kept, and the next run takes what this one could not store.
    pub async fn run(
        mut self,
        mut lines: mpsc::Receiver<io::Result<Vec<Line>>>,
        stop: impl Future<Output = ()>,
    ) -> Report {
        tokio::pin!(stop);
        let mut report = tokio::time::interval(REPORT);
        let mut ended = false;
        while self.ending.is_none() {
            self.advance(lines.is_empty());
            if ended && self.ready.is_empty() && self.calls.is_empty() {
                self.ending = Some(End::Complete);
                break;
            }
            tokio::select! {
                Some(call) = self.calls.join_next() => self.finish(call),
                batch = lines.recv(), if !ended && self.ready.is_empty() => match batch {
                    Some(Ok(batch)) => self.ready.extend(batch),
                    Some(Err(error)) => self.ending = Some(End::Failed(format!("the source: {error}"))),
                    None => ended = true,
                },
                kept = kept(&mut self.checkpoint) => self.fail_unless(kept),
                _ = report.tick() => (self.tell)(Event::Progress(self.mark.reached(), self.units)),
                () = &mut stop => self.ending = Some(End::Stopped),
            }
            if let Some(checkpoint) = &mut self.checkpoint {
                checkpoint.keep(self.mark.reached());
            }
        }
        self.drain().await;
        self.close().await
    }

    /// Takes lines while there is room for more calls. `last` says that no further line is at hand; a call that is not full
    /// then waits only as long as others are under way.
    fn advance(&mut self, last: bool) {
        while self.calls.len() < usize::from(self.plan.calls) {
            let waits = match self.ready.front().map(Line::echo_id) {
                Some(Some(id)) => self.busy.contains(&id),
                Some(None) => false,
                None if last && self.calls.is_empty() => true,
                None => return,
            };
            if waits || self.mark.open_lines() >= MAX_OPEN_LINES {
                return self.launch();
            }
            if let Some(line) = self.ready.pop_front() {
                self.take(line);
            }
            if self.gathered.len() >= self.plan.mode.items_of_a_call() {
                self.launch();
            }
        }
    }

    fn take(&mut self, line: Line) {
        let ticket = self.mark.take(line.end_bytes);
        match line.content {
            Content::Echo(new) => {
                self.busy.insert(new.echo.echo_id);
                self.gathered.push(Taken { ticket, line: line.number, new: *new });
            }
            Content::Blank => self.mark.settle(ticket, Outcome::Blank),
            Content::Expired => self.mark.settle(ticket, Outcome::Expired),
            Content::Faulty(errors) => {
                (self.tell)(Event::Faulty(line.number, &errors));
                self.mark.settle(ticket, Outcome::Faulty);
            }
        }
    }

    fn launch(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        let taken = std::mem::take(&mut self.gathered);
        let (store, pace, plan) = (self.store.clone(), Arc::clone(&self.pace), self.plan);
        self.calls.spawn(async move {
            let write = async {
                match plan.mode {
                    Mode::Conditional => restore(&store, &pace, plan.clock, taken).await,
                    Mode::AssumeEmpty => put_chunk(&store, &pace, plan.clock, taken).await,
                }
            };
            let ((lines, error), consumed) = units::counted(write).await;
            Finished { lines, error, units: consumed.write }
        });
    }

    fn finish(&mut self, call: Result<Finished, JoinError>) {
        let Finished { lines, error, units } = match call {
            Ok(finished) => finished,
            // Cut off by `drain`: the next run repeats it.
            Err(error) if error.is_cancelled() => return,
            Err(error) => {
                self.ending = Some(End::Failed(error.to_string()));
                return;
            }
        };
        self.units += units;
        for (taken, outcome) in lines {
            self.busy.remove(&taken.new.echo.echo_id);
            if let Some(outcome) = outcome {
                if outcome == Outcome::Differs {
                    (self.tell)(Event::Differs(taken.line, taken.new.echo.echo_id));
                }
                self.mark.settle(taken.ticket, outcome);
            } else if let Some(error) = &error {
                let failed = || End::Failed(format!("line {}: {error}", taken.line));
                self.ending.get_or_insert_with(failed);
            }
        }
    }

    /// Lets the calls under way end, for a while.
    async fn drain(&mut self) {
        let all = async {
            while let Some(call) = self.calls.join_next().await {
                self.finish(call);
            }
        };
        if tokio::time::timeout(DRAIN, all).await.is_err() {
            self.calls.shutdown().await;
        }
    }

    async fn close(mut self) -> Report {
        let end = self.ending.take().unwrap_or(End::Complete);
        let reached = *self.mark.reached();
        let closed = match (self.checkpoint.take(), &end) {
            (None, _) => Ok(()),
            (Some(checkpoint), End::Complete) => checkpoint.remove().await,
            (Some(checkpoint), _) => checkpoint.close(&reached).await,
        };
        (self.tell)(Event::Progress(&reached, self.units));
        self.ending = Some(end);
        self.fail_unless(closed);
        Report { end: self.ending.unwrap_or(End::Complete), reached, units: self.units }
    }

    fn fail_unless(&mut self, kept: io::Result<()>) {
        if let Err(error) = kept {
            self.ending = Some(End::Failed(format!("the checkpoint: {error}")));
        }
    }
}

async fn kept(checkpoint: &mut Option<Checkpoint>) -> io::Result<()> {
    match checkpoint {
        Some(checkpoint) => checkpoint.kept().await,
        None => std::future::pending().await,
    }
}

type Written = (Vec<(Taken, Option<Outcome>)>, Option<StoreError>);

// The store's futures are large, and without optimisation each that holds one is copied on the stack several times: so they
// are put on the heap where the throttle begins.

/// Stores echoes one after the other, each unless something lies in its place.
async fn restore(store: &Store, pace: &Pace, clock: fn() -> Timestamp, all: Vec<Taken>) -> Written {
    let (mut lines, mut error) = (Vec::with_capacity(all.len()), None);
    for taken in all {
        let call = |taken: Taken| async {
            let met = Attempt::of(Box::pin(store.restore(&taken.new, clock())).await);
            (taken, met)
        };
        let (taken, met) = pace.until_granted(taken, call).await;
        let outcome = match met {
            Ok(RestoreOutcome::Stored) => Some(Outcome::Stored),
            Ok(RestoreOutcome::Present) => Some(Outcome::Present),
            Ok(RestoreOutcome::Differs) => Some(Outcome::Differs),
            Ok(RestoreOutcome::Deleted) => Some(Outcome::Deleted),
            Err(refused) => {
                error = Some(refused);
                None
            }
        };
        lines.push((taken, outcome));
    }
    (lines, error)
}

/// Stores echoes of different ids together, whatever is there.
async fn put_chunk(store: &Store, pace: &Pace, clock: fn() -> Timestamp, all: Vec<Taken>) -> Written {
    let left: Vec<usize> = (0..all.len()).collect();
    let items = &all;
    let call = |left: Vec<usize>| async move {
        let chosen: Vec<&NewItem> =
            left.iter().filter_map(|&place| items.get(place)).map(|taken| &taken.new).collect();
        match Box::pin(store.put_chunk(&chosen, clock())).await {
            Ok(refused) if refused.is_empty() => (Vec::new(), Attempt::Done(())),
            Ok(refused) => {
                let left = refused.iter().filter_map(|&place| left.get(place).copied()).collect();
                (left, Attempt::Refused(StoreError::Throttled { operation: "BatchWriteItem" }))
            }
            Err(error) => (left, Attempt::of(Err(error))),
        }
    };
    let (left, result) = pace.until_granted(left, call).await;
    let outcome = |place: usize| if left.contains(&place) { None } else { Some(Outcome::Stored) };
    let lines = all.into_iter().enumerate().map(|(place, taken)| (taken, outcome(place))).collect();
    (lines, result.err())
}
