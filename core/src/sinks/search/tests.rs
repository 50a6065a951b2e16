//! Records of every kind on an index in memory.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use echoes_shared::query::SearchQuery;
use echoes_shared::{Echo, Emotion, IdempotencyKey, NewEcho, Region};

use super::*;
use crate::samples::content;
use crate::search::{Embedded, Hits, Index, Query, SearchUnavailable, Stats};
use crate::stream::{Sequence, ShardId, Tombstone};

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

fn echo(transcript: &str) -> Echo {
    let content = NewEcho { transcript: Some(transcript.to_owned()), ..content(Emotion::Happy) };
    Echo::create("ana".parse().unwrap(), IdempotencyKey::mint(NOW, &[1; 10]), content, Region::EuWest1)
}

fn record(sequence: u64, old: Option<Image>, new: Option<Image>) -> Arc<Record> {
    let sequence = Sequence::parse(&sequence.to_string()).unwrap();
    Arc::new(Record { sequence, at: NOW, hash: "ana".to_owned(), echo: echo("").echo_id, old, new, expired: false })
}

fn tombstone() -> Option<Image> {
    Some(Image::Tombstone(Tombstone { deleted_at: NOW, was: None }))
}

fn living(transcript: &str, version: u64) -> Option<Image> {
    Some(Image::Echo(Box::new(Echo { version, ..echo(transcript) })))
}

#[tokio::test]
async fn the_index_follows_the_table() {
    let index = Arc::new(Embedded::open(None, "eu-west-1/EchoesTable", NOW).await.unwrap());
    let sink = SearchSink::new(index.clone());
    let found = async |q: &str| {
        let query = Query::of(&SearchQuery::parse(Some(&format!("q={q}"))).unwrap()).unwrap();
        index.search(&query, NOW).await.unwrap().hits.len()
    };
    let apply = async |records: Vec<Arc<Record>>| {
        let batch = Batch { shard: ShardId::new("s"), records, now: NOW };
        assert_eq!(sink.apply(&batch).await, Ok(Vec::new()));
    };
    let created = record(1, None, living("rain", 1));
    let edited = record(2, living("rain", 1), living("sun", 2));
    let deleted = record(3, living("sun", 2), tombstone());
    apply(vec![created.clone()]).await;
    assert_eq!((found("rain").await, found("sun").await), (1, 0));
    apply(vec![edited.clone()]).await;
    assert_eq!((found("rain").await, found("sun").await), (0, 1));
    apply(vec![created.clone(), edited.clone()]).await;
    assert_eq!((found("rain").await, found("sun").await), (0, 1), "given again");
    apply(vec![created.clone(), edited.clone(), deleted, created, edited]).await;
    assert_eq!((found("rain").await, found("sun").await), (0, 0), "a delete stays");
    apply(vec![record(4, tombstone(), living("sun", 3)), record(5, tombstone(), None)]).await;
    assert_eq!(found("sun").await, 0, "whatever wins over it in the table");
    assert_eq!(index.stats().await.unwrap().gone, 1);
}

#[test]
fn what_nobody_sees_is_no_document() {
    assert_eq!(document(&record(1, living("rain", 1), living("rain", 1)), NOW), None);
    assert_eq!(document(&record(1, tombstone(), None), NOW), None);
    let removed = document(&record(1, living("rain", 1), None), NOW);
    assert_eq!(removed, Some(Document::gone(echo("").echo_id, NOW)));
}

/// A process: when it ends, so does the writer of its index, which lets go of the folder.
fn process(life: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(life);
}

#[test]
fn after_a_loss_the_index_is_to_be_filled_anew_also_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || Arc::new(Embedded::open(Some(folder.path()), "eu-west-1/EchoesTable", NOW).await.unwrap());
    process(async {
        let index = open().await;
        index.mark_filled(NOW).await.unwrap();
        assert!(index.is_filled());
        SearchSink::new(index.clone()).lost(&ShardId::new("s"), NOW).await.unwrap();
        assert!(!index.is_filled());
    });
    process(async { assert!(!open().await.is_filled()) });
}

/// An index that takes note of nothing while it is away.
#[derive(Debug)]
struct Away {
    index: Arc<Embedded>,
    away: AtomicBool,
}

impl Index for Away {
    fn apply<'a>(
        &'a self,
        documents: &'a [Document],
    ) -> BoxFuture<'a, Result<Vec<RefusedDocument>, SearchUnavailable>> {
        self.index.apply(documents)
    }

    fn search<'a>(&'a self, query: &'a Query, now: Timestamp) -> BoxFuture<'a, Result<Hits, SearchUnavailable>> {
        self.index.search(query, now)
    }

    fn purge(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, SearchUnavailable>> {
        self.index.purge(now)
    }

    fn doubt(&self, now: Timestamp) -> BoxFuture<'_, Result<(), SearchUnavailable>> {
        if self.away.load(Ordering::Acquire) {
            return Box::pin(std::future::ready(Err(SearchUnavailable("away".to_owned()))));
        }
        self.index.doubt(now)
    }

    fn refresh(&self) -> BoxFuture<'_, Result<(), SearchUnavailable>> {
        self.index.refresh()
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, SearchUnavailable>> {
        self.index.stats()
    }
}

#[tokio::test]
async fn a_loss_that_could_not_be_told_is_told_before_anything_more_is_applied() {
    let index = Arc::new(Embedded::open(None, "eu-west-1/EchoesTable", NOW).await.unwrap());
    index.mark_filled(NOW).await.unwrap();
    let away = Arc::new(Away { index: Arc::clone(&index), away: AtomicBool::new(true) });
    let sink = SearchSink::new(away.clone());
    let shard = ShardId::new("s");
    let batch = Batch { shard: shard.clone(), records: vec![record(1, None, living("rain", 1))], now: NOW };
    let gone = Unavailable("away".to_owned());
    assert_eq!(sink.lost(&shard, NOW).await, Err(gone.clone()));
    assert_eq!(sink.apply(&batch).await, Err(gone));
    assert!(index.is_filled() && index.stats().await.unwrap().echoes == 0);
    away.away.store(false, Ordering::Release);
    assert_eq!(sink.apply(&batch).await, Ok(Vec::new()));
    assert!(!index.is_filled() && index.stats().await.unwrap().echoes == 1);
    // Once is enough.
    index.mark_filled(NOW).await.unwrap();
    assert_eq!(sink.apply(&batch).await, Ok(Vec::new()));
    assert!(index.is_filled());
}
