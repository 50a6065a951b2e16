//! Looks of one moment share a round trip, and each gets its own answer, whoever of them goes away.

use std::pin::Pin;

use echoes_shared::Emotion;
use futures_util::FutureExt as _;
use futures_util::future::join_all;

use tokio::task::yield_now;

use super::server::{Server, url};
use super::*;
use crate::cache::fault_proxy::{FaultProxy, Mode};
use crate::cache::{Cache, CacheConfig, Key, Lifetimes, Loaded};
use crate::clock;

async fn filled(redis: &Redis, count: usize) -> Vec<(String, Stamp)> {
    let mut keys = Vec::new();
    for number in 0..count {
        let key = format!("key{number}");
        let (stamp, lease) = redis.begin(&key).await.load();
        assert_eq!(redis.keep(&key, stamp, Some(&lease), Bytes::from(key.clone()), MINUTE).await, Kept::Yes);
        keys.push((key, stamp));
    }
    keys
}

/// Polls a look until its keys have been asked for.
async fn asked<F: Future>(look: &mut Pin<Box<F>>) {
    assert!(look.now_or_never().is_none());
    yield_now().await;
    assert!(look.now_or_never().is_none());
}

/// How often Redis was asked for its role since the counts were reset.
async fn round_trips(server: &Server) -> usize {
    let stats: String = server.run("INFO commandstats").await;
    let counted = stats.lines().find_map(|line| line.strip_prefix("cmdstat_role:calls=")?.split(',').next());
    counted.map_or(0, |calls| calls.parse().unwrap())
}

#[tokio::test]
async fn looks_of_one_moment_are_one_round_trip() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let keys = filled(&redis, 19).await;
    server.run::<()>("CONFIG RESETSTAT").await;
    let looks = keys.iter().map(|(key, stamp)| redis.counts(key, *stamp));
    let (found, other) = tokio::join!(join_all(looks), redis.look("other"));
    for (value, (key, _)) in found.iter().zip(&keys) {
        assert_eq!(value.as_deref(), Some(key.as_bytes()));
    }
    assert_eq!(other, Look::Unknown);
    assert_eq!(round_trips(&server).await, 2, "sixteen keys each at most");

    assert_eq!(redis.counts("key3", keys[3].1).await.unwrap(), "key3");
    assert_eq!(round_trips(&server).await, 3, "who comes later does not get what others asked for");
}

#[tokio::test]
async fn who_goes_away_takes_nobody_along() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let keys = filled(&redis, 2).await;
    server.run::<()>("CONFIG RESETSTAT").await;
    let (mut first, mut second) = (Box::pin(redis.look("key0")), Box::pin(redis.counts("key1", keys[1].1)));
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    drop(first);
    assert_eq!(second.await.unwrap(), "key1");
    assert_eq!(round_trips(&server).await, 1);

    // Nor is anything asked for nobody.
    let mut alone = Box::pin(redis.look("key0"));
    assert!((&mut alone).now_or_never().is_none());
    drop(alone);
    assert_eq!(redis.counts("key0", keys[0].1).await.unwrap(), "key0");
    assert_eq!(round_trips(&server).await, 2);
}

#[tokio::test]
async fn who_goes_away_after_it_has_asked_for_all_takes_nobody_along() {
    let server = Server::start().await;
    let proxy = FaultProxy::before(server.address()).await;
    let redis = process(&url(proxy.address), Patience { beat: MINUTE, ..CALM }).until_there().await;
    let keys = filled(&redis, 2).await;
    proxy.set(Mode::Delay(Duration::from_millis(200)));
    let (mut first, mut second) = (Box::pin(redis.look("key0")), Box::pin(redis.counts("key1", keys[1].1)));
    assert!((&mut second).now_or_never().is_none());
    asked(&mut first).await;
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    assert_eq!(second.await.unwrap(), "key1");
}

#[tokio::test]
async fn those_who_asked_in_vain_together_ask_alone_the_next_time() {
    let server = Server::start().await;
    let patience = Patience { command: Duration::from_millis(100), beat: MINUTE, ..CALM };
    let redis = process(&server.url(), patience).until_there().await;
    let keys = filled(&redis, 5).await;
    let all = async || {
        let looks = keys.iter().map(|(key, stamp)| redis.counts(key, *stamp));
        join_all(looks).await.into_iter().flatten().count()
    };
    server.stop();
    assert_eq!(all().await, 0);
    assert!(!redis.is_away(), "it was one failure");
    server.resume();
    server.run::<()>("CONFIG RESETSTAT").await;
    assert_eq!(all().await, 5);
    assert_eq!(round_trips(&server).await, 5);
    assert_eq!(all().await, 5);
    assert_eq!(round_trips(&server).await, 6, "it has answered since");
}

#[tokio::test]
async fn each_of_those_who_asked_in_vain_together_is_counted() {
    let server = Server::start().await;
    let metrics = Metrics::new().unwrap();
    let config = CacheConfig { memory_bytes: 0, redis: Some(RedisUrl(server.url())), memcached: None };
    let cache = Cache::new(&config, Region::EuWest1, Lifetimes::default(), metrics.clone());
    cache.connected(SECONDS).await;
    server.stop();
    let keys: Vec<_> = Emotion::ALL.iter().take(5).copied().map(Key::Feed).collect();
    let nothing = || async { Ok(Loaded::Head { echoes: Vec::new(), next: None }) };
    let found = join_all(keys.iter().map(|key| cache.read(key, clock::now(), nothing))).await;
    assert!(found.iter().all(Result::is_ok));
    let (_, text) = metrics.text().unwrap();
    let text = String::from_utf8(text).unwrap();
    let labels = "echoes_cache_requests_total{outcome=\"error\",tier=\"l2\"} ";
    let errors: u64 = text.lines().find_map(|line| line.strip_prefix(labels)).expect(&text).parse().unwrap();
    // Redis may have been asked how it is as well.
    assert!((5..=6).contains(&errors), "{errors}");
}
