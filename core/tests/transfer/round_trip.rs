//! Out, in and out again is the same.

use std::process::Stdio;

use tokio::io::AsyncReadExt as _;

use crate::samples::{echoes, lines};
use crate::world::{World, said, sorted};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_exported_is_imported_and_exported_alike() {
    let world = World::with(&["one", "two", "three"]).await;
    let source = lines(&echoes(1, 300));
    let first = world.run_with("one", &["import", "-", "--json"], &source).await.expect(0);
    let summary = first.summary();
    assert_eq!((&summary["complete"], &summary["lines"], first.taken()), (&true.into(), &300.into(), 300));
    assert!(summary["writeUnits"].as_f64().unwrap() >= 300.0, "{summary}");
    let exported = world.run("one", &["export", "--segments", "3"]).await.expect(0);
    assert_eq!(exported.sorted_lines(), sorted(&source));

    world.file("echoes.jsonl", &exported.stdout);
    let second = world.run("two", &["import", "echoes.jsonl", "--assume-empty"]).await.expect(0);
    assert!(second.stdout.starts_with("300 lines: 300 stored, 0 there already"), "{second:?}");
    assert!(!world.exists("echoes.jsonl.progress"));
    let output = ["export", "--output", "again.jsonl", "--json", "--consistent"];
    assert_eq!(world.run("two", &output).await.expect(0).summary()["echoes"], 300);
    let again = std::fs::read_to_string(world.folder.path().join("again.jsonl")).unwrap();
    assert_eq!(sorted(&again), sorted(&source));
    assert!(!world.exists("again.jsonl.partial"));

    // Whether stored one by one or in chunks, the table knows what was posted; so a third table takes either's export, and
    // both take the file again without a change.
    for table in ["one", "two", "three"] {
        let repeated = world.run(table, &["import", "again.jsonl", "--json"]).await.expect(0);
        assert_eq!(repeated.taken(), 300, "{repeated:?}");
        assert!(table == "three" || repeated.summary()["stored"] == 0, "{repeated:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_one_echo_are_taken_in_their_order() {
    let world = World::with(&["one", "two"]).await;
    let mut all = Vec::new();
    for echo in echoes(2, 40) {
        for version in 1..=4 {
            all.push(echoes_shared::Echo { version, transcript: Some(version.to_string()), ..echo.clone() });
        }
    }
    let source = lines(&all);
    world.file("echoes.jsonl", &source);
    let transcripts = |text: &str, version: &str| text.matches(&format!(r#""transcript":"{version}""#)).count();
    let first = world.run("one", &["import", "echoes.jsonl", "--json"]).await.expect(0);
    assert_eq!((first.taken(), &first.summary()["differs"]), (40, &120.into()));
    let exported = world.run("one", &["export"]).await.expect(0).stdout;
    assert_eq!((exported.lines().count(), transcripts(&exported, "1")), (40, 40));
    world.run("two", &["import", "echoes.jsonl", "--assume-empty"]).await.expect(0);
    let exported = world.run("two", &["export"]).await.expect(0).stdout;
    assert_eq!((exported.lines().count(), transcripts(&exported, "4")), (40, 40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_leaves_ends_the_export_in_peace() {
    let world = World::with(&["one"]).await;
    world.run_with("one", &["import", "-", "--assume-empty"], &lines(&echoes(3, 500))).await.expect(0);
    let mut child = world.command("one", &["export", "--segments", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut some = [0; 100];
    stdout.read_exact(&mut some).await.unwrap();
    drop(stdout);
    let said = said(child).await.expect(0);
    assert_eq!(said.stderr, "");
}
