//! A new index takes the place of the old one while others write, and whoever is killed meanwhile harms nobody.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use echoes_core::pace::{Budget, Pace, Window};
use echoes_core::search::fill::{Counts, End, Event, Plan, fill};
use echoes_core::search::opensearch::OpenSearch;
use echoes_core::search::{Document, Index as _};
use echoes_shared::{Echo, Region};
use reqwest::Method;
use serde_json::Value;

use crate::corpus::{NOW, document, echo, found};
use crate::server::Server;
use crate::table::Table;

const REGION: Region = Region::EuWest1;
/// While one index takes the place of another a write may be refused.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn all(server: &Server) {
    run!(server,
        the_new_index_holds_what_the_table_holds
        what_is_written_meanwhile_is_in_both
        a_build_that_was_killed_is_begun_anew
        the_command_builds_and_shows_an_index
    );
}

/// What `echoes search reindex` does.
async fn reindex(table: &Table, index: &OpenSearch) -> Counts {
    let (name, next) = index.build(1).await.unwrap();
    let next = Arc::new(next);
    let plan = Plan { segments: 3, patience: PATIENCE, clock: || NOW };
    let pace = Pace::new(Budget::unlimited(), Window::new(3, 3), plan.patience);
    let mut tell = |event: Event<'_>| assert!(matches!(event, Event::Progress(_)), "{event:?}");
    let (end, counts) = fill(&table.store, pace, plan, next.clone(), pending(), &mut tell).await;
    assert_eq!(end, End::Complete);
    next.refresh().await.unwrap();
    index.replace_by(&name).await.unwrap();
    counts
}

async fn the_new_index_holds_what_the_table_holds(server: &Server) {
    let (table, index) = (Table::new().await, server.fresh(REGION).await);
    let echoes: Vec<Echo> = (1..=60).map(|number| echo(number, "rain")).collect();
    table.put(&echoes, NOW).await;
    for deleted in &echoes[..10] {
        table.delete(deleted, NOW).await;
    }
    // The old index has what the table never had, and half of what it has.
    index.apply(&[document(1_000, "rain"), document(20, "rain")]).await.unwrap();
    let before = index.status().await.unwrap();
    assert!(!before.filled);

    let counts = reindex(&table, &index).await;
    assert_eq!((counts.echoes, counts.gone, counts.refused), (50, 10, 0));
    assert!(counts.read_units > 0.0);
    assert_eq!(found(&index, "rain").await, echoes[10..].iter().rev().cloned().collect::<Vec<_>>());
    // A state that was under way when its echo was deleted.
    index.apply(&[Document::lives(echoes[0].clone())]).await.unwrap();
    assert_eq!(found(&index, "rain").await.len(), 50);
    let after = index.status().await.unwrap();
    assert!(after.filled && after.index != before.index && after.building.is_none(), "{after:?}");
    assert_eq!((after.echoes, after.gone), (50, 10));
    let old = before.index.unwrap();
    assert_eq!(server.call(Method::GET, &format!("/{old}"), Value::Null).await.0, 404, "the old one is dropped");
}

async fn what_is_written_meanwhile_is_in_both(server: &Server) {
    let (table, index) = (Arc::new(Table::new().await), server.fresh(REGION).await);
    let old: Vec<Echo> = (1..=40).map(|number| echo(number, "rain")).collect();
    table.put(&old, NOW).await;
    index.apply(&old.iter().cloned().map(Document::lives).collect::<Vec<_>>()).await.unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    // As the stream tells it: what is in the table first.
    let writing = {
        let (table, ended, index) = (Arc::clone(&table), Arc::clone(&ended), server.index(REGION));
        tokio::spawn(async move {
            let mut lives: BTreeMap<u64, Echo> = BTreeMap::new();
            let mut number = 100;
            while !ended.load(Ordering::Relaxed) {
                number += 1;
                let new = echo(number, "rain");
                table.put(std::slice::from_ref(&new), NOW).await;
                let mut documents = vec![Document::lives(new.clone())];
                lives.insert(number, new);
                if number % 3 == 0 {
                    let gone = lives.remove(&(number - 1)).unwrap();
                    table.delete(&gone, NOW).await;
                    documents.push(Document::gone(gone.echo_id, NOW));
                }
                let applied = async { while index.apply(&documents).await.is_err() {} };
                tokio::time::timeout(PATIENCE, applied).await.expect("the index takes it in the end");
            }
            lives
        })
    };
    for _ in 0..3 {
        reindex(&table, &index).await;
    }
    ended.store(true, Ordering::Relaxed);
    let lives = writing.await.unwrap();
    assert!(lives.len() > 5, "{}", lives.len());
    let mut expected: Vec<Echo> = old.into_iter().chain(lives.into_values()).rev().collect();
    expected.truncate(100);
    assert_eq!(found(&index, "rain").await, expected);
}

