//! What an index of one process does besides: it lasts, and its cursors stand still while it is written.

use std::collections::BTreeSet;
use std::fs;

use echoes_core::search::{Document, Embedded, Hit, Index as _, Query};
use echoes_shared::EchoId;

use crate::corpus::{NOW, ask, documents, echo};

const TABLE: &str = "eu-west-1/EchoesTable";

pub async fn all() {
    run!((),
        what_was_applied_outlasts_the_process
        a_damaged_file_is_found_at_the_start
        a_walk_by_relevance_is_not_moved_by_what_is_written_meanwhile
        many_writers_share_a_commit
    );
}

async fn what_was_applied_outlasts_the_process((): ()) {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3_u64 {
        let index = Embedded::open(Some(folder.path()), TABLE, NOW).await.unwrap();
        let stats = index.stats().await.unwrap();
        assert_eq!((stats.echoes, stats.filled), (round, false));
        index.apply(&[Document::lives(echo(round, "rain"))]).await.unwrap();
        assert!(Embedded::open(Some(folder.path()), TABLE, NOW).await.is_err(), "it is in use");
        drop(index);
        closed(folder.path()).await;
    }
}

/// Waits until the writer of a dropped index has ended.
async fn closed(folder: &std::path::Path) {
    for _ in 0..200 {
        let lock = fs::File::open(folder.join("lock")).unwrap();
        if lock.try_lock().is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the index is still in use");
}

async fn a_damaged_file_is_found_at_the_start((): ()) {
    let folder = tempfile::tempdir().unwrap();
    let index = Embedded::open(Some(folder.path()), TABLE, NOW).await.unwrap();
    index.apply(&documents(&(0..50).map(|number| echo(number, "rain")).collect::<Vec<_>>())).await.unwrap();
    drop(index);
    closed(folder.path()).await;
    let files = fs::read_dir(folder.path().join("index")).unwrap().map(|entry| entry.unwrap().path());
    let store = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "store")).unwrap();
    let mut bytes = fs::read(&store).unwrap();
    bytes[10] ^= 1;
    fs::write(&store, bytes).unwrap();
    let index = Embedded::open(Some(folder.path()), TABLE, NOW).await.unwrap();
    assert_eq!(index.stats().await.unwrap().echoes, 0);
    assert!(folder.path().join("damaged").join(store.file_name().unwrap()).exists());
    index.apply(&[Document::lives(echo(1, "rain"))]).await.unwrap();
    assert_eq!(index.search(&ask("q=rain"), NOW).await.unwrap().hits.len(), 1);
}

async fn a_walk_by_relevance_is_not_moved_by_what_is_written_meanwhile((): ()) {
    let index = Embedded::open(None, TABLE, NOW).await.unwrap();
    let texts = |number: u64| {
        format!("{} {}", "rain ".repeat(number as usize % 5 + 1), "sun wind sea ".repeat(number as usize % 7))
    };
    let there: Vec<_> = (0..60).map(|number| echo(number, &texts(number))).collect();
    index.apply(&documents(&there)).await.unwrap();
    let mut query = Query { limit: 7, ..ask("q=rain%20wind%20sea") };
    let expected: BTreeSet<EchoId> = index
        .search(&Query { limit: 100, ..query.clone() }, NOW)
        .await
        .unwrap()
        .hits
        .iter()
        .map(|hit| hit.echo.echo_id)
        .collect();
    let mut seen = Vec::new();
    for round in 0.. {
        let page = index.search(&query, NOW).await.unwrap();
        seen.extend(page.hits.iter().map(|hit| hit.echo.echo_id));
        query.after = page.hits.last().map(Hit::position);
        if !page.more {
            break;
        }
        // New echoes change how common each word is, and make segments that are merged.
        let more: Vec<_> = (0..20).map(|number| echo(100 + round * 20 + number, "rain rain rain wind")).collect();
        index.apply(&documents(&more)).await.unwrap();
    }
    let unique: BTreeSet<EchoId> = seen.iter().copied().collect();
    assert_eq!(unique.len(), seen.len(), "none twice");
    assert!(expected.is_subset(&unique), "none is skipped");
}

async fn many_writers_share_a_commit((): ()) {
    let index = Embedded::open(None, TABLE, NOW).await.unwrap();
    let all: Vec<Vec<Document>> = (0..100).map(|number| vec![Document::lives(echo(number, "rain"))]).collect();
    let began = std::time::Instant::now();
    let applied = futures_util::future::join_all(all.iter().map(|documents| index.apply(documents))).await;
    assert!(applied.into_iter().all(|refused| refused == Ok(Vec::new())));
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert_eq!(index.stats().await.unwrap().echoes, 100);
}
