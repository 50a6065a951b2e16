//! Reads a shard: once for all sinks that keep up, and once more for those that were left behind until they have caught up.
//!
//! DynamoDB allows two readers a shard, so a sink that was down for an hour is filled again while the others go on.

use std::future::pending;
use std::time::Duration;

use super::apply;
use super::host::Backoff;
use super::lane::{Feed, Lane, Room};
use super::letters::Letter;
use super::shard::Shard;
use super::{Page, Sequence, SourceError, Start};

/// The pause after a page with something, so that a few writes a second are not a call each.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two pages without anything.
const IDLE_PAUSE: Duration = Duration::from_millis(500);
/// Records of a page behind which there is more at once: the most that DynamoDB gives.
pub(crate) const FULL_RECORDS: usize = 1_000;
/// The same in bytes, of the 1 MB that a page has at most.
const FULL_BYTES: usize = 768 * 1024;
/// A sink whose queue has been full for so long is left behind.
const LEFT_AFTER: Duration = Duration::from_secs(5);
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// Records are kept for 24 hours: where every sink had all that there was less than this ago, none can be lost. Clocks and
/// delays have the hour between.
const KEPT_MILLIS: u64 = 23 * 60 * 60 * 1_000;

/// What is said where a shard is read from its oldest record on, and that is not asked for by its place.
const OLDEST: &str = "the shard's first records may not be kept any more";

/// A way through a shard.
struct Cursor {
    after: Option<Sequence>,
    iterator: Option<String>,
    pause: Duration,
}

/// What came of asking for a page.
enum Read {
    Page(Page),
    /// What follows the position is not kept any more.
    Trimmed,
    /// The shard is not kept any more.
    Gone,
}

impl Cursor {
    const fn after(after: Option<Sequence>) -> Self {
        Self { after, iterator: None, pause: Duration::ZERO }
    }

    /// The next page; it waits as long as the stream gives no answer.
    async fn read(&mut self, shard: &Shard) -> Read {
        let mut backoff = Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
        loop {
            let asked = self.ask(shard).await;
            match asked {
                Ok(page) => {
                    if backoff.failures() > 0 {
                        tracing::info!(shard = %shard.id(), "the stream answers again");
                    }
                    return Read::Page(page);
                }
                Err(SourceError::Gone) => return Read::Gone,
                Err(SourceError::Trimmed) if self.after.is_some() => return Read::Trimmed,
                Err(SourceError::Expired) => self.iterator = None,
                // The oldest record was trimmed while it was asked for.
                Err(SourceError::Trimmed) => self.iterator = None,
                Err(SourceError::Unavailable(error)) => {
                    if backoff.failures() == 0 {
                        tracing::warn!(shard = %shard.id(), %error, "the stream does not answer, and is asked again");
                    }
                }
            }
            let pause = backoff.next(shard.host());
            shard.host().sleep(pause).await;
        }
    }

    async fn ask(&mut self, shard: &Shard) -> Result<Page, SourceError> {
        let source = &shard.parts.source;
        let iterator = match &self.iterator {
            Some(iterator) => iterator.clone(),
            None => {
                let start = self.after.clone().map_or(Start::Oldest, Start::After);
                source.iterator(shard.id(), &start).await?
            }
        };
        let page = source.page(&iterator).await?;
        self.iterator.clone_from(&page.next);
        if let Some(last) = page.entries.last() {
            self.after = Some(last.sequence.clone());
        }
        Ok(page)
    }

    /// How long to wait before the next page.
    fn pause(&mut self, page: &Page) -> Duration {
        self.pause = next_pause(self.pause, page.entries.len(), page.entries.iter().map(|entry| entry.bytes).sum());
        self.pause
    }
}

fn next_pause(last: Duration, records: usize, bytes: usize) -> Duration {
    match records {
        FULL_RECORDS.. => Duration::ZERO,
        1.. if bytes >= FULL_BYTES => Duration::ZERO,
        1.. => BUSY_PAUSE,
        0 => (last * 2).clamp(BUSY_PAUSE, IDLE_PAUSE),
    }
}

