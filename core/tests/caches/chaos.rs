//! Writers and readers with every tier on, while tiers and cores are killed, hung and started again: no read is older than allowed.
//!
//! The bounds: nothing in the process that took the write (the engine's indexes do not lag); two seconds in its region; and where something was broken at the time,
//! the twelve seconds for which memory may show a value without asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt as _;

use crate::caller::Caller;
use crate::history::History;
use crate::people::World;
use crate::region::Region;
use crate::servers::Server;

const WRITERS: usize = 6;
const READERS: usize = 4;
/// Seconds in `make test`; `ECHOES_SOAK_SECONDS` asks for more.
const SECONDS: u64 = 10;
/// What was away is used again within this.
const NOTICED: Duration = Duration::from_secs(3);

#[expect(clippy::disallowed_methods, reason = "`make soak` asks for longer")]
fn duration() -> Duration {
    let seconds = std::env::var("ECHOES_SOAK_SECONDS").ok().map_or(SECONDS, |text| text.parse().unwrap());
    Duration::from_secs(seconds)
}

async fn core(region: &Arc<Region>, redis: u16, memcached: [u16; 2]) -> Server {
    let region = Arc::clone(region);
    Server::start("core", move |port| {
        let mut command = region.program(&["serve"]);
        command
            .env("ECHOES_LISTEN", format!("127.0.0.1:{port}"))
            .env("ECHOES_ADMIN_LISTEN", "127.0.0.1:0")
            .env("ECHOES_REDIS_URL", format!("redis://127.0.0.1:{redis}"))
            .env("ECHOES_MEMCACHED_SERVERS", memcached.map(|port| format!("127.0.0.1:{port}")).join(","))
            .env("RUST_LOG", "warn");
        command
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_older_than_allowed() {
    let region = Arc::new(Region::new().await);
    let redis = Server::redis().await;
    let memcached = [Server::memcached().await, Server::memcached().await];
    let ports = [memcached[0].port, memcached[1].port];
    let cores = [core(&region, redis.port, ports).await, core(&region, redis.port, ports).await];
    let world = Arc::new(World {
        caller: Caller::new(),
        ports: cores.iter().map(|core| core.port).collect(),
        lives: cores.iter().map(|_| AtomicU32::new(0)).collect(),
        up: cores.iter().map(|_| AtomicBool::new(true)).collect(),
        history: History::default(),
        stop: AtomicBool::new(false),
        reads: Default::default(),
        writes: Default::default(),
        wrong: Default::default(),
    });
    let users: Vec<String> = (0..WRITERS).map(|number| format!("writer-{number}")).collect();
    let mut people = tokio::task::JoinSet::new();
    for user in users.clone() {
        let world = Arc::clone(&world);
        people.spawn(async move { world.writer(user).await });
    }
    for _ in 0..READERS {
        let (world, users) = (Arc::clone(&world), users.clone());
        people.spawn(async move { world.reader(&users).await });
    }
    let [first, second] = memcached;
    let (mut tiers, mut cores) = ([redis, first, second], cores);
    let faults = break_things(&world, &mut tiers, &mut cores, duration()).await;
    world.stop.store(true, Ordering::SeqCst);
    while let Some(ended) = people.join_next().await {
        ended.unwrap();
    }
    let (reads, writes) = (world.reads.load(Ordering::Relaxed), world.writes.load(Ordering::Relaxed));
    println!("{writes} writes, {reads} reads, {faults} faults");
    let wrong = world.wrong.lock().unwrap();
    let first: Vec<&String> = wrong.iter().take(10).collect();
    assert!(wrong.is_empty(), "{} of {reads} reads and {writes} writes went wrong: {first:#?}", wrong.len());
    assert!(reads > 100 && writes > 50, "hardly anything was done");
}

/// Calm, a fault, calm, a fault, … until the time is over; everything is whole in the end.
async fn break_things(world: &World, tiers: &mut [Server], cores: &mut [Server], lasting: Duration) -> usize {
    let until = Instant::now() + lasting;
    let mut faults = 0;
    let pick = |all: usize| rand::rng().random_range(0..all);
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(500..2_500))).await;
        let broken_for = Duration::from_millis(rand::rng().random_range(50..2_000));
        world.history.broken();
        faults += 1;
        match pick(4) {
            0 => {
                let tier = &mut tiers[pick(3)];
                tier.kill().await;
                tokio::time::sleep(broken_for).await;
                tier.again().await;
            }
            1 => {
                let tier = &tiers[pick(3)];
                tier.hang();
                tokio::time::sleep(broken_for).await;
                tier.resume();
            }
            2 => {
                tiers.iter().for_each(Server::hang);
                tokio::time::sleep(broken_for).await;
                tiers.iter().for_each(Server::resume);
            }
            _ => {
                // With Redis hung at times, so that what the core could not tell dies with it.
                let at = pick(cores.len());
                let hung = pick(2) == 0;
                if hung {
                    tiers[0].hang();
                    tokio::time::sleep(broken_for / 2).await;
                }
                world.up[at].store(false, Ordering::SeqCst);
                cores[at].kill().await;
                world.lives[at].fetch_add(1, Ordering::SeqCst);
                if hung {
                    tiers[0].resume();
                }
                cores[at].again().await;
                world.up[at].store(true, Ordering::SeqCst);
            }
        }
        world.history.mended(NOTICED);
    }
    faults
}
