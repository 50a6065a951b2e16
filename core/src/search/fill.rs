//! Puts every echo of the table into an index, while whoever applies the stream to it goes on: of two states the later one stays.

use std::sync::Arc;
use std::time::Duration;

use echoes_shared::Timestamp;
use rand::RngExt as _;
use serde::Serialize;
use tokio::sync::mpsc;

use super::{Document, Index, RefusedDocument, SearchUnavailable};
use crate::clock::Stopwatch;
use crate::pace::Pace;
use crate::pace::table::{Segments, next_page};
use crate::store::{ScanPage, Segment, Store};
use crate::units;

/// Pages that wait to be counted.
const PAGES_AHEAD: usize = 8;
/// The pause after the index was away is drawn from zero to this.
const PAUSE: Duration = Duration::from_secs(2);

/// How the table is read.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Parts read side by side.
    pub segments: u16,
    /// How long the index may be away before the filling ends.
    pub patience: Duration,
    /// The time, for each page anew.
    pub clock: fn() -> Timestamp,
}

/// What was put into the index.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Echoes.
    pub echoes: u64,
    /// Tombstones, which the index remembers.
    pub gone: u64,
    /// Expired echoes left out.
    pub expired: u64,
    /// Items that are neither echo nor tombstone.
    pub damaged: u64,
    /// Echoes that the index can never take.
    pub refused: u64,
    /// Read units consumed.
    pub read_units: f64,
}

/// What is told while it goes on.
#[derive(Debug)]
pub enum Event<'a> {
    /// An item is neither echo nor tombstone.
    Damaged(&'a str),
    /// The index can never take an echo.
    Refused(&'a RefusedDocument),
    /// How far it came.
    Progress(&'a Counts),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With all there was.
    Complete,
    /// By a signal.
    Stopped,
    /// By an error.
    Failed(String),
}

/// A page that the index has taken.
struct Taken {
    page: ScanPage,
    refused: Vec<RefusedDocument>,
    read_units: f64,
}

/// Reads the whole table, strongly consistently, and has `index` take it.
///
/// Consistently, because what is applied from the stream before the first page was read need not be told to an index that is new
/// (see `opensearch/indices.rs`): all of that is found here.
pub async fn fill(
    store: &Store,
    pace: Pace,
    plan: Plan,
    index: Arc<dyn Index>,
    stop: impl Future<Output = ()>,
    tell: &mut (dyn FnMut(Event<'_>) + Send),
) -> (End, Counts) {
    tokio::pin!(stop);
    let (pages, mut taken) = mpsc::channel(PAGES_AHEAD);
    let pace = Arc::new(pace);
    let read_one = |segment| read(store.clone(), Arc::clone(&pace), plan, segment, Arc::clone(&index), pages.clone());
    let mut segments = Segments::spawn(plan.segments, read_one);
    drop(pages);
    let mut counts = Counts::default();
    let end = loop {
        tokio::select! {
            page = taken.recv() => match page {
                Some(page) => counts.add(&page, tell),
                None => break segments.end().await.map_or_else(End::Failed, |()| End::Complete),
            },
            Some(Err(failure)) = segments.next() => break End::Failed(failure),
            () = &mut stop => break End::Stopped,
        }
    };
    (end, counts)
}

impl Counts {
    fn add(&mut self, Taken { page, refused, read_units }: &Taken, tell: &mut (dyn FnMut(Event<'_>) + Send)) {
        self.echoes += page.echoes.len() as u64;
        self.gone += page.tombstones.len() as u64;
        self.expired += page.expired;
        self.damaged += page.damaged.len() as u64;
        self.refused += refused.len() as u64;
        self.read_units += read_units;
        page.damaged.iter().for_each(|what| tell(Event::Damaged(what)));
        refused.iter().for_each(|refused| tell(Event::Refused(refused)));
        tell(Event::Progress(self));
    }
}

/// Reads one segment to its end, or until nobody counts any more.
async fn read(
    store: Store,
    pace: Arc<Pace>,
    plan: Plan,
    mut segment: Segment,
    index: Arc<dyn Index>,
    taken: mpsc::Sender<Taken>,
) -> Result<(), String> {
    while !segment.has_ended() {
        let reading = next_page(&store, &pace, segment, true, plan.clock);
        let ((back, page), consumed) = units::counted(reading).await;
        segment = back;
        let page = page.map_err(|error| error.to_string())?;
        let documents = documents(&page, (plan.clock)());
        let refused = until_taken(&*index, &documents, plan.patience).await.map_err(|error| error.to_string())?;
        if taken.send(Taken { page, refused, read_units: consumed.read }).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn documents(page: &ScanPage, now: Timestamp) -> Vec<Document> {
    let living = page.echoes.iter().cloned().map(Document::lives);
    living.chain(page.tombstones.iter().map(|id| Document::gone(*id, now))).collect()
}

/// Has the index take the documents, however often it is away, until patience ends.
async fn until_taken(
    index: &dyn Index,
    documents: &[Document],
    patience: Duration,
) -> Result<Vec<RefusedDocument>, SearchUnavailable> {
    if documents.is_empty() {
        return Ok(Vec::new());
    }
    let waited = Stopwatch::start();
    loop {
        match index.apply(documents).await {
            Err(_) if waited.elapsed() < patience => {
                let pause = rand::rng().random_range(Duration::ZERO..=PAUSE);
                tokio::time::sleep(pause).await;
            }
            taken => return taken,
        }
    }
}
