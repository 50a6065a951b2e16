//! Who waits for another process's load waits to its end, whatever else it hears.

use std::sync::atomic::{AtomicUsize, Ordering};

use echoes_shared::{Emotion, Timestamp};
use tokio::sync::Notify;

use super::server::Server;
use super::*;
use crate::cache::{Cache, CacheConfig, Key, Lifetimes, Loaded};
use crate::samples::echo;

const KEY: Key = Key::Feed(Emotion::Happy);

async fn cache(server: &Server) -> (Cache, Metrics) {
    let metrics = Metrics::new().unwrap();
    let config = CacheConfig { memory_bytes: 1 << 20, redis: Some(RedisUrl(server.url())), memcached: None };
    let cache = Cache::new(&config, Region::EuWest1, Lifetimes::default(), metrics.clone());
    cache.connected(SECONDS).await;
    (cache, metrics)
}

fn now() -> Timestamp {
    Timestamp::from_millis(crate::samples::EPOCH_MILLIS)
}

fn list() -> Loaded {
    Loaded::Head { echoes: vec![echo("ana", 1)], next: None }
}

/// A process that has just begun to listen has a gap; with four of them that start together the store was once asked twice.
#[tokio::test]
async fn who_may_have_missed_the_news_of_a_load_still_waits_for_it() {
    let server = Server::start().await;
    let ((one, _), (other, metrics)) = (cache(&server).await, cache(&server).await);
    let (begun, ends) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let loading = tokio::spawn({
        let (begun, ends) = (Arc::clone(&begun), Arc::clone(&ends));
        let load = move || async move {
            begun.notify_one();
            ends.notified().await;
            Ok(list())
        };
        async move { one.read(&KEY, now(), load).await.map(drop) }
    });
    begun.notified().await;
    let loads = Arc::new(AtomicUsize::new(0));
    let waiting = tokio::spawn({
        let (other, loads) = (other.clone(), Arc::clone(&loads));
        let load = move || async move {
            loads.fetch_add(1, Ordering::SeqCst);
            Ok(list())
        };
        async move { other.read(&KEY, now(), load).await.map(drop) }
    });
    let heard = &other.0.redis.as_ref().unwrap().ears.heard;
    while heard.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
    heard.send(Heard::Gap).unwrap();
    // It has looked once more, and found nothing yet.
    let looked_twice = "echoes_cache_requests_total{outcome=\"miss\",tier=\"l2\"} 2";
    while !String::from_utf8(metrics.text().unwrap().1).unwrap().contains(looked_twice) {
        assert_eq!(loads.load(Ordering::SeqCst), 0);
        tokio::task::yield_now().await;
    }
    ends.notify_one();
    loading.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(loads.load(Ordering::SeqCst), 0);
}
