//! Hot emotions: a feed is split while it is read and written, and no reader notices.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_core::store::{ShardedList, Store};
use echoes_core::units;
use echoes_shared::{EchoId, Emotion, Region, Timestamp};
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;

use crate::cases::{content, item};
use crate::engine::Engine;

const HAPPY: ShardedList = ShardedList::Feed(Emotion::Happy);

pub async fn all(engine: &Engine) {
    run! { engine,
        a_feed_grows_while_it_is_walked_and_written
        a_number_of_shards_never_shrinks
        an_idle_core_confirms
        a_sharded_page_costs_about_one_page
    }
}

fn now() -> Timestamp {
    "2026-11-22T22:59:53.372Z".parse().unwrap()
}

/// Happy echoes of many people, `count` of them, each a second older than the one before.
async fn fill(store: &Store, newest: Timestamp, count: u64, at: Timestamp) -> Vec<EchoId> {
    let create = |number: u64| async move {
        let name = format!("person-{}", number % 7);
        let new = item(&name, newest.minus_millis(number * 1_000), 1, content(Emotion::Happy));
        store.create(&new, at).await.unwrap();
        new.echo.echo_id
    };
    stream::iter(0..count).map(create).buffered(16).collect().await
}

/// How many echoes lie in each partition of an index.
async fn spread(engine: &Engine, prefix: &str, attribute: &str) -> BTreeMap<String, usize> {
    let scan = engine.client().scan().table_name(format!("{prefix}-echoes"));
    let items = scan.send().await.unwrap().items.unwrap_or_default();
    let mut spread = BTreeMap::new();
    for item in items {
        *spread.entry(item[attribute].as_s().unwrap().clone()).or_default() += 1;
    }
    spread
}

async fn a_feed_grows_while_it_is_walked_and_written(engine: &Engine) {
    let one = engine.store("grow").await;
    let other = engine.tables("grow", "us-west-2");
    let old = fill(&one, now(), 60, now()).await;
    assert_eq!(spread(engine, "grow", "emotion").await, [("happy".to_owned(), 60)].into());
    let begun = one.feed(Emotion::Happy, 7, None, now()).await.unwrap();
    let recents = one.recent(7, None, now()).await.unwrap();

    // The first step: nobody writes to new shards, and each region says that it reads them.
    for list in [HAPPY, ShardedList::Recent] {
        assert!(one.raise_shards_read(list, 4).await.unwrap());
        assert!(one.raise_shards_read(list, 4).await.unwrap(), "again");
    }
    let later = now().plus_millis(11_000);
    let both = [Region::EuWest1, Region::UsWest2];
    assert_eq!(one.shard_setting(HAPPY, later).await.unwrap().unconfirmed(4, &both), both);
    fill(&one, later, 10, later).await;
    let setting = one.shard_setting(HAPPY, later).await.unwrap();
    assert_eq!(setting.unconfirmed(4, &both), [Region::UsWest2], "one region took a write and confirmed");
    assert_eq!((setting.to_read(), setting.to_write()), (4, 1));
    assert_eq!(spread(engine, "grow", "emotion").await.len(), 1);
    assert_eq!(other.feed(Emotion::Happy, 1, None, later).await.unwrap().echoes.len(), 1);
    assert_eq!(one.shard_setting(HAPPY, later).await.unwrap().unconfirmed(4, &both), []);

    // The second: echoes spread, and both regions, asked at once, read them.
    for list in [HAPPY, ShardedList::Recent] {
        assert!(one.raise_shards_write(list, 4).await.unwrap());
    }
    let last = later.plus_millis(11_000);
    // Some of them older than the walk's first page, since a key may be a day old.
    let new: BTreeSet<_> = fill(&one, now().plus_millis(500), 40, last).await.into_iter().collect();
    let emotions = spread(engine, "grow", "emotion").await;
    assert_eq!(emotions.keys().collect::<Vec<_>>(), ["happy", "happy#1", "happy#2", "happy#3"], "{emotions:?}");
    let months = spread(engine, "grow", "recent").await;
    assert_eq!(months.keys().collect::<Vec<_>>(), ["2026-11", "2026-11#1", "2026-11#2", "2026-11#3"], "{months:?}");

    // A cursor from before goes on: what existed then comes once, in order.
    for store in [&one, &other] {
        for (first, feed) in [(&begun, true), (&recents, false)] {
            let mut found: Vec<_> = first.echoes.iter().map(|echo| echo.echo_id).collect();
            let mut after = first.next;
            while after.is_some() {
                let page = match feed {
                    true => store.feed(Emotion::Happy, 7, after, last).await.unwrap(),
                    false => store.recent(7, after, last).await.unwrap(),
                };
                assert!(!page.echoes.is_empty());
                found.extend(page.echoes.iter().map(|echo| echo.echo_id));
                after = page.next;
            }
            assert!(found.windows(2).all(|pair| pair[0] > pair[1]));
            let seen: Vec<_> = found.iter().copied().filter(|id| !new.contains(id)).collect();
            assert_eq!(seen, old);
        }
        // And a new walk finds all, whatever the size.
        for limit in [1, 3, 20, 100] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = store.feed(Emotion::Happy, limit, after, last).await.unwrap();
                found.extend(page.echoes.iter().map(|echo| echo.echo_id));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert!(found.windows(2).all(|pair| pair[0] > pair[1]));
            assert_eq!(found.len(), 110, "limit {limit}");
        }
    }
}

