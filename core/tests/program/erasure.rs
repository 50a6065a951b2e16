//! `echoes work`, killed in the middle of an erasure: it goes on where it was, and nothing is lost or buried twice.

use std::collections::BTreeMap;
use std::time::Duration;

use echoes_core::clock;
use echoes_core::store::{CreateOutcome, ErasureStatus, NewItem, Store};
use echoes_shared::{Emotion, IdempotencyKey, NewEcho, Timestamp, UserId};
use futures_util::{StreamExt as _, stream};
use rand::RngExt as _;

use crate::region::{ECHOES, Region, content};
use crate::soak::kills;

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(20);
/// Ana's echoes for each kill, so that one always comes in the middle.
const ECHOES_FOR_EACH_KILL: usize = 100;
const BENS: usize = 20;

async fn fill(store: &Store, name: &str, count: usize, now: Timestamp) {
    let create = |number: usize| async move {
        let at = now.minus_millis(60_000 * (1 + number as u64));
        let content = NewEcho {
            transcript: Some(format!("echo {number}")),
            ..content(Emotion::ALL[number % Emotion::ALL.len()])
        };
        let new = NewItem::new(
            name.parse().unwrap(),
            IdempotencyKey::mint(at, &[7; 10]),
            content,
            echoes_shared::Region::EuWest1,
        );
        assert_eq!(store.create(&new, at).await.unwrap(), CreateOutcome::Created);
    };
    stream::iter(0..count).map(create).buffer_unordered(8).collect::<Vec<_>>().await;
    store.settled().await;
}

/// Echoes that still live.
async fn living(region: &Region) -> usize {
    region.count("echoId-index").await
}

/// Kills the program when it has buried so many; answers how many live on.
async fn kill_after(region: &Region, buried: usize) -> usize {
    let before = living(region).await;
    let mut work = work(region);
    let waiting = async {
        // Each look reads the whole index, and the engine does one thing at a time.
        let mut look = tokio::time::interval(LOOK);
        while before - living(region).await < buried {
            look.tick().await;
            assert!(work.try_wait().unwrap().is_none(), "it ended by itself");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the erasure goes on");
    work.kill().await.unwrap();
    living(region).await
}

/// The program as the only region there is, so that nobody else must confirm.
fn work(region: &Region) -> tokio::process::Child {
    let mut command = region.without_servers(&["work"]);
    command.env("ECHOES_REGIONS", "eu-west-1").env("ECHOES_SWEEP_UNITS_PER_SECOND", "0");
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_is_killed_goes_on() {
    let count = kills() * ECHOES_FOR_EACH_KILL;
    let region = Region::new().await;
    let store = region.store("eu-west-1");
    let now = clock::now();
    fill(&store, "ana", count, now).await;
    fill(&store, "ben", BENS, now).await;
    let before = region.items(ECHOES).await;
    let changes_before = region.changes(ECHOES).len();
    let ana: UserId = "ana".parse().unwrap();
    store.erase(&ana, clock::now()).await.unwrap();

    let mut left = count;
    for kill in 1..=kills() {
        // A kill may have left fewer than that.
        let after = rand::rng().random_range(1..ECHOES_FOR_EACH_KILL / 2).min(left);
        left = kill_after(&region, after).await - BENS;
        println!("kill {kill}, after {after}: {left} of {count} left");
        if left == 0 {
            assert!(kill > kills() / 2, "the erasure was over before half of the kills");
            break;
        }
        assert_eq!(store.erasure(&ana, clock::now()).await.unwrap(), Some(ErasureStatus::Running));
    }
    let mut last = work(&region);
    let waiting = async {
        while living(&region).await > BENS {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the erasure ends");
    last.kill().await.unwrap();

    let items = region.items(ECHOES).await;
    let (bens, anas): (BTreeMap<_, _>, BTreeMap<_, _>) =
        items.into_iter().partition(|(_, item)| item["userId"].contains("ben"));
    let bens_before: BTreeMap<_, _> = before.into_iter().filter(|(_, item)| item["userId"].contains("ben")).collect();
    assert_eq!(bens, bens_before, "ben's echoes are as they were");
    assert_eq!(anas.len(), count);
    assert!(anas.values().all(|item| item.contains_key("deletedAt") && item["version"].contains("\"2\"")));
    assert!(anas.values().all(|item| !item.contains_key("transcript")), "nothing of what was said is left");
    assert_eq!(region.changes(ECHOES).len() - changes_before, count, "each was buried once");
}