/// Reads for all sinks that keep up, to the end of the shard; it never returns.
pub(super) async fn main(shard: &Shard) {
    let mut cursor = Cursor::after(shard.head().position.clone());
    if cursor.after.is_none() {
        missed(shard, Feed::Main, OLDEST).await;
    }
    loop {
        // Without anybody to give it to, nothing is read.
        while !shard.lanes.iter().any(|lane| lane.feed() == Feed::Main) {
            shard.wake_main.notified().await;
        }
        let read = cursor.read(shard).await;
        let page = match read {
            Read::Page(page) => page,
            Read::Trimmed => {
                missed(shard, Feed::Main, "records that followed are not kept any more").await;
                cursor = Cursor::after(None);
                continue;
            }
            Read::Gone => {
                missed(shard, Feed::Main, "the shard is not kept any more").await;
                shard.head().ended = true;
                shard.moved.notify_one();
                return pending().await;
            }
        };
        let fed = begin(shard, &page);
        deliver(shard, &fed, Feed::Main, &page).await;
        if page.next.is_none() {
            shard.head().ended = true;
            shard.moved.notify_one();
            return pending().await;
        }
        let pause = cursor.pause(&page);
        shard.host().sleep(pause).await;
    }
}

/// Moves the head, and says whom the page is for. Both at once: a sink that joins later has had the page.
fn begin<'a>(shard: &'a Shard, page: &Page) -> Vec<&'a Lane> {
    let mut head = shard.head();
    head.polled_millis = shard.host().monotonic_millis();
    match page.entries.last() {
        Some(last) => {
            head.empty_pages = 0;
            head.position = head.position.take().max(Some(last.sequence.clone()));
        }
        None => head.empty_pages = head.empty_pages.saturating_add(1),
    }
    shard.lanes.iter().filter(|lane| lane.feed() == Feed::Main).collect()
}

/// Reads for the sinks that were left behind and can go on; it never returns.
pub(super) async fn behind(shard: &Shard) {
    loop {
        let lanes = left_behind(shard);
        if lanes.is_empty() {
            shard.wake_behind.notified().await;
            continue;
        }
        let names: Vec<_> = lanes.iter().map(|lane| lane.sink.name().as_str()).collect();
        tracing::info!(shard = %shard.id(), sinks = names.join(" "), "sinks that are behind catch up");
        catch_up(shard, &lanes).await;
    }
}

fn left_behind(shard: &Shard) -> Vec<&Lane> {
    shard.lanes.iter().filter(|lane| lane.feed() == Feed::Behind).collect()
}

/// Reads from the hindmost on until all keep up, or one needs what lies before: it was left behind again, or is another one.
async fn catch_up(shard: &Shard, hindmost: &[&Lane]) {
    let mut cursor = Cursor::after(hindmost.iter().map(|lane| lane.given()).min().flatten());
    if cursor.after.is_none() {
        missed(shard, Feed::Behind, OLDEST).await;
    }
    loop {
        let lanes = left_behind(shard);
        join(shard, &lanes);
        // Nobody but this reader joins or leaves those that it feeds, so they are the same when the page is there.
        let lanes = left_behind(shard);
        if lanes.is_empty() || lanes.iter().any(|lane| lane.given() < cursor.after) {
            return;
        }
        let page = match cursor.read(shard).await {
            Read::Page(page) => page,
            Read::Trimmed => {
                missed(shard, Feed::Behind, "records that followed are not kept any more").await;
                cursor = Cursor::after(None);
                continue;
            }
            Read::Gone => {
                missed(shard, Feed::Behind, "the shard is not kept any more").await;
                return end(shard, &lanes);
            }
        };
        let ended = page.next.is_none();
        deliver(shard, &lanes, Feed::Behind, &page).await;
        if ended && lanes.iter().all(|lane| lane.feed() == Feed::Behind && lane.given() >= cursor.after) {
            return end(shard, &lanes);
        }
        let pause = cursor.pause(&page);
        shard.host().sleep(pause).await;
    }
}