async fn a_number_of_shards_never_shrinks(engine: &Engine) {
    let store = engine.store("shrink").await;
    assert!(!store.raise_shards_write(HAPPY, 2).await.unwrap(), "nothing reads them");
    assert!(store.raise_shards_read(HAPPY, 8).await.unwrap());
    assert!(!store.raise_shards_read(HAPPY, 4).await.unwrap());
    assert!(!store.raise_shards_write(HAPPY, 9).await.unwrap());
    assert!(store.raise_shards_write(HAPPY, 8).await.unwrap());
    assert!(store.raise_shards_write(HAPPY, 8).await.unwrap(), "again");
    assert!(!store.raise_shards_write(HAPPY, 4).await.unwrap());
    let setting = store.shard_setting(HAPPY, now()).await.unwrap();
    assert_eq!((setting.to_read(), setting.to_write()), (8, 8));
    let none = store.shard_setting(ShardedList::Recent, now()).await.unwrap();
    assert_eq!((none.to_read(), none.to_write()), (1, 1));
}

async fn an_idle_core_confirms(engine: &Engine) {
    let store = engine.store("idle").await;
    assert!(store.raise_shards_read(HAPPY, 3).await.unwrap());
    let (stop, stopped) = watch::channel(false);
    let core = tokio::spawn(engine.tables("idle", "ap-southeast-1").keep_settings_fresh(now, stopped));
    let confirmed = async {
        let mut poll = tokio::time::interval(std::time::Duration::from_millis(100));
        let regions = [Region::ApSoutheast1];
        while !store.shard_setting(HAPPY, now()).await.unwrap().unconfirmed(3, &regions).is_empty() {
            poll.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), confirmed).await.expect("a confirmation");
    stop.send(true).unwrap();
    core.await.unwrap();
}

async fn a_sharded_page_costs_about_one_page(engine: &Engine) {
    let store = engine.store("cost").await;
    for list in [HAPPY, ShardedList::Recent] {
        assert!(store.raise_shards_read(list, 8).await.unwrap() && store.raise_shards_write(list, 8).await.unwrap());
    }
    fill(&store, now(), 150, now()).await;
    // Eight calls of half a unit: their items together are a page, where a page each would be eight.
    let (page, spent) = units::counted(store.feed(Emotion::Happy, 20, None, now())).await;
    assert_eq!(page.unwrap().echoes.len(), 20);
    assert!(spent.read <= 6.0, "{spent}");
    let (page, spent) = units::counted(store.recent(20, None, now())).await;
    assert_eq!(page.unwrap().echoes.len(), 20);
    // The month of the newest keys may be the next one, whose shards are empty; not here.
    assert!(spent.read <= 6.0, "{spent}");
    // A setting that is damaged is no reason to ask ten thousand partitions.
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let wild = engine.client().put_item().table_name("cost-ops").item("pk", text("shards")).item("sk", text("sad"));
    wild.item("read", AttributeValue::N("10000".into())).send().await.unwrap();
    let later = now().plus_millis(20_000);
    assert!(store.feed(Emotion::Sad, 20, None, later).await.unwrap().echoes.is_empty());
    assert_eq!(store.shard_setting(ShardedList::Feed(Emotion::Sad), later).await.unwrap().to_read(), 64);
}
