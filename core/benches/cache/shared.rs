//! A hit in Redis, beside a bare GET of the same bytes through the same client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use echoes_core::cache::{Cache, CacheConfig, Key, Lifetimes, Loaded};
use echoes_core::metrics::Metrics;
use echoes_core::store::StoreError;
use echoes_shared::{Echo, Emotion, Region};
use futures_util::{StreamExt as _, stream};

use crate::programs::{LOAD, Program, SERVERS, pinned};
use crate::{load, report};

/// The argument that makes this program the reader.
pub const ROLE: &str = "shared-reader";
/// Reads in flight: one tells how long a hit takes, several how many there can be.
const CONCURRENCY: [usize; 2] = [1, 16];
/// Reads of a round, and rounds, in which ours and the bare ones take turns: what else the machine does meets both.
const READS: usize = 10_000;
const ROUNDS: usize = 7;

/// The caches that `config` names.
pub fn cache(config: &CacheConfig, metrics: Metrics) -> Cache {
    Cache::new(config, Region::EuWest1, Lifetimes::default(), metrics)
}

/// A hundred echoes as a store answers them.
pub fn echoes() -> Vec<Echo> {
    load::samples("shared", 100).iter().map(load::Sample::echo).collect()
}

/// Caches over the Redis on `port`, and no memory of their own unless `memory_bytes` says so.
pub fn over_redis(port: u16, memory_bytes: u64) -> Cache {
    let url = format!("redis://127.0.0.1:{port}").parse().unwrap();
    let config = CacheConfig { memory_bytes, redis: Some(url), memcached: None };
    cache(&config, Metrics::new().unwrap())
}

/// Redis has one processor; who reads it the other, and there the runtime that a core has on one processor.
pub fn compare() {
    report::title("a hit in Redis, beside a bare GET of as many bytes through the same client");
    let (_redis, port) = Program::redis(SERVERS);
    let mut reader = pinned(LOAD, std::env::current_exe().unwrap());
    assert!(reader.args([ROLE, &port.to_string()]).status().unwrap().success());
}

/// The reader.
pub async fn read(port: u16) {
    let cache = over_redis(port, 0);
    cache.connected(Duration::from_secs(5)).await;
    let now = echoes_core::clock::now();
    let found = echoes();
    let fill = || {
        let echoes = found.clone();
        move || async move { Ok(Loaded::Head { echoes, next: None }) }
    };
    let keys: Vec<Key> = Emotion::ALL.iter().copied().map(Key::Feed).collect();
    // Past the time in which a new generation's fills are kept briefly.
    for round in 0..2 {
        for key in &keys {
            cache.read(key, now, fill()).await.unwrap();
        }
        if round == 0 {
            tokio::time::sleep(Lifetimes::default().settle).await;
        }
    }
    // On a machine that does other things too Redis may be late once: then the store would be asked.
    let late = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&late);
    let read = move |read: usize| {
        let late = Arc::clone(&counted);
        let never = move || async move {
            late.fetch_add(1, Ordering::Relaxed);
            Err(StoreError::Behind)
        };
        // Of different keys: readers of one key would share one look.
        let (cache, key) = (cache.clone(), keys[read % keys.len()].clone());
        async move { drop(cache.read(&key, now, never).await) }
    };
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let bytes = serde_json::to_vec(&found).unwrap();
    let mut setting = connection.clone();
    let () = redis::cmd("SET").arg("bare").arg(&bytes).query_async(&mut setting).await.unwrap();
    let get = move |_| {
        let (mut connection, length) = (connection.clone(), bytes.len());
        async move {
            let value: Vec<u8> = redis::cmd("GET").arg("bare").query_async(&mut connection).await.unwrap();
            assert_eq!(value.len(), length);
        }
    };
    for concurrency in CONCURRENCY {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(a_second(concurrency, read.clone()).await);
            theirs.push(a_second(concurrency, get.clone()).await);
        }
        let row = format!("an L2 hit of 100 echoes, {concurrency} at a time");
        report::ratio(&row, report::median(ours), report::median(theirs), "a second", ">= 0.8");
    }
    let late = late.load(Ordering::Relaxed);
    assert!(late < ROUNDS * READS / 100, "Redis was late {late} times");
}

/// How often a second, by a task of the runtime, as a request is one.
async fn a_second<F>(concurrency: usize, work: impl Fn(usize) -> F + Send + 'static) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let began = Instant::now();
    tokio::spawn(stream::iter(0..READS).for_each_concurrent(concurrency, work)).await.unwrap();
    READS as f64 / began.elapsed().as_secs_f64()
}
