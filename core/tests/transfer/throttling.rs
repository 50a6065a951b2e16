//! A table that grants little, for a while or for good.

use crate::front::Mood;
use crate::samples::{echoes, lines};
use crate::world::{World, sorted};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_gets_through_when_the_table_grants_again() {
    let world = World::with(&["one", "two"]).await;
    let source = lines(&echoes(11, 200));
    for (table, mode, refusals) in [("one", None, 60), ("two", Some("--assume-empty"), 30)] {
        world.front.set(Mood::RefusingAtFirst(refusals));
        let arguments: Vec<_> = ["import", "-", "--json"].into_iter().chain(mode).collect();
        assert_eq!(world.run_with(table, &arguments, &source).await.expect(0).taken(), 200);
        assert!(world.front.refused() > refusals, "{} calls", world.front.refused());
        assert_eq!(world.run(table, &["export"]).await.expect(0).sorted_lines(), sorted(&source));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patience_ends_and_the_next_run_takes_what_was_left() {
    let world = World::with(&["one"]).await;
    let source = lines(&echoes(12, 200));
    world.file("echoes.jsonl", &source);
    let import = ["import", "echoes.jsonl", "--patience", "1", "--assume-empty"];
    world.front.set(Mood::Refusing);
    let failed = world.run("one", &import).await.expect(1);
    assert!(failed.stderr.contains("BatchWriteItem: throttled; done up to line 0"), "{failed:?}");
    assert!(world.exists("echoes.jsonl.progress"));
    // Slowly at the end of a refusal: what is on the wire adapts, so few calls are made in vain.
    assert!(world.front.refused() < 200, "{} calls", world.front.refused());
    world.front.set(Mood::Granting);
    world.run("one", &import).await.expect(0);
    assert_eq!(world.run("one", &["export"]).await.expect(0).sorted_lines(), sorted(&source));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_is_kept_in_units() {
    let world = World::with(&["one"]).await;
    let source = lines(&echoes(13, 100));
    let limited = ["import", "-", "--json", "--units-per-second", "300"];
    let summary = world.run_with("one", &limited, &source).await.expect(0).summary();
    let (units, seconds) = (summary["writeUnits"].as_f64().unwrap(), summary["seconds"].as_f64().unwrap());
    assert!(units > 500.0, "every index counts: {summary}");
    // What was under way at the end is paid by nobody, and what idleness saved comes on top.
    assert!(units / seconds < 345.0, "{summary}");
}
