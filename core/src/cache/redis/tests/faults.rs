//! Faults on the way: refused, hung, slow, reset in the middle, garbage. Nobody waits for long, and it is over in seconds.

use std::net::TcpListener;

use super::server::{Server, url};
use super::*;
use crate::cache::fault_proxy::{FaultProxy, Mode};
use crate::clock::Stopwatch;

/// What a deadline is allowed to be late on a busy machine.
const LATE: Duration = Duration::from_millis(150);

/// While Redis is away a look costs nothing.
async fn costs_nothing(redis: &Redis) {
    let started = Stopwatch::start();
    for _ in 0..1_000 {
        assert_eq!(redis.look("key").await, Look::Away);
        assert!(matches!(redis.begin("key").await, Begin::Away));
    }
    assert!(started.elapsed() < LATE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_hung_redis_costs_three_deadlines_and_then_nothing() {
    let server = Server::start().await;
    let redis = process(&server.url(), Patience { beat: MINUTE, ..Patience::default() }).until_there().await;
    let command = Patience::default().command;
    server.stop();
    let mut asked = 0;
    while !redis.is_away() {
        let started = Stopwatch::start();
        assert_eq!(redis.look("key").await, Look::Away);
        assert!(started.elapsed() < command + LATE, "{:?}", started.elapsed());
        asked += 1;
    }
    assert_eq!(asked, 3);
    costs_nothing(&redis).await;
    server.resume();
    redis.there_again().await;
}

#[tokio::test]
async fn a_hung_redis_is_noticed_while_nobody_asks() {
    let server = Server::start().await;
    let redis = process(&server.url(), Patience { command: Duration::from_millis(100), ..CALM }).until_there().await;
    server.stop();
    redis.until_away().await;
    server.resume();
    redis.there_again().await;
}

#[tokio::test]
async fn a_redis_that_is_slow_for_a_moment_is_told_all_the_same() {
    let server = Server::start().await;
    let proxy = FaultProxy::before(server.address()).await;
    let patience = Patience { command: Duration::from_millis(30), beat: MINUTE, ..CALM };
    let redis = process(&url(proxy.address), patience).until_there().await;
    proxy.set(Mode::Delay(Duration::from_millis(100)));
    assert!(redis.invalidate(&["key".to_owned()], Bytes::new()).await);
    assert!(!redis.is_away());
}

#[tokio::test]
async fn where_nothing_listens_nobody_waits_and_a_server_that_comes_is_found() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let redis = process(&format!("redis://127.0.0.1:{port}"), CALM);
    costs_nothing(&redis).await;
    assert!(redis.take_turn("warm", MINUTE).await);
    assert_eq!(redis.popular().await, Vec::<String>::new());
    let _server = Server::start_on(port).await;
    redis.there_again().await;
    assert_eq!(redis.look("key").await, Look::Unknown);
}

#[tokio::test]
async fn a_url_that_is_none_is_a_redis_that_is_away() {
    let redis = process("http://nonsense", CALM);
    assert_eq!(redis.look("key").await, Look::Away);
    redis.invalidate(&["key".to_owned()], Bytes::new()).await;
}

#[tokio::test]
async fn every_fault_on_the_way_is_a_miss_and_ends_in_seconds() {
    let server = Server::start().await;
    let proxy = FaultProxy::before(server.address()).await;
    let redis = process(&url(proxy.address), Patience { command: Duration::from_millis(200), ..CALM });
    let stamp = {
        redis.there_again().await;
        redis.fill("key", "value").await
    };
    for mode in [Mode::Refuse, Mode::ResetMidAnswer, Mode::Garbage, Mode::Hang, Mode::Delay(LATE * 3)] {
        proxy.set(mode);
        for _ in 0..4 {
            assert_eq!(redis.counts("key", stamp).await, None, "{mode:?}");
        }
        redis.until_away().await;
        // It does not come back before the way is free.
        for _ in 0..20 {
            assert!(redis.is_away(), "{mode:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        costs_nothing(&redis).await;
        proxy.set(Mode::Pass);
        redis.there_again().await;
        assert_eq!(redis.counts("key", stamp).await.unwrap(), "value", "{mode:?}");
    }
}
