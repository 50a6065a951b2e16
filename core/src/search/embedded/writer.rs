//! The one task that writes the embedded index: what comes within half a second is one commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use echoes_shared::{EchoId, Timestamp};
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::query::AllQuery;
use tantivy::{DocSet as _, IndexWriter, Searcher, TERMINATED};
use tokio::sync::{mpsc, oneshot};

use super::Reader;
use super::collect::Ended;
use super::folder::{Mark, Place};
use super::schema::column;
use crate::clock::Stopwatch;
use crate::search::{Document, RefusedDocument, SearchUnavailable};

/// From one commit to the next at least: each makes a segment, which is merged later, and waits for the disk.
const COMMIT_EVERY: Duration = Duration::from_millis(500);
/// Documents of one commit at which no more are waited for.
const MAX_DOCUMENTS: usize = 4_000;
/// Batches that wait for the next commit at most; more wait at their caller.
const MAX_WAITING: usize = 64;
/// Bytes of documents in memory before they are written: the least that the index takes.
const MEMORY_BYTES: usize = 15_000_000;
/// Part of a segment's documents that are deleted when it is written anew.
const DELETED_BEFORE_MERGE: f32 = 0.3;
/// What one purge drops at most.
const MAX_PURGED: usize = 10_000;

type Answer<T> = oneshot::Sender<Result<T, SearchUnavailable>>;

/// Where batches are handed to the task. It ends with the last of these.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

#[derive(Debug)]
enum Job {
    Apply(Vec<Document>, Answer<Vec<RefusedDocument>>),
    Purge(Timestamp, Answer<u64>),
    Mark(bool, Timestamp, Answer<()>),
}

impl Job {
    fn documents(&self) -> usize {
        match self {
            Self::Apply(documents, _) => documents.len(),
            Self::Purge(..) | Self::Mark(..) => 0,
        }
    }
}

impl Writer {
    /// Starts the task.
    pub fn start(place: Place, mark: Mark, reader: Arc<Reader>, filled: Arc<AtomicBool>) -> Self {
        let (jobs, waiting) = mpsc::channel(MAX_WAITING);
        tokio::spawn(write(State { place, mark, reader, filled, writer: None }, waiting));
        Self { jobs }
    }

    /// Returns when the documents are committed and found.
    pub async fn apply(&self, documents: Vec<Document>) -> Result<Vec<RefusedDocument>, SearchUnavailable> {
        self.hand(|answer| Job::Apply(documents, answer)).await
    }

    /// Drops what is of no use at `now`, and notes that the index is in use.
    pub async fn purge(&self, now: Timestamp) -> Result<u64, SearchUnavailable> {
        self.hand(|answer| Job::Purge(now, answer)).await
    }

    /// Notes whether every echo of the table has been in the index.
    pub async fn mark(&self, filled: bool, now: Timestamp) -> Result<(), SearchUnavailable> {
        self.hand(|answer| Job::Mark(filled, now, answer)).await
    }