async fn a_build_that_was_killed_is_begun_anew(server: &Server) {
    let (table, index) = (Table::new().await, server.fresh(REGION).await);
    table.put(&[echo(1, "rain"), echo(2, "rain")], NOW).await;
    index.apply(&[document(1, "rain")]).await.unwrap();
    let (killed, _next) = index.build(1).await.unwrap();
    let status = index.status().await.unwrap();
    assert_eq!(status.building.as_ref(), Some(&killed));
    // Nobody is kept from writing and searching, for however long.
    index.apply(&[document(3, "rain")]).await.unwrap();
    assert_eq!(found(&index, "rain").await, [echo(3, "rain"), echo(1, "rain")]);
    table.put(&[echo(3, "rain")], NOW).await;
    reindex(&table, &index).await;
    assert_eq!(found(&index, "rain").await, [echo(3, "rain"), echo(2, "rain"), echo(1, "rain")]);

    // One whose place another took does not take the place of anything.
    let (first, first_next) = index.build(1).await.unwrap();
    let (second, second_next) = index.build(1).await.unwrap();
    assert!(index.replace_by(&first).await.unwrap_err().0.contains("another build"));
    index.give_up(&first).await.unwrap();
    first_next.apply(&[document(1, "rain")]).await.unwrap();
    assert_eq!(found(&second_next, "rain").await, [echo(1, "rain")]);
    index.give_up(&second).await.unwrap();
    assert!(second_next.apply(&[document(2, "rain")]).await.is_err(), "there is none any more");
    assert_eq!(found(&index, "rain").await.len(), 3);
    let status = index.status().await.unwrap();
    assert!(status.building.is_none() && status.filled, "{status:?}");
}

async fn the_command_builds_and_shows_an_index(server: &Server) {
    let (table, index) = (Table::new().await, server.fresh(REGION).await);
    let echoes: Vec<Echo> = (1..=30).map(|number| echo(number, "rain")).collect();
    table.put(&echoes, NOW).await;
    let run = async |args: &[&str], url: &str| {
        let mut command = table.program(args);
        if !url.is_empty() {
            command.env("ECHOES_OPENSEARCH_URL", url);
        }
        let output = command.output().await.unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), out, err)
    };
    let (status, _, said) = run(&["search", "status"], &server.url).await;
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("echoes search reindex"), "{said}");
    let (status, out, said) = run(&["search", "reindex", "--json", "--units-per-second", "1000"], &server.url).await;
    assert_eq!(status, Some(0), "{said}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&summary["complete"], &summary["echoes"]), (&Value::Bool(true), &30.into()), "{summary}");
    assert_eq!(found(&index, "rain").await.len(), 30);
    let (status, out, said) = run(&["search", "status", "--json"], &server.url).await;
    assert_eq!(status, Some(0), "{said}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&shown["index"], &shown["echoes"], &shown["filled"]), (&summary["index"], &30.into(), &true.into()));
    assert!(shown["bytes"].as_u64().unwrap() > 0, "{shown}");

    let (status, _, said) = run(&["search", "reindex"], "").await;
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("ECHOES_OPENSEARCH_URL"), "{said}");
    let (status, _, said) = run(&["search", "status"], "http://u:a-secret@127.0.0.1:1").await;
    assert_eq!(status, Some(1), "{said}");
    assert!(!said.contains("secret") && said.lines().count() == 1, "{said}");
}
