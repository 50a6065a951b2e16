//! `echoes work dead-letters`: what could not be applied is shown, tried again and forgotten, by the commands of an operator.

use std::process::Stdio;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_core::clock;
use echoes_core::sinks::SinkName;
use echoes_core::store::Counter;
use echoes_core::stream::{Image, Letter, LetterKind, Record, Rows as _, Sequence, ShardId};
use echoes_shared::{Echo, Emotion, IdempotencyKey, Region as Name};
use serde_json::Value;

use crate::region::{ECHOES, Region, content};

/// What a command about letters printed as JSON, and its exit status.
async fn letters(region: &Region, args: &[&str]) -> (Vec<Value>, i32) {
    let args = [&["work", "dead-letters"], args].concat();
    let ended = region.without_servers(&args).output().await.unwrap();
    let printed = serde_json::from_slice::<Value>(&ended.stdout).unwrap_or_default();
    let letters = printed["deadLetters"].as_array().cloned().unwrap_or_default();
    (letters, ended.status.code().unwrap())
}

/// Something in the table that is neither echo nor tombstone.
async fn put_nonsense(region: &Region) {
    let key = IdempotencyKey::mint(clock::now(), &[7; 10]).to_string();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = region.client().put_item().table_name(ECHOES).item("userId", text("ana"));
    put.item("timestamp", text(&key)).item("emotion", text("bored")).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_record_waits_for_an_operator() {
    let region = Region::new().await;
    put_nonsense(&region).await;
    let mut worker = region.without_servers(&["work"]);
    worker.stdout(Stdio::null()).stderr(Stdio::null());
    let worker = worker.env("ECHOES_SWEEP_UNITS_PER_SECOND", "0").spawn().unwrap();
    let waiting = async {
        let mut poll = tokio::time::interval(Duration::from_millis(200));
        loop {
            poll.tick().await;
            let (found, status) = letters(&region, &["list", "--json"]).await;
            assert_eq!(status, 0);
            if found.len() == SinkName::ALL.len() {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("a letter for each sink");
    drop(worker);
    assert!(found.iter().all(|letter| letter["kind"] == "damaged" && letter["sequence"].is_string()), "{found:?}");

    let (tried, status) = letters(&region, &["retry", "--sink", "analytics", "--json"]).await;
    assert_eq!((tried.len(), status), (1, 1));
    assert_eq!(tried[0]["outcome"], "kept: the record still cannot be read");
    assert_eq!(letters(&region, &["drop", "--json"]).await, (vec![], 2), "all of them must be said");
    assert_eq!(letters(&region, &["drop", "analytics#no#1", "--json"]).await, (vec![], 1));
    let key = tried[0]["key"].as_str().unwrap();
    let (dropped, status) = letters(&region, &["drop", key, "--json"]).await;
    assert_eq!((dropped.len(), status), (1, 0));
    assert_eq!(letters(&region, &["list", "--json"]).await.0.len(), SinkName::ALL.len() - 1);
    assert_eq!(letters(&region, &["drop", "--all", "--json"]).await.1, 0);
    assert_eq!(letters(&region, &["list", "--json"]).await, (vec![], 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_record_is_applied_once_however_often_it_is_tried() {
    let region = Region::new().await;
    let store = region.store("eu-west-1");
    let now = clock::now();
    let key = IdempotencyKey::mint(now, &[3; 10]);
    let echo = Echo::create("ana".parse().unwrap(), key, content(Emotion::Calm), Name::EuWest1);
    let record = Record {
        sequence: Sequence::parse("5").unwrap(),
        at: now,
        hash: "ana".to_owned(),
        echo: echo.echo_id,
        old: None,
        new: Some(Image::Echo(Box::new(echo))),
        expired: false,
    };
    let letter = Letter {
        sink: SinkName::Analytics,
        shard: ShardId::new("shardId-1"),
        sequence: Some(record.sequence.clone()),
        kind: LetterKind::Refused,
        reason: "as written by this test".to_owned(),
        written: now,
        record: Some(record),
        raw: None,
    };
    for _ in 0..2 {
        store.set_aside(&letter).await.unwrap();
        let (tried, status) = letters(&region, &["retry", "--json"]).await;
        assert_eq!((tried.len(), status), (1, 0), "{tried:?}");
        assert_eq!(tried[0]["outcome"], "applied");
        assert_eq!(letters(&region, &["list", "--json"]).await, (vec![], 0));
        let counters = store.counters(&Counter::All.group()).await.unwrap();
        let counted = counters.values().map(|tally| tally.living.values().sum::<i64>()).collect::<Vec<_>>();
        assert_eq!(counted, [1], "{counters:?}");
    }
}