    async fn hand<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, SearchUnavailable> {
        let ended = || SearchUnavailable("the index's writer has ended".to_owned());
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

/// Commits what comes until nobody can hand anything any more.
async fn write(mut state: State, mut waiting: mpsc::Receiver<Job>) {
    let mut since_commit: Option<Stopwatch> = None;
    while let Some(first) = waiting.recv().await {
        let mut jobs = vec![first];
        let rest = since_commit.map(|since| COMMIT_EVERY.saturating_sub(since.elapsed())).unwrap_or_default();
        let mut pause = std::pin::pin!(tokio::time::sleep(rest));
        let documents = |jobs: &[Job]| jobs.iter().map(Job::documents).sum::<usize>();
        let is_full = |jobs: &[Job]| jobs.len() >= MAX_WAITING || documents(jobs) >= MAX_DOCUMENTS;
        while !is_full(&jobs) {
            tokio::select! {
                biased;
                next = waiting.recv() => match next {
                    Some(job) => jobs.push(job),
                    None => break,
                },
                () = &mut pause => break,
            }
        }
        since_commit = Some(Stopwatch::start());
        let done = tokio::task::spawn_blocking(move || {
            state.commit(jobs);
            state
        });
        match done.await {
            Ok(back) => state = back,
            // Everybody who waits is told that the writer has ended.
            Err(ended) => return tracing::error!(%ended, "the search index's writer ended"),
        }
    }
}

struct State {
    place: Place,
    mark: Mark,
    reader: Arc<Reader>,
    filled: Arc<AtomicBool>,
    /// Absent at the beginning and after a failure, which leaves it in an unknown state.
    writer: Option<IndexWriter>,
}

/// What becomes of one job when the commit is made.
enum Done {
    Applied(Vec<RefusedDocument>, Answer<Vec<RefusedDocument>>),
    Purged(u64, Answer<u64>),
    Marked(Answer<()>),
}

impl State {
    fn commit(&mut self, jobs: Vec<Job>) {
        let mut done = Vec::with_capacity(jobs.len());
        let mark = self.mark.clone();
        let committed = self.try_commit(jobs, &mut done);
        if let Err(error) = &committed {
            tracing::warn!(%error, "the search index cannot be written");
            self.mark = mark;
        }
        let failed = committed.err().map(|error| SearchUnavailable(error.to_string()));
        self.filled.store(self.mark.filled, Ordering::Release);
        for done in done {
            done.answer(failed.as_ref());
        }
    }

    /// What is not in `done` when this fails is answered by being dropped.
    fn try_commit(&mut self, jobs: Vec<Job>, done: &mut Vec<Done>) -> tantivy::Result<()> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.open_writer()?,
        };
        let searcher = self.reader.index.searcher();
        let mut written = HashMap::new();
        for job in jobs {
            done.push(match job {
                Job::Apply(documents, answer) => {
                    Done::Applied(self.put(&writer, &searcher, &mut written, &documents)?, answer)
                }
                Job::Purge(now, answer) => {
                    self.mark.used_at = now;
                    Done::Purged(self.purge(&writer, &searcher, &written, now)?, answer)
                }
                Job::Mark(filled, now, answer) => {
                    self.mark.used_at = now;
                    self.mark.filled = filled;
                    Done::Marked(answer)
                }
            });
        }
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&serde_json::to_string(&self.mark).unwrap_or_default());
        commit.commit()?;
        self.reader.index.reload()?;
        self.writer = Some(writer);
        Ok(())
    }

    fn open_writer(&self) -> tantivy::Result<IndexWriter> {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(MEMORY_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = self.place.index.writer_with_options(options)?;
        let mut policy = LogMergePolicy::default();
        policy.set_del_docs_ratio_before_merge(DELETED_BEFORE_MERGE);
        writer.set_merge_policy(Box::new(policy));
        Ok(writer)
    }

    /// Puts those documents in the place of what is there that are not older than it.
    fn put(
        &self,
        writer: &IndexWriter,
        searcher: &Searcher,
        written: &mut HashMap<EchoId, u64>,
        documents: &[Document],
    ) -> tantivy::Result<Vec<RefusedDocument>> {
        let mut refused = Vec::new();
        for document in documents {
            let there = match written.get(&document.id) {
                Some(edition) => Some(*edition),
                None => self.edition(searcher, document.id)?,
            };
            if there.is_some_and(|edition| edition > document.edition) {
                continue;
            }
            match self.reader.fields.document(document) {
                Ok(kept) => {
                    writer.delete_term(self.reader.fields.id_term(document.id));
                    writer.add_document(kept)?;
                    written.insert(document.id, document.edition);
                }
                Err(reason) => refused.push(RefusedDocument { id: document.id, reason }),
            }
        }
        Ok(refused)
    }

    /// The edition of an echo that was committed.
    fn edition(&self, searcher: &Searcher, id: EchoId) -> tantivy::Result<Option<u64>> {
        let term = self.reader.fields.id_term(id);
        for segment in searcher.segment_readers() {
            let postings = segment.inverted_index(term.field())?.read_postings(&term, Default::default())?;
            let Some(mut postings) = postings else { continue };
            let mut document = postings.doc();
            while document != TERMINATED {
                if !segment.is_deleted(document) {
                    return Ok(segment.fast_fields().u64(column::EDITION)?.first(document));
                }
                document = postings.advance();
            }
        }
        Ok(None)
    }

    fn purge(
        &self,
        writer: &IndexWriter,
        searcher: &Searcher,
        written: &HashMap<EchoId, u64>,
        now: Timestamp,
    ) -> tantivy::Result<u64> {
        let ended = searcher.search(&AllQuery, &Ended { now, most: MAX_PURGED })?;
        let ids = ended.into_iter().filter_map(|id| EchoId::from_bytes(id.to_be_bytes()));
        let mut purged = 0;
        // What this very commit writes anew stays.
        for id in ids.filter(|id| !written.contains_key(id)) {
            writer.delete_term(self.reader.fields.id_term(id));
            purged += 1;
        }
        Ok(purged)
    }
}

impl Done {
    /// Says what came of it; nobody may be left to hear it.
    fn answer(self, failed: Option<&SearchUnavailable>) {
        match self {
            Self::Applied(refused, answer) => drop(answer.send(failed.cloned().map_or(Ok(refused), Err))),
            Self::Purged(count, answer) => drop(answer.send(failed.cloned().map_or(Ok(count), Err))),
            Self::Marked(answer) => drop(answer.send(failed.cloned().map_or(Ok(()), Err))),
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("mark", &self.mark).finish_non_exhaustive()
    }
}
