//! An import that is killed or stopped goes on where it was, and loses, doubles and undoes nothing.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::Echo;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::RngExt as _;

use crate::front::Mood;
use crate::samples::{echoes, lines};
use crate::soak::kills;
use crate::world::{World, said, sorted};

/// Lines for each time that the import is killed.
const LINES_A_ROUND: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_stores_on_conditions() {
    let world = World::with(&["one"]).await;
    let mut all = echoes(7, kills() * LINES_A_ROUND);
    killed_again_and_again(&world, &["import", "echoes.jsonl", "--json"], &mut all, true).await;
    // Even the whole file again undoes no edit.
    let last = world.run("one", &["import", "echoes.jsonl", "--json"]).await.expect(0).summary();
    assert_eq!((last["stored"].as_u64(), last["differs"].as_u64()), (Some(0), Some(0)), "{last}");
    assert_eq!(world.run("one", &["export"]).await.expect(0).sorted_lines(), sorted(&lines(&all)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_stores_in_chunks() {
    let world = World::with(&["one"]).await;
    let mut all = echoes(8, kills() * LINES_A_ROUND * 2);
    killed_again_and_again(&world, &["import", "echoes.jsonl", "--json", "--assume-empty"], &mut all, false).await;
}

/// Kills an import at a random call of every round, resumes it each time, and compares the table with the file in the end.
async fn killed_again_and_again(world: &World, import: &[&str], all: &mut [Echo], edits: bool) {
    world.file("echoes.jsonl", &lines(all));
    let items_a_call = if edits { 1 } else { 25 };
    let calls_a_round = (LINES_A_ROUND / items_a_call / 2).max(2) as u64;
    for round in 0..kills() {
        let last = world.front.writes() + rand::rng().random_range(0..=calls_a_round);
        world.front.set(Mood::HoldingAfter(last));
        let mut child = world.command("one", import).spawn().unwrap();
        world.front.reach(last + 1).await;
        // Somewhere between two calls, or two system calls.
        tokio::time::sleep(Duration::from_micros(rand::rng().random_range(0..20_000))).await;
        child.kill().await.unwrap();
        world.front.set(Mood::Granting);
        assert!(world.exists("echoes.jsonl.progress"), "round {round}");
        if edits {
            edit_one(world, all).await;
        }
    }
    let last = world.run("one", import).await.expect(0);
    assert_eq!((&last.summary()["lines"], last.taken()), (&all.len().into(), all.len() as u64), "{last:?}");
    assert!(!world.exists("echoes.jsonl.progress"));
    let exported = world.run("one", &["export"]).await.expect(0);
    assert_eq!(exported.sorted_lines(), sorted(&lines(all)));
}

/// Somebody edits one of the echoes that are stored already: the next of the file that is at version 1.
async fn edit_one(world: &World, all: &mut [Echo]) {
    let engine = world.engine();
    for echo in all.iter_mut().filter(|echo| echo.version == 1) {
        let edited = Echo { version: 2, transcript: Some("edited meanwhile".into()), ..echo.clone() };
        let range = AttributeValue::S(format!("{}#{}", echo.timestamp, echo.echo_id));
        let update = engine
            .update_item()
            .table_name("one-echoes")
            .key("userId", AttributeValue::S(echo.user_id.to_string()))
            .key("timestamp", range)
            .update_expression("SET version = :version, transcript = :transcript")
            .condition_expression("version = :seen")
            .expression_attribute_values(":version", AttributeValue::N("2".into()))
            .expression_attribute_values(":seen", AttributeValue::N("1".into()))
            .expression_attribute_values(":transcript", AttributeValue::S("edited meanwhile".into()));
        if update.send().await.is_ok() {
            *echo = edited;
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_import_says_how_to_go_on() {
    let world = World::with(&["one"]).await;
    let source = lines(&echoes(9, 150));
    world.file("echoes.jsonl", &source);
    let import = ["import", "echoes.jsonl", "--json", "--checkpoint", "kept-elsewhere"];
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let last = world.front.writes() + 20;
        world.front.set(Mood::HoldingAfter(last));
        let child = world.command("one", &import).spawn().unwrap();
        world.front.reach(last + 1).await;
        kill(Pid::from_raw(child.id().unwrap().cast_signed()), signal).unwrap();
        world.front.set(Mood::Granting);
        let stopped = said(child).await.expect(1);
        assert_eq!(stopped.summary()["complete"], false);
        let last = stopped.stderr.lines().last().unwrap();
        assert!(
            last.starts_with("echoes: stopped after line ") && last.ends_with("the same command goes on there"),
            "{last}"
        );
        assert!(world.exists("kept-elsewhere"));
    }
    for (other, named) in [
        (&["import", "echoes.jsonl", "--assume-empty", "--checkpoint", "kept-elsewhere"][..], "its mode differs"),
        (&["import", "other.jsonl", "--checkpoint", "kept-elsewhere"], "its source's length differs"),
    ] {
        world.file("other.jsonl", "\n");
        let refused = world.run("one", other).await.expect(2);
        assert!(
            refused.stderr.starts_with("echoes: --checkpoint kept-elsewhere: is of another import: "),
            "{refused:?}"
        );
        assert!(refused.stderr.contains(named), "{refused:?}");
    }
    let rest = world.run("one", &import).await.expect(0);
    let resumed = rest.summary()["resumedAfterLine"].as_u64().unwrap();
    assert!(resumed > 0 && rest.stderr.starts_with(&format!("echoes: goes on after line {resumed}\n")), "{rest:?}");
    assert_eq!(world.run("one", &["export"]).await.expect(0).sorted_lines(), sorted(&source));
    let anew = world.run("one", &["import", "echoes.jsonl", "--json", "--restart"]).await.expect(0).summary();
    assert_eq!((anew["present"].as_u64(), anew["resumedAfterLine"].as_u64()), (Some(150), Some(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_input_can_be_gone_on_with() {
    let world = World::with(&["one"]).await;
    let source = lines(&echoes(10, 300));
    let import = ["import", "-", "--json", "--checkpoint", "stdin.progress"];
    world.front.set(Mood::Refusing);
    let failed = world.run_with("one", &[&import[..], &["--patience", "0"]].concat(), &source).await.expect(1);
    assert!(
        failed.stderr.contains("PutItem: throttled; done up to line 0; the same command goes on there"),
        "{failed:?}"
    );
    world.front.set(Mood::Granting);
    assert_eq!(world.run_with("one", &import, &source).await.expect(0).taken(), 300);
    assert!(!world.exists("stdin.progress"));
}
