//! What is wrong is named, with its line, its field or its argument, and the rest goes on.

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_core::clock;
use echoes_shared::Echo;
use serde_json::Value;

use crate::samples::{echoes, lines};
use crate::world::{World, sorted};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faulty_lines_are_named_and_the_rest_goes_on() {
    let world = World::with(&["one"]).await;
    let good = echoes(4, 6);
    let expired = Echo { ttl: Some(clock::now().epoch_seconds() - 1), ..good[5].clone() };
    let mut text = lines(&good[..3]);
    text.push_str("this is no JSON\n\n{\"echoId\":1}\n");
    text.push_str(&lines(&good[3..4]).replace("person-", "#"));
    text.push_str(&format!("{{\"transcript\":\"{}\"}}\r\n", "x".repeat(140_000)));
    text.push_str(&lines(&[expired]));
    text.push_str(lines(&good[4..5]).trim_end());
    world.file("mixed.jsonl", &text);
    let said = world.run("one", &["import", "mixed.jsonl", "--json"]).await.expect(1);
    let summary = said.summary();
    assert_eq!(said.taken(), 4, "{said:?}");
    for (field, count) in [("lines", 10), ("faulty", 4), ("blank", 1), ("expired", 1)] {
        assert_eq!(summary[field], count, "{field}: {said:?}");
    }
    for named in
        ["line 4: line: is not JSON", "line 6: echoId: must", "line 6: userId: is required", "line 7: userId: must"]
    {
        assert!(said.stderr.contains(named), "{named}: {said:?}");
    }
    assert!(said.stderr.contains("line 8: line: must be at most 131072 bytes"), "{said:?}");
    assert!(said.stderr.ends_with("echoes: 4 of 10 lines are no echoes; all others were taken\n"), "{said:?}");
    // The end was reached: the next run begins anew rather than fail for ever without a word.
    assert!(!world.exists("mixed.jsonl.progress"));
    assert_eq!(world.run("one", &["export"]).await.expect(0).stdout.lines().count(), 4);

    let many = "x\n".repeat(1_000);
    let said = world.run_with("one", &["import", "-"], &many).await.expect(1);
    assert_eq!(said.stderr.lines().count(), 102, "a hundred, that there are more, and how many");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_usage_is_told_in_one_line() {
    let world = World::with(&["one"]).await;
    world.file("empty.jsonl", "");
    world.file("not-a-checkpoint", "[]");
    for (arguments, named) in [
        (&["import"][..], "FILE|-"),
        (&["import", "missing.jsonl"], "missing.jsonl: No such file"),
        (&["import", "."], ".: Is a directory"),
        (&["import", "-", "--concurrency", "0"], "--concurrency"),
        (&["import", "-", "--units-per-second", "0"], "--units-per-second"),
        (
            &["import", "empty.jsonl", "--checkpoint", "not-a-checkpoint"],
            "--checkpoint not-a-checkpoint: is no checkpoint",
        ),
        (&["import", "empty.jsonl", "--checkpoint", "no/such/folder"], "--checkpoint no/such/folder: No such file"),
        (&["export", "--segments", "1000"], "--segments"),
        (&["export", "--output", "no/such/folder"], "--output no/such/folder"),
    ] {
        let said = world.run("one", arguments).await.expect(2);
        assert!(said.stderr.contains(named), "{arguments:?}: {said:?}");
        assert_eq!(said.stderr.lines().count(), 1, "{said:?}");
    }
    for arguments in [&["import", "empty.jsonl"][..], &["export"]] {
        let unset = world.command("one", arguments).env_remove("ECHOES_REGION").output().await.unwrap();
        assert_eq!(unset.status.code(), Some(2));
        assert!(String::from_utf8(unset.stderr).unwrap().contains("ECHOES_REGION"));
        let help = world.run("one", &[arguments[0], "--help"]).await.expect(0);
        assert!(help.stdout.contains("--units-per-second"), "{help:?}");
    }
    let said = world.run("missing", &["export"]).await.expect(1);
    assert!(said.stderr.contains("ResourceNotFoundException"), "{said:?}");
    let said = world.run_with("missing", &["import", "-"], &lines(&echoes(5, 3))).await.expect(1);
    assert!(said.stderr.contains("ResourceNotFoundException"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dead_are_left_out_and_stay_dead_and_the_damaged_are_named() {
    let world = World::with(&["one"]).await;
    let all = echoes(6, 5);
    let source = lines(&all);
    world.run_with("one", &["import", "-"], &source).await.expect(0);
    let engine = world.engine();
    let set = async |echo: &Echo, name: &str, value: AttributeValue| {
        let range = AttributeValue::S(format!("{}#{}", echo.timestamp, echo.echo_id));
        let update = engine.update_item().table_name("one-echoes").update_expression("SET #name = :value");
        let update = update.key("userId", AttributeValue::S(echo.user_id.to_string())).key("timestamp", range);
        let named = update.expression_attribute_names("#name", name).expression_attribute_values(":value", value);
        named.send().await.unwrap();
    };
    let second = |seconds: u64| AttributeValue::N(seconds.to_string());
    let now = clock::now().epoch_seconds();
    set(&all[0], "version", AttributeValue::Bool(true)).await;
    set(&all[1], "deletedAt", AttributeValue::S(clock::now().to_string())).await;
    set(&all[1], "ttl", second(now + 600_000)).await;
    set(&all[2], "ttl", second(now - 1)).await;

    let said = world.run("one", &["export", "--json"]).await.expect(1);
    assert_eq!(said.sorted_lines(), sorted(&lines(&all[3..])));
    let mut told = said.stderr.lines();
    let damaged = format!("echoes: the item {} {}#", all[0].user_id, all[0].timestamp);
    assert!(told.next().unwrap().starts_with(&damaged), "{said:?}");
    let summary: Value = serde_json::from_str(told.next().unwrap()).unwrap();
    for (field, count) in [("echoes", 2), ("tombstones", 1), ("expired", 1), ("damaged", 1)] {
        assert_eq!(summary[field], count, "{summary}");
    }
    assert_eq!(told.next(), Some("echoes: 1 items are damaged; all others were written"));

    let said = world.run_with("one", &["import", "-", "--json"], &source).await.expect(0);
    let summary = said.summary();
    for (field, count) in [("stored", 0), ("present", 3), ("deleted", 1), ("differs", 1)] {
        assert_eq!(summary[field], count, "{field}: {said:?}");
    }
    assert!(said.stderr.starts_with("echoes: line 1: "), "{said:?}");
}
