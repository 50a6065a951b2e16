//! Everything at once: two processes write, load and read while the ways to Redis break at random and Redis is killed and
//! comes back with an old snapshot. No process is ever shown something older than what it has itself invalidated.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;

use super::server::{Server, url};
use super::*;
use crate::cache::fault_proxy::{FaultProxy, Mode};
use crate::clock::Stopwatch;

const FOR: Duration = Duration::from_secs(4);
const KEYS: usize = 3;

/// The store, and what each process knows of it: the version of every key.
#[derive(Debug, Default)]
struct Truth {
    stored: [AtomicU64; KEYS],
    /// What a process has invalidated, and been told that it is done.
    told: [[AtomicU64; KEYS]; 2],
    hits: AtomicU64,
    lies: AtomicU64,
}

/// Writes: first the store, then the invalidation.
async fn write(redis: Arc<Redis>, me: usize, truth: Arc<Truth>, mut random: StdRng) {
    loop {
        let key = random.random_range(0..KEYS);
        let version = truth.stored[key].fetch_add(1, Ordering::SeqCst) + 1;
        redis.invalidate(&[key.to_string()], Bytes::new()).await;
        truth.told[me][key].fetch_max(version, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(random.random_range(5..60))).await;
    }
}

/// Reads: what counts is judged, and where nothing counts the store is loaded and kept.
async fn read(redis: Arc<Redis>, me: usize, truth: Arc<Truth>, mut random: StdRng) {
    loop {
        let key = random.random_range(0..KEYS);
        let known = truth.told[me][key].load(Ordering::SeqCst);
        let hit = match redis.look(&key.to_string()).await {
            Look::Known { stamp, value: Some(value), .. } => version_under(stamp, &value),
            _ => None,
        };
        match hit {
            Some(version) => {
                truth.hits.fetch_add(1, Ordering::SeqCst);
                truth.lies.fetch_add(u64::from(version < known), Ordering::SeqCst);
            }
            None => load(&redis, key, &truth, &mut random).await,
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..4))).await;
    }
}

async fn load(redis: &Redis, key: usize, truth: &Truth, random: &mut StdRng) {
    let Begin::Load { stamp, lease, .. } = redis.begin(&key.to_string()).await else { return };
    let version = truth.stored[key].load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(random.random_range(0..30))).await;
    let value = [&stamp.0[..], &version.to_be_bytes()].concat();
    redis.keep(&key.to_string(), stamp, Some(&lease), value.into(), MINUTE).await;
}

/// The version, where the value was kept under this stamp.
fn version_under(stamp: Stamp, value: &[u8]) -> Option<u64> {
    let (under, version) = value.split_first_chunk::<16>()?;
    (*under == stamp.0).then_some(u64::from_be_bytes(version.try_into().unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_nobody_is_shown_what_he_has_invalidated() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = Server::start().await;
    let ways = [FaultProxy::before(server.address()).await, FaultProxy::before(server.address()).await];
    let truth = Arc::new(Truth::default());
    let mut busy = JoinSet::new();
    let patience = Patience {
        command: Duration::from_millis(50),
        first_pause: Duration::from_millis(5),
        last_pause: Duration::from_millis(50),
        ..CALM
    };
    for (me, way) in ways.iter().enumerate() {
        let redis = Arc::new(process(&url(way.address), patience).until_there().await);
        busy.spawn(write(Arc::clone(&redis), me, Arc::clone(&truth), StdRng::seed_from_u64(random.random())));
        for _ in 0..3 {
            busy.spawn(read(Arc::clone(&redis), me, Arc::clone(&truth), StdRng::seed_from_u64(random.random())));
        }
    }
    let faults =
        [Mode::Refuse, Mode::Hang, Mode::ResetMidAnswer, Mode::Garbage, Mode::Delay(Duration::from_millis(80))];
    let started = Stopwatch::start();
    while started.elapsed() < FOR {
        tokio::time::sleep(Duration::from_millis(random.random_range(50..200))).await;
        let way = &ways[random.random_range(0..2)];
        match random.random_range(0..10) {
            0..5 => {
                way.set(faults[random.random_range(0..faults.len())]);
                tokio::time::sleep(Duration::from_millis(random.random_range(10..150))).await;
                way.set(Mode::Pass);
            }
            5..7 => server.run::<()>("SAVE").await,
            7 => server.run::<()>("FLUSHALL").await,
            8 => server.crash_and_restart().await,
            _ => {}
        }
    }
    busy.shutdown().await;
    let (hits, lies) = (truth.hits.load(Ordering::SeqCst), truth.lies.load(Ordering::SeqCst));
    assert!(hits > 50, "only {hits} hits: this showed nothing");
    assert_eq!(lies, 0, "of {hits} hits, seed {seed}");
}
