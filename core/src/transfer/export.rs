//! The table as lines: several parts of it read side by side, written in whatever order they come.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::thread;

use echoes_shared::{Echo, Timestamp};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::End;
use crate::pace::Pace;
use crate::pace::table::{Segments, next_page};
use crate::store::{ScanPage, Segment, Store, StoreError};
use crate::units;

/// Pages that wait to be written: enough that the reader of a pipe and the table do not wait for each other in turns.
const PAGES_AHEAD: usize = 8;

/// How an export goes.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Parts read side by side.
    pub segments: u16,
    /// Whether reads are strongly consistent, at twice the units.
    pub consistent: bool,
    /// The time, for each page anew.
    pub clock: fn() -> Timestamp,
}

/// What an export wrote and left out.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Echoes written, one a line. One that lies in the table twice is written twice, and an import stores it once.
    pub echoes: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Tombstones left out.
    pub tombstones: u64,
    /// Expired echoes left out.
    pub expired: u64,
    /// Items that are neither echo nor tombstone.
    pub damaged: u64,
    /// Read units consumed.
    pub read_units: f64,
}

/// What an export tells while it runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// An item is neither echo nor tombstone.
    Damaged(&'a str),
    /// How far it came.
    Progress(&'a Counts),
}

/// A page as it is written, and what is counted with it.
struct Lines {
    text: Vec<u8>,
    page: ScanPage,
    read_units: f64,
}

/// Writes every living echo to `sink`, one JSON object a line.
///
/// A reader of `sink` that goes away, as `head` does, ends the export as it ends other programs: at once and in peace.
pub async fn export(
    store: &Store,
    pace: Pace,
    plan: Plan,
    sink: impl Write + Send + 'static,
    stop: impl Future<Output = ()>,
    tell: &mut dyn FnMut(Event<'_>),
) -> (End, Counts) {
    tokio::pin!(stop);
    let (pages, mut read) = mpsc::channel(PAGES_AHEAD);
    let pace = Arc::new(pace);
    let read_one = |segment| scan(store.clone(), Arc::clone(&pace), plan, segment, pages.clone());
    let mut segments = Segments::spawn(plan.segments, read_one);
    drop(pages);
    let (texts, written) = write(sink);
    let mut counts = Counts::default();
    let end = loop {
        tokio::select! {
            page = read.recv() => match page {
                Some(Lines { text, page, read_units }) => {
                    counts.add(&page, text.len(), read_units);
                    page.damaged.iter().for_each(|what| tell(Event::Damaged(what)));
                    tell(Event::Progress(&counts));
                    if texts.send(text).await.is_err() {
                        break End::Complete;
                    }
                }
                None => break segments.end().await.map_or_else(End::Failed, |()| End::Complete),
            },
            Some(Err(failure)) = segments.next() => break End::Failed(failure),
            () = &mut stop => break End::Stopped,
        }
    };
    drop((segments, texts));
    let end = match written.await.unwrap_or_else(|_| Err(io::Error::other("the writer ended"))) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => End::Unwanted,
        Err(error) => End::Failed(format!("the output: {error}")),
        Ok(()) => end,
    };
    (end, counts)
}

impl Counts {
    fn add(&mut self, page: &ScanPage, bytes: usize, read_units: f64) {
        self.echoes += page.echoes.len() as u64;
        self.bytes += bytes as u64;
        self.tombstones += page.tombstones.len() as u64;
        self.expired += page.expired;
        self.damaged += page.damaged.len() as u64;
        self.read_units += read_units;
    }
}

/// Reads one segment to its end, or until nobody wants more.
async fn scan(
    store: Store,
    pace: Arc<Pace>,
    plan: Plan,
    mut segment: Segment,
    pages: mpsc::Sender<Lines>,
) -> Result<(), StoreError> {
    while !segment.has_ended() {
        let reading = next_page(&store, &pace, segment, plan.consistent, plan.clock);
        let ((back, page), consumed) = units::counted(reading).await;
        segment = back;
        let page = page?;
        let text = lines(&page.echoes);
        if pages.send(Lines { text, page, read_units: consumed.read }).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn lines(echoes: &[Echo]) -> Vec<u8> {
    let mut text = Vec::new();
    for echo in echoes {
        // Writing an echo into memory cannot fail.
        if serde_json::to_writer(&mut text, echo).is_ok() {
            text.push(b'\n');
        }
    }
    text
}

/// A thread that writes what it is sent, and how that ended once nothing more is sent.
fn write(sink: impl Write + Send + 'static) -> (mpsc::Sender<Vec<u8>>, oneshot::Receiver<io::Result<()>>) {
    let (sender, mut texts) = mpsc::channel::<Vec<u8>>(1);
    let (ended, end) = oneshot::channel();
    thread::spawn(move || {
        let mut sink = BufWriter::new(sink);
        let mut result = Ok(());
        while let (Ok(()), Some(text)) = (&result, texts.blocking_recv()) {
            result = sink.write_all(&text);
        }
        // Nobody waits where the export has been given up.
        let _ = ended.send(result.and_then(|()| sink.flush()));
    });
    (sender, end)
}
