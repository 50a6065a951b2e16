//! What the tier does while nothing fails.

use super::server::{Server, url};
use super::*;
use crate::cache::fault_proxy::{FaultProxy, Mode};
use crate::cache::redis::{LEASE, VALUE_BYTES_AT_MOST};
use crate::clock::Stopwatch;

#[tokio::test]
async fn a_look_and_a_begin_and_a_keep_are_one_round_trip_each() {
    let server = Server::start().await;
    let proxy = FaultProxy::before(server.address()).await;
    let redis = process(&url(proxy.address), Patience { beat: MINUTE, ..CALM }).until_there().await;
    // Redis has learnt the scripts.
    redis.fill("other", "x").await;

    // Long, so that a busy machine does not make two of one.
    let trip = Duration::from_millis(750);
    proxy.set(Mode::Delay(trip));
    let one = |started: Stopwatch| assert!((trip..trip * 2).contains(&started.elapsed()), "{:?}", started.elapsed());
    let started = Stopwatch::start();
    assert_eq!(redis.look("key").await, Look::Unknown);
    one(started);
    let started = Stopwatch::start();
    let (stamp, lease) = redis.begin("key").await.load();
    one(started);
    let started = Stopwatch::start();
    assert_eq!(redis.keep("key", stamp, Some(&lease), "value".into(), MINUTE).await, Kept::Yes);
    one(started);
    let started = Stopwatch::start();
    assert_eq!(redis.counts("key", stamp).await.unwrap(), "value");
    one(started);
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_sent_again() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    redis.fill("key", "one").await;
    server.run::<()>("SCRIPT FLUSH").await;
    let stamp = redis.fill("key", "two").await;
    assert_eq!(redis.counts("key", stamp).await.unwrap(), "two");
}

#[tokio::test]
async fn a_value_lives_as_long_as_it_should_and_counts_in_every_process() {
    let server = Server::start().await;
    let (one, two) =
        (process(&server.url(), CALM).until_there().await, process(&server.url(), CALM).until_there().await);
    let stamp = one.fill("key", "value").await;
    assert_eq!(two.counts("key", stamp).await.unwrap(), "value");
    let Look::Known { now_millis, .. } = two.look("key").await else { panic!("it is known") };
    let (seconds, _) = server.run::<(u64, u64)>("TIME").await;
    assert!(now_millis.abs_diff(seconds * 1_000) < 10_000, "{now_millis} is not {seconds} s");

    // A value from the third tier comes without a lease, and with what is left of its life.
    let short = Duration::from_millis(200);
    assert_eq!(two.keep("key", stamp, None, "promoted".into(), short).await, Kept::Yes);
    assert_eq!(one.counts("key", stamp).await.unwrap(), "promoted");
    tokio::time::sleep(short * 2).await;
    assert!(matches!(one.look("key").await, Look::Known { value: None, .. }));
}

#[tokio::test]
async fn what_was_loaded_before_an_invalidation_is_never_kept() {
    let server = Server::start().await;
    let (one, two) =
        (process(&server.url(), CALM).until_there().await, process(&server.url(), CALM).until_there().await);
    let (stamp, lease) = one.begin("key").await.load();
    two.invalidate(&["key".to_owned()], "changed".into()).await;
    assert_eq!(one.keep("key", stamp, Some(&lease), "old".into(), MINUTE).await, Kept::Discarded);
    assert!(one.is_empty("key").await);

    // Nor when a new load has made a new generation meanwhile, whose lease stays.
    let (stamp, lease) = one.begin("key").await.load();
    two.invalidate(&["key".to_owned()], "changed".into()).await;
    let (newer, newer_lease) = two.begin("key").await.load();
    assert_ne!(stamp, newer);
    assert_eq!(one.keep("key", stamp, Some(&lease), "old".into(), MINUTE).await, Kept::Discarded);
    assert!(matches!(one.begin("key").await, Begin::Wait { .. }));
    assert_eq!(two.keep("key", newer, Some(&newer_lease), "new".into(), MINUTE).await, Kept::Yes);
    assert_eq!(one.counts("key", newer).await.unwrap(), "new");
}

