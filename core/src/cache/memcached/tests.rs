//! Against real servers: what is kept, and what a server costs that dies, hangs, talks nonsense or is full.

mod faults;
mod fixture;

use std::time::Duration;

use bytes::Bytes;

use super::*;
use fixture::{Process, eventually, over, timed};

const HOUR: Duration = Duration::from_secs(3_600);

/// The keys of which a value has come back.
async fn held(memcached: &Memcached, keys: &[String]) -> Vec<String> {
    let mut held = Vec::new();
    for key in keys {
        if let Some(value) = timed(memcached.get(key)).await {
            assert_eq!(value, key, "another key's value");
            held.push(key.clone());
        }
    }
    held
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("echo:{number}")).collect()
}

async fn fill(memcached: &Memcached, keys: &[String]) {
    for key in keys {
        timed(memcached.set(key, Bytes::from(key.clone()), HOUR)).await;
    }
}

/// The keys of one of several servers.
fn of_server(memcached: &Memcached, keys: &[String], server: usize) -> Vec<String> {
    let owner = |key: &String| memcached.ring.server_of(&name::of(memcached.region, key));
    keys.iter().filter(|key| owner(key) == Some(server)).cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_bytes_under_any_key_come_back() {
    let server = Process::start(&[]).await;
    let memcached = over(&[server.address()]).await;
    let every_byte: Vec<u8> = (0..=u8::MAX).cycle().take(100_000).collect();
    let longest = vec![b'v'; MAX_VALUE_BYTES];
    let values: [&[u8]; 6] = [
        b"",
        b"\r\n",
        b"v\r\nEND\r\nVALUE echo:1 0 1\r\nx\r\nEND\r\n",
        "\u{1f3a7}".as_bytes(),
        &every_byte,
        &longest,
    ];
    let (long, longer) = ("k".repeat(250), "k".repeat(251));
    for key in ["recent", "timeline:ana|b@c#happy", "a b\r\nflush_all\r\n", &long, &longer] {
        assert_eq!(memcached.get(key).await, None);
        for value in values {
            memcached.set(key, Bytes::copy_from_slice(value), HOUR).await;
            assert_eq!(memcached.get(key).await.as_deref(), Some(value), "{} bytes under {key:?}", value.len());
        }
    }
    // One region's values are not another's.
    let other = MemcachedServers(vec![server.address()]);
    let other = Memcached::new(&other, Region::UsEast1);
    eventually("the other region connects", async || {
        other.set("here", Bytes::from_static(b"1"), HOUR).await;
        other.get("here").await.is_some()
    })
    .await;
    assert_eq!((other.get("recent").await, memcached.get("here").await), (None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_or_too_brief_is_not_kept_and_a_lifetime_ends() {
    let server = Process::start(&[]).await;
    let memcached = over(&[server.address()]).await;
    memcached.set("large", Bytes::from(vec![0; MAX_VALUE_BYTES + 1]), HOUR).await;
    memcached.set("larger", Bytes::from(vec![0; 20 * MAX_VALUE_BYTES]), HOUR).await;
    memcached.set("brief", Bytes::from_static(b"1"), Duration::from_millis(999)).await;
    for key in ["large", "larger", "brief"] {
        assert_eq!(memcached.get(key).await, None, "{key}");
    }
    memcached.set("long", Bytes::from_static(b"1"), Duration::MAX).await;
    memcached.set("month", Bytes::from_static(b"1"), MAX_LIFETIME).await;
    memcached.set("short", Bytes::from_static(b"1"), Duration::from_millis(2_900)).await;
    for key in ["long", "month", "short"] {
        assert!(memcached.get(key).await.is_some(), "{key}");
    }
    eventually("a lifetime of two seconds ends", async || memcached.get("short").await.is_none()).await;
    assert!(memcached.get("long").await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_server_costs_its_own_keys_and_comes_back() {
    let mut servers = [Process::start(&[]).await, Process::start(&[]).await, Process::start(&[]).await];
    let memcached = over(&servers.each_ref().map(Process::address)).await;
    let keys = keys(300);
    fill(&memcached, &keys).await;
    assert_eq!(held(&memcached, &keys).await, keys);

    servers[1].kill().await;
    let lost = of_server(&memcached, &keys, 1);
    let left: Vec<_> = keys.iter().filter(|key| !lost.contains(key)).cloned().collect();
    assert!((70..=130).contains(&lost.len()), "{} of 300 keys on one of three servers", lost.len());
    assert_eq!(held(&memcached, &keys).await, left);
    // Nothing of the lost server's is written elsewhere, where it would be found again later.
    fill(&memcached, &lost).await;
    assert_eq!(held(&memcached, &keys).await, left);

    servers[1].restart().await;
    eventually("the server is used again", async || {
        fill(&memcached, &lost[..1]).await;
        !held(&memcached, &lost[..1]).await.is_empty()
    })
    .await;
    fill(&memcached, &lost).await;
    assert_eq!(held(&memcached, &keys).await, keys);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_server_costs_one_deadline_and_comes_back() {
    let server = Process::start(&[]).await;
    let memcached = over(&[server.address()]).await;
    fill(&memcached, &keys(1)).await;
    server.hang();
    // Many at once wait for the few connections, and none longer than the deadline.
    let calls = (0..200).map(|_| timed(memcached.get("echo:0")));
    assert!(futures_util::future::join_all(calls).await.iter().all(Option::is_none));
    let stopwatch = crate::clock::Stopwatch::start();
    for _ in 0..100 {
        assert_eq!(memcached.get("echo:0").await, None);
    }
    assert!(stopwatch.elapsed() < server::COMMAND_DEADLINE * 10, "each of them paid: {:?}", stopwatch.elapsed());
    server.go_on();
    eventually("the server is used again", async || !held(&memcached, &keys(1)).await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_servers_away_from_the_start_cost_nothing_and_come() {
    let mut server = Process::start(&[]).await;
    server.kill().await;
    let servers = MemcachedServers(vec![server.address(), "nowhere.invalid:11211".to_owned()]);
    let memcached = Memcached::new(&servers, Region::EuWest1);
    let keys = keys(40);
    fill(&memcached, &keys).await;
    assert!(held(&memcached, &keys).await.is_empty());
    server.restart().await;
    eventually("the one that exists is used", async || {
        fill(&memcached, &keys).await;
        held(&memcached, &keys).await == of_server(&memcached, &keys, 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_evicts_and_fails_nobody() {
    let server = Process::start(&["-m", "4"]).await;
    let memcached = over(&[server.address()]).await;
    let value = Bytes::from(vec![b'v'; 16 * 1024]);
    let keys = keys(2_000);
    for key in &keys {
        timed(memcached.set(key, value.clone(), HOUR)).await;
        assert!(timed(memcached.get(key)).await.is_some(), "the newest is there: {key}");
    }
    assert_eq!(memcached.get(&keys[0]).await, None, "and the oldest is not");
}

/// With `-M` a full server refuses instead. What it holds is still read, and it is not taken for lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_to_keep_more_is_still_read() {
    let server = Process::start(&["-m", "4", "-M"]).await;
    let memcached = over(&[server.address()]).await;
    fill(&memcached, &keys(1)).await;
    let value = Bytes::from(vec![b'v'; 16 * 1024]);
    let mut refused = 0;
    for key in (0..1_000).map(|number| format!("feed:{number}")) {
        timed(memcached.set(&key, value.clone(), HOUR)).await;
        refused += usize::from(timed(memcached.get(&key)).await.is_none());
        assert_eq!(held(&memcached, &keys(1)).await, keys(1), "after {key}");
    }
    assert!(refused > 100, "{refused} of 1000 refused");
}