/// Those that have had what the first reader has read are fed by it from now on.
fn join(shard: &Shard, lanes: &[&Lane]) {
    let head = shard.head();
    if lanes.iter().filter(|lane| lane.join(head.position.as_ref())).count() > 0 {
        shard.wake_main.notify_one();
        shard.moved.notify_one();
    }
}

/// There is nothing behind what they have had.
fn end(shard: &Shard, lanes: &[&Lane]) {
    let _head = shard.head();
    for lane in lanes {
        lane.join(None);
    }
    shard.wake_main.notify_one();
    shard.moved.notify_one();
}

/// Gives a page to the sinks, and waits for those whose queue is full, though not for ever.
async fn deliver(shard: &Shard, lanes: &[&Lane], feed: Feed, page: &Page) {
    let now_millis = || shard.host().monotonic_millis();
    let mut full = Vec::new();
    for lane in lanes {
        match lane.give(feed, &page.entries, now_millis()) {
            Room::Given { skipped } => count_skipped(shard, lane, feed, skipped),
            Room::FullSince(_) => full.push(*lane),
        }
    }
    for lane in full {
        while let Room::FullSince(since_millis) = lane.give(feed, &page.entries, now_millis()) {
            let waited = Duration::from_millis(now_millis().saturating_sub(since_millis));
            let Some(left) = LEFT_AFTER.checked_sub(waited).filter(|left| !left.is_zero()) else {
                tracing::warn!(shard = %shard.id(), sink = %lane.sink.name(), "the sink is left behind");
                if lane.leave() {
                    shard.wake_behind.notify_one();
                }
                break;
            };
            tokio::select! {
                biased;
                () = lane.room.notified() => {}
                () = shard.host().sleep(left) => {}
            }
        }
    }
}

fn count_skipped(shard: &Shard, lane: &Lane, feed: Feed, skipped: usize) {
    if feed == Feed::Behind && skipped > 0 {
        shard.parts.progress.metrics().stream_records(lane.sink.name().as_str(), "skipped", skipped);
    }
}

/// Sets down for each of those sinks that it missed something, unless all that it has not applied is younger than what is kept.
async fn missed(shard: &Shard, feed: Feed, reason: &str) {
    let now = shard.host().now();
    let caught_up = shard.head().caught_up;
    if caught_up.is_some_and(|at| now.millis_since(at) < KEPT_MILLIS) {
        return;
    }
    for lane in shard.lanes.iter().filter(|lane| lane.feed() == feed) {
        let sink = lane.sink.name();
        let letter = Letter::trimmed(sink, shard.id(), lane.given(), reason, now);
        tracing::error!(shard = %shard.id(), %sink, reason, "records were lost before the sink had them");
        shard.parts.progress.metrics().stream_records(sink.as_str(), "trimmed", 1);
        apply::tell_of_loss(shard.host(), &*lane.sink, shard.id()).await;
        apply::set_aside(shard, &letter).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_asked_for_at_once_while_they_are_full_and_ever_less_often_while_they_are_empty() {
        let mut pause = next_pause(Duration::ZERO, 1_000, 0);
        assert_eq!(pause, Duration::ZERO);
        assert_eq!(next_pause(pause, 3, 800 * 1024), Duration::ZERO);
        pause = next_pause(pause, 7, 7_000);
        assert_eq!(pause, BUSY_PAUSE);
        let pauses: Vec<_> = (0..4)
            .map(|_| {
                pause = next_pause(pause, 0, 0);
                pause.as_millis()
            })
            .collect();
        assert_eq!(pauses, [200, 400, 500, 500]);
    }
}