#[tokio::test]
async fn of_two_processes_one_loads_and_the_other_hears_of_it() {
    let server = Server::start().await;
    let (one, two) = (process(&server.url(), CALM), process(&server.url(), CALM));
    let (mut own, mut others) = (one.hear(), two.hear());
    heard(&mut own, is_gap).await;
    heard(&mut others, is_gap).await;
    let (stamp, lease) = one.begin("key").await.load();
    let Begin::Wait { lease_left, .. } = two.begin("key").await else { panic!("there is one lease") };
    assert!(lease_left > Duration::ZERO && lease_left <= LEASE);
    assert_eq!(one.keep("key", stamp, Some(&lease), "value".into(), MINUTE).await, Kept::Yes);
    heard(&mut others, is_filled("key")).await;
    assert_eq!(two.counts("key", stamp).await.unwrap(), "value");

    // A load that failed frees those who wait, too.
    let (_, lease) = one.begin("key").await.load();
    one.give_up("key", &lease).await;
    heard(&mut others, is_filled("key")).await;
    let (_, lease) = two.begin("key").await.load();
    one.give_up("key", &Lease { token: [7; 16] }).await;
    assert!(matches!(one.begin("key").await, Begin::Wait { .. }), "only its holder gives a lease back");
    two.give_up("key", &lease).await;
    heard(&mut own, is_filled("key")).await;
    assert!(own.try_recv().is_err(), "nobody hears himself");
}

#[tokio::test]
async fn the_lease_of_a_process_that_died_lapses() {
    let server = Server::start().await;
    let (one, two) =
        (process(&server.url(), CALM).until_there().await, process(&server.url(), CALM).until_there().await);
    let (stamp, lease) = one.begin("key").await.load();
    drop(one);
    let Begin::Wait { lease_left, .. } = two.begin("key").await else { panic!("the lease is still there") };
    tokio::time::sleep(lease_left + Duration::from_millis(50)).await;
    let (same, newer) = two.begin("key").await.load();
    // The dead one's value would still be right, but the lease is no longer its own.
    let late = process(&server.url(), CALM).until_there().await;
    assert_eq!((same, late.keep("key", stamp, Some(&lease), "late".into(), MINUTE).await), (stamp, Kept::Yes));
    assert!(matches!(late.begin("key").await, Begin::Wait { .. }));
    two.give_up("key", &newer).await;
}

#[tokio::test]
async fn a_generation_is_young_after_a_change_and_in_a_young_redis() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let age = async |redis: &Redis| {
        let Begin::Load { age_millis, lease, .. } = redis.begin("key").await else { panic!("the lease is free") };
        redis.give_up("key", &lease).await;
        age_millis
    };
    age(&redis).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!((2_500..6_000).contains(&age(&redis).await));
    // A process that has just come knows that nothing was lost in this life of Redis, in whole seconds and one less.
    let other = process(&server.url(), CALM).until_there().await;
    assert!(age(&other).await >= 1_000);
    redis.invalidate(&["key".to_owned()], Bytes::new()).await;
    assert!(age(&redis).await < 1_000);
    // Nor when what Redis was not told of was written.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(age(&redis).await >= 1_500);
    redis.untold(1);
    assert!(age(&redis).await < 1_000);
}

#[tokio::test]
async fn a_generation_is_as_old_as_the_change_and_goes_where_nobody_loads() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    // From now on everything has a generation, and both it and the connection are older than the change.
    redis.fill("other", "value").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    redis.invalidate(&["key".to_owned(), "unread".to_owned()], Bytes::new()).await;
    let millis_left = async |key: &str| server.run::<i64>(&format!("PTTL echoes:1:eu-west-1:g:{key}")).await;
    for key in ["key", "unread"] {
        assert!((1..=10_000).contains(&millis_left(key).await));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let Begin::Load { stamp, age_millis, lease, .. } = redis.begin("key").await else { panic!("the lease is free") };
    assert!(age_millis >= 500, "it began with the change, not with the load: {age_millis}");
    let Begin::Wait { stamp: same, age_millis: later, .. } = redis.begin("key").await else { panic!("one loads") };
    assert!(same == stamp && later >= age_millis);
    assert_eq!(redis.keep("key", stamp, Some(&lease), "value".into(), MINUTE).await, Kept::Yes);
    assert!(millis_left("key").await > 10_000, "what is kept under it is to count for long");
    // What nobody loaded has none after a while, which is as good as one that was born just now.
    server.run::<()>("PEXPIRE echoes:1:eu-west-1:g:unread 1").await;
    server.until("EXISTS echoes:1:eu-west-1:g:unread", |exists| exists == "0").await;
    assert_eq!(redis.look("unread").await, Look::Unknown);
    let Begin::Load { age_millis, .. } = redis.begin("unread").await else { panic!("the lease is free") };
    assert_eq!(age_millis, 0);
}

