//! `echoes work`, killed in the middle of the sweep: it goes on where it was, and nothing is lost or done twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use echoes_core::clock;
use echoes_core::store::{CreateOutcome, NewItem};
use echoes_shared::{Emotion, IdempotencyKey, NewEcho};
use rand::RngExt as _;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::region::{ECHOES, LOCAL, Region, content};
use crate::soak::kills;

/// Echoes past 90 days, at home here, for each kill: enough that one always comes in the middle.
const AGED_FOR_EACH_KILL: usize = 40;
/// Echoes past 90 days of another region, and young ones of this.
const OTHERS: usize = 30;
/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(20);
/// As fast as may be set, so that a kill finds several calls under way.
const RATE: &str = "4000";

/// Creates `count` echoes of `days` ago and after, a minute apart, as the region took them then.
async fn fill(region: &Region, home: &str, days: u32, count: usize) {
    let store = region.store(home);
    let start = clock::now().minus_days(days);
    for number in 0..count {
        let at = start.plus_millis(number as u64 * 60_000);
        let content = NewEcho {
            tags: Some(vec!["rain".into()]),
            transcript: Some(format!("echo {number} of {home}")),
            ..content(Emotion::ALL[number % Emotion::ALL.len()])
        };
        let key = IdempotencyKey::mint(at, &[7; 10]);
        let new = NewItem::new(format!("person{}", number % 9).parse().unwrap(), key, content, home.parse().unwrap());
        assert_eq!(store.create(&new, at).await.unwrap(), CreateOutcome::Created);
    }
}

/// Entries of the recent index as far as they are here.
async fn entries(region: &Region) -> usize {
    region.count("recent-index").await
}

/// Kills the program when it has swept so many; answers how many are left.
async fn kill_after(region: &Region, swept: usize) -> usize {
    let before = entries(region).await;
    let mut work = region.without_servers(&["work"]).env("ECHOES_SWEEP_UNITS_PER_SECOND", RATE).spawn().unwrap();
    let waiting = async {
        // Each look reads the whole index, and the engine does one thing at a time.
        let mut look = tokio::time::interval(LOOK);
        while before - entries(region).await < swept {
            look.tick().await;
            if let Some(status) = work.try_wait().unwrap() {
                let mut said = String::new();
                work.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
                panic!("it ended by itself, {status}: {said}");
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the sweep goes on");
    work.kill().await.unwrap();
    entries(region).await
}

/// The items as a sweep must leave them: `recent` is gone where `taken` says so, and all else is as it was.
fn without_recent(
    items: &BTreeMap<String, BTreeMap<String, String>>,
    taken: &BTreeSet<String>,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut items = items.clone();
    for key in taken {
        items.get_mut(key).unwrap().remove("recent").expect("it was in the index");
    }
    items
}

/// Where sweeps go on; the worker that sweeps keeps its place in the stream beside it.
async fn positions(region: &Region) -> usize {
    region.items(LOCAL).await.values().filter(|item| item["pk"] == "S(\"sweep\")").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_is_killed_goes_on() {
    let aged_count = kills() * AGED_FOR_EACH_KILL;
    let region = Region::new().await;
    fill(&region, "eu-west-1", 120, aged_count).await;
    fill(&region, "us-west-2", 110, OTHERS).await;
    fill(&region, "eu-west-1", 60, OTHERS).await;
    let before = region.items(ECHOES).await;
    let horizon = format!("S(\"{}", clock::now().minus_days(90));
    let is_aged_here =
        |item: &BTreeMap<String, String>| item["origin"].contains("eu-west-1") && item["timestamp"] < horizon;
    let aged: BTreeSet<_> =
        before.iter().filter(|(_, item)| is_aged_here(item)).map(|(key, _)| key.clone()).collect();
    assert_eq!((aged.len(), before.len()), (aged_count, aged_count + 2 * OTHERS));
    let changes_before = region.changes(ECHOES).len();

    let mut left = aged_count;
    for kill in 1..=kills() {
        // A kill may have left fewer than that.
        let after = rand::rng().random_range(1..AGED_FOR_EACH_KILL / 2).min(left);
        left = kill_after(&region, after).await - 2 * OTHERS;
        println!("kill {kill}, after {after}: {left} of {aged_count} left");
        if left == 0 {
            assert!(kill > kills() / 2, "the sweep was over before half of the kills");
            break;
        }
    }
    let mut last = region.program(&["work", "--once", "--json"]);
    let output = last.env("ECHOES_SWEEP_UNITS_PER_SECOND", RATE).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("{said}");
    assert_eq!((&said["jobs"][0]["job"], &said["jobs"][0]["done"]), (&"sweep".into(), &true.into()));

    assert_eq!(region.items(ECHOES).await, without_recent(&before, &aged));
    assert_eq!(positions(&region).await, 0, "a round that is over leaves no position");
    let changes = region.changes(ECHOES).split_off(changes_before);
    let changed: BTreeSet<_> = changes.iter().map(|change| format!("{:?}", change.dynamodb.keys)).collect();
    assert_eq!((changes.len(), changed.len()), (aged_count, aged_count), "each was written once");
    assert_eq!(entries(&region).await, 2 * OTHERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_is_told_to_stop_ends_within_its_pause() {
    let region = Region::new().await;
    fill(&region, "eu-west-1", 120, 3).await;
    // One echo a step and six seconds' pause after it.
    let mut work = region.without_servers(&["work"]).env("ECHOES_SWEEP_UNITS_PER_SECOND", "1").spawn().unwrap();
    let one_swept = async {
        while entries(&region).await == 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), one_swept).await.expect("a slow sweep begins");
    let pid = work.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let status = tokio::time::timeout(Duration::from_secs(4), work.wait()).await.expect("it ends promptly").unwrap();
    assert_eq!((status.code(), entries(&region).await), (Some(0), 2));
    assert_eq!(positions(&region).await, 1, "it goes on from there");
}
