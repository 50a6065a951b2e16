//! The index inside this process, for one machine: a folder of its own, or memory.

mod collect;
mod folder;
mod schema;
mod score;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use echoes_shared::Timestamp;
use futures_util::future::BoxFuture;
use tantivy::collector::Count;
use tantivy::query::TermQuery;
use tantivy::schema::IndexRecordOption;
use tantivy::{IndexReader, ReloadPolicy, TantivyDocument};
use tokio::sync::Semaphore;

use super::{Document, Hit, Hits, Index, Query, RefusedDocument, SearchUnavailable, Stats};
use collect::Page;
use folder::Place;
use schema::Fields;
use score::Imagined;
use writer::Writer;

pub use folder::OpenError;

/// Searches at a time: each takes a thread, and the machine has other things to do.
const SEARCHES_AT_A_TIME: usize = 4;
/// How long a search may wait for its turn.
const TURN_TIMEOUT: Duration = Duration::from_millis(500);
/// Blocks of stored echoes that are kept unpacked for each segment; a page of hits is in as many at most.
const STORED_BLOCKS: usize = 16;

/// The index of this process.
#[derive(Debug)]
pub struct Embedded {
    reader: Arc<Reader>,
    writer: Writer,
    turns: Arc<Semaphore>,
    filled: Arc<AtomicBool>,
}

/// What searches read: the index as it was committed last.
struct Reader {
    fields: Fields,
    index: IndexReader,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Embedded {
    /// The index in a folder, which is made if need be, or in memory. It is of one table, which `table` names; what is in the
    /// folder and of another is dropped, and so is what is so old that the stream no longer tells what happened since. What is
    /// damaged is moved aside. Within a runtime.
    ///
    /// # Errors
    /// A folder that cannot be used, or that another process uses.
    pub async fn open(folder: Option<&Path>, table: &str, now: Timestamp) -> Result<Self, OpenError> {
        let (folder, table) = (folder.map(Path::to_owned), table.to_owned());
        let opened = tokio::task::spawn_blocking(move || {
            let fields = Fields::new();
            let (place, mark) = Place::open(folder.as_deref(), &fields, &table, now)?;
            let reader = place.index.reader_builder().reload_policy(ReloadPolicy::Manual);
            let reader = reader.doc_store_cache_num_blocks(STORED_BLOCKS).try_into()?;
            Ok::<_, OpenError>((place, mark, Arc::new(Reader { fields, index: reader })))
        });
        let (place, mark, reader) = opened.await.map_err(|ended| OpenError::new(ended.to_string()))??;
        let filled = Arc::new(AtomicBool::new(mark.filled));
        let writer = Writer::start(place, mark, Arc::clone(&reader), Arc::clone(&filled));
        Ok(Self { reader, writer, turns: Arc::new(Semaphore::new(SEARCHES_AT_A_TIME)), filled })
    }

    /// Whether every echo of the table has been in it.
    pub fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    /// Says for good that every echo of the table has been in it.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub async fn mark_filled(&self, now: Timestamp) -> Result<(), SearchUnavailable> {
        self.writer.mark(true, now).await
    }

    /// Runs `read` on a thread where it may take its time.
    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> tantivy::Result<T> + Send + 'static,
    ) -> Result<T, SearchUnavailable> {
        let turn = tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(SearchUnavailable("too many searches at a time".to_owned())) };
        let reader = Arc::clone(&self.reader);
        let done = tokio::task::spawn_blocking(move || {
            let done = read(&reader);
            // Held for as long as the thread works, also for a caller who went away.
            drop(turn);
            done
        });
        match done.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(SearchUnavailable(error.to_string())),
            Err(ended) => Err(SearchUnavailable(ended.to_string())),
        }
    }
}

impl Reader {
    fn search(&self, query: &Query, now: Timestamp) -> tantivy::Result<Hits> {
        let searcher = self.index.searcher();
        let page = Page::of(query, now);
        let matching = self.fields.matching(query);
        let found = searcher.search_with_statistics_provider(&*matching, &page, &Imagined)?;
        let more = found.len() > query.limit;
        let mut hits = Vec::with_capacity(query.limit.min(found.len()));
        for (rank, address) in found.into_iter().take(query.limit) {
            let kept: TantivyDocument = searcher.doc(address)?;
            // What this program wrote it reads; a bit that flipped since is not worth a page of other hits.
            match self.fields.echo(&kept) {
                Some(echo) => hits.push(Hit { echo, score: rank.score }),
                None => tracing::error!(?address, "an echo in the search index cannot be read"),
            }
        }
        Ok(Hits { hits, more })
    }

    fn count(&self) -> tantivy::Result<(u64, u64)> {
        let searcher = self.index.searcher();
        let lives = TermQuery::new(self.fields.lives_term(), IndexRecordOption::Basic);
        let echoes = searcher.search(&lives, &Count)? as u64;
        Ok((echoes, searcher.num_docs().saturating_sub(echoes)))
    }
}

impl Index for Embedded {
    fn apply<'a>(
        &'a self,
        documents: &'a [Document],
    ) -> BoxFuture<'a, Result<Vec<RefusedDocument>, SearchUnavailable>> {
        Box::pin(self.writer.apply(documents.to_vec()))
    }

    fn search<'a>(&'a self, query: &'a Query, now: Timestamp) -> BoxFuture<'a, Result<Hits, SearchUnavailable>> {
        let query = query.clone();
        Box::pin(self.reading(move |reader| reader.search(&query, now)))
    }

    fn purge(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, SearchUnavailable>> {
        Box::pin(self.writer.purge(now))
    }

    fn doubt(&self, now: Timestamp) -> BoxFuture<'_, Result<(), SearchUnavailable>> {
        Box::pin(self.writer.mark(false, now))
    }

    fn refresh(&self) -> BoxFuture<'_, Result<(), SearchUnavailable>> {
        // What was applied is in a commit, and every commit is read at once.
        Box::pin(std::future::ready(Ok(())))
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, SearchUnavailable>> {
        Box::pin(async {
            let (echoes, gone) = self.reading(Reader::count).await?;
            Ok(Stats { echoes, gone, filled: self.is_filled() })
        })
    }
}