#[tokio::test]
async fn nothing_counts_that_was_kept_before_a_write_that_redis_was_not_told_of() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let stamp = redis.fill("key", "old").await;
    let (before, lease) = redis.begin("other").await.load();
    redis.untold(7);
    assert_eq!(redis.counts("key", stamp).await, None);
    assert_eq!(redis.keep("other", before, Some(&lease), "old".into(), MINUTE).await, Kept::Discarded);
    let stamp = redis.fill("key", "new").await;
    // A late answer of the store takes nothing back.
    redis.untold(6);
    assert_eq!(redis.counts("key", stamp).await.unwrap(), "new");

    // A process that does not know the count yet believes nothing.
    let fresh = process(&server.url(), CALM).until_there().await;
    fresh.await_untold();
    assert_eq!(fresh.look("key").await, Look::Away);
    fresh.untold(7);
    assert_eq!(fresh.counts("key", stamp).await.unwrap(), "new");
}

#[tokio::test]
async fn long_and_binary_keys_are_keys_like_others() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let keys = ["", " ", "a\r\nFLUSHALL\r\n", "\0", "é", &"k".repeat(250), &"k".repeat(251), &"k".repeat(70_000)];
    let mut stamps = Vec::new();
    for key in keys {
        stamps.push(redis.fill(key, "value").await);
    }
    for (at, (key, stamp)) in keys.iter().zip(&stamps).enumerate() {
        assert_eq!(redis.counts(key, *stamp).await.unwrap(), "value");
        redis.invalidate(&[(*key).to_owned()], Bytes::new()).await;
        assert!(redis.is_empty(key).await);
        assert!(stamps.iter().skip(at + 1).all(|other| other != stamp));
    }
}

#[tokio::test]
async fn a_value_above_a_mebibyte_is_not_sent() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let (stamp, lease) = redis.begin("key").await.load();
    let large = Bytes::from(vec![1; VALUE_BYTES_AT_MOST + 1]);
    assert_eq!(redis.keep("key", stamp, Some(&lease), large.clone(), MINUTE).await, Kept::Refused);
    assert!(matches!(redis.look("key").await, Look::Known { value: None, .. }));
    let (stamp, lease) = redis.begin("key").await.load();
    assert_eq!(redis.keep("key", stamp, Some(&lease), large.slice(1..), MINUTE).await, Kept::Yes);
    assert_eq!(redis.counts("key", stamp).await.unwrap().len(), VALUE_BYTES_AT_MOST);
}

#[tokio::test]
async fn what_is_popular_and_whose_turn_it_is_are_known_to_the_region() {
    let server = Server::start().await;
    let (one, two) =
        (process(&server.url(), CALM).until_there().await, process(&server.url(), CALM).until_there().await);
    assert_eq!(two.popular().await, Vec::<String>::new());
    one.popular_add(&[("happy", 3), ("sad", 1)]).await;
    two.popular_add(&[("sad", 5), ("calm", 1)]).await;
    assert_eq!(one.popular().await, ["sad", "happy", "calm"]);

    let turn = Duration::from_millis(300);
    assert!(one.take_turn("warm", turn).await);
    assert!(!two.take_turn("warm", turn).await && !one.take_turn("warm", turn).await);
    assert!(two.take_turn("other", turn).await);
    tokio::time::sleep(turn * 2).await;
    assert!(two.take_turn("warm", turn).await);
}
