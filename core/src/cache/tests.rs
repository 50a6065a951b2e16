//! What readers and writers see of the caches of one process. Time stands still unless a test moves it.

mod failing;

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;

use super::*;
use crate::samples::{EPOCH_MILLIS, echo};

const KEY: Key = Key::Feed(Emotion::Happy);

thread_local! {
    /// A test and its tasks run on one thread.
    static TICK: Cell<u64> = const { Cell::new(10_000_000) };
}

fn pass(millis: u64) {
    TICK.set(TICK.get() + millis);
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(EPOCH_MILLIS + 60_000)
}

fn cache_of(memory_bytes: u64) -> (Cache, CacheMetrics) {
    let metrics = Metrics::new().unwrap();
    let config = CacheConfig { memory_bytes, redis: None, memcached: None };
    let mut cache = Cache::new(&config, Region::EuWest1, Lifetimes::default(), metrics.clone());
    Arc::get_mut(&mut cache.0).unwrap().clock = || TICK.get();
    (cache, metrics.cache().clone())
}

fn cache() -> (Cache, CacheMetrics) {
    cache_of(1 << 20)
}

/// A list of one echo, which tells what was loaded.
fn list(n: u64) -> Loaded {
    Loaded::Head { echoes: vec![echo("ana", n)], next: None }
}

fn broken() -> StoreError {
    StoreError::Throttled { operation: "Query" }
}

async fn read(cache: &Cache, n: u64) -> Result<Cached, StoreError> {
    cache.read(&KEY, now(), move || async move { Ok(list(n)) }).await
}

async fn read_broken(cache: &Cache) -> Result<Cached, StoreError> {
    cache.read(&KEY, now(), || async { Err(broken()) }).await
}

fn ids(cached: &Cached) -> Vec<EchoId> {
    match cached.value.as_ref() {
        Value::Head(head) => head.ids().collect(),
        Value::Echo(one) => vec![one.id],
        Value::Absent => vec![],
    }
}

fn shows(cached: &Cached, n: u64) -> bool {
    ids(cached) == [echo("ana", n).echo_id]
}

fn change(n: u64, gone: bool) -> Change {
    let echo = echo("ana", n);
    Change { user: echo.user_id, echo: echo.echo_id, emotion: Some(Emotion::Happy), gone }
}

/// Lets everything that can go on go on.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn missed(collapsed: bool) -> Trail {
    Trail::of([Step::Store, Step::Miss { tier: "l1", collapsed }])
}

fn hit(ttl_seconds: i64) -> Trail {
    Trail::of([Step::Hit { tier: "l1", ttl_seconds, stale: ttl_seconds < 0 }])
}

#[tokio::test]
async fn two_hundred_readers_are_one_load() {
    let (cache, metrics) = cache();
    let (loads, open) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let reads = (0..200).map(|_| {
        let (loads, open) = (Arc::clone(&loads), Arc::clone(&open));
        let load = move || async move {
            loads.fetch_add(1, Ordering::Relaxed);
            open.notified().await;
            crate::units::consume(crate::units::Units { read: 0.5, write: 0.0 });
            Ok(list(1))
        };
        let cache = cache.clone();
        crate::units::counted(async move { cache.read(&KEY, now(), load).await })
    });
    let opens = async {
        settle().await;
        open.notify_one();
    };
    let (answers, ()) = tokio::join!(join_all(reads), opens);
    assert_eq!((loads.load(Ordering::Relaxed), metrics.counts()), (1, [1, 199, 0]));
    let own = answers.iter().filter(|(answer, _)| answer.as_ref().unwrap().trail == missed(false)).count();
    let units: f64 = answers.iter().map(|(_, units)| units.read).sum();
    assert_eq!((own, units), (1, 0.5), "the load and its cost belong to one of them");
    assert!(answers.iter().all(|(answer, _)| shows(answer.as_ref().unwrap(), 1)));
    let peeked = cache.peek(&KEY, now()).unwrap();
    assert_eq!(peeked.trail, hit(5));
    assert!(Arc::ptr_eq(&peeked.value, &answers[0].0.as_ref().unwrap().value), "copied");
}

#[tokio::test]
async fn a_reader_that_leaves_takes_nothing_with_it() {
    let (cache, _) = cache();
    let open = Arc::new(Notify::new());
    let opened = Arc::clone(&open);
    let load = move || async move {
        opened.notified().await;
        Ok(list(1))
    };
    let first = tokio::spawn({
        let cache = cache.clone();
        async move { cache.read(&KEY, now(), load).await }
    });
    settle().await;
    let second = tokio::spawn({
        let cache = cache.clone();
        async move { read(&cache, 2).await }
    });
    settle().await;
    first.abort();
    settle().await;
    open.notify_one();
    assert!(shows(&second.await.unwrap().unwrap(), 1));
}

#[tokio::test]
async fn a_load_that_hangs_or_panics_frees_its_readers() {
    let (cache, _) = cache();
    let hanging = || cache.read(&KEY, now(), std::future::pending);
    let began = clock::Stopwatch::start();
    let (one, other) = tokio::join!(hanging(), hanging());
    assert!(matches!(one, Err(StoreError::Unreachable { .. })) && one.map(|_| ()) == other.map(|_| ()));
    assert!((1_400..3_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    let panicking = || cache.read(&KEY, now(), || async { panic!("a fault of ours") });
    let (one, other) = tokio::join!(panicking(), panicking());
    assert!(matches!((one, other), (Err(StoreError::Unreachable { .. }), Err(StoreError::Unreachable { .. }))));
    assert!(shows(&read(&cache, 3).await.unwrap(), 3), "and the key is free again");
}

#[tokio::test]
async fn past_its_freshness_a_value_is_shown_while_one_load_runs() {
    let (cache, metrics) = cache();
    read(&cache, 1).await.unwrap();
    pass(3_999);
    assert_eq!(read(&cache, 2).await.unwrap().trail, hit(1), "before the last fifth nobody refreshes");
    pass(1_500);
    for _ in 0..10 {
        let shown = read(&cache, 2).await.unwrap();
        assert_eq!((shows(&shown, 1), shown.trail), (true, hit(-1)));
    }
    settle().await;
    assert_eq!(metrics.counts()[0], 2, "all the others were shown the value while one load ran");
    let refreshed = cache.peek(&KEY, now()).unwrap();
    assert_eq!((shows(&refreshed, 2), refreshed.trail), (true, hit(5)));
    pass(10_000);
    let waited = read(&cache, 3).await.unwrap();
    assert_eq!(
        (shows(&waited, 3), waited.trail),
        (true, missed(false)),
        "nobody asked for long: too old to be shown"
    );
}

#[tokio::test]
async fn memory_counts_from_the_beginning_of_a_load() {
    let (cache, _) = cache();
    let slow = || async {
        pass(1_400);
        Ok(list(1))
    };
    cache.read(&KEY, now(), slow).await.unwrap();
    assert_eq!(cache.peek(&KEY, now()).unwrap().trail, hit(3));
    pass(8_600);
    assert!(shows(&read(&cache, 2).await.unwrap(), 2), "ten seconds old, it is not shown while the store answers");
}

#[tokio::test]
async fn a_hot_value_is_refreshed_before_it_ends() {
    let (cache, metrics) = cache();
    read(&cache, 1).await.unwrap();
    let mut late = 0;
    for _ in 0..5_000 {
        pass(10);
        late += u32::from(read(&cache, 1).await.unwrap().trail.is_stale());
        settle().await;
    }
    assert!(late <= 3, "a moment of refreshing in the last hundredth may fall between two reads: {late}");
    assert!((10..=13).contains(&metrics.counts()[0]), "{:?}", metrics.counts());
}

#[tokio::test]
async fn absence_is_kept_briefly_and_never_past_its_time() {
    let (cache, _) = cache();
    let key = Key::Echo(echo("ana", 1).echo_id);
    let absent = || cache.read(&key, now(), || async { Ok(Loaded::Absent) });
    assert_eq!(absent().await.unwrap().trail, missed(false));
    pass(1_999);
    assert_eq!(absent().await.unwrap().trail, hit(0));
    pass(1);
    let failed = cache.read(&key, now(), || async { Err(broken()) }).await;
    assert_eq!(failed.map(|_| ()), Err(broken()));
    let found = cache.read(&key, now(), || async { Ok(Loaded::Echo(Box::new(echo("ana", 1)))) }).await.unwrap();
    assert!(shows(&found, 1));
}

#[tokio::test]
async fn what_is_read_just_after_a_write_is_read_again() {
    let (cache, _) = cache();
    read(&cache, 1).await.unwrap();
    cache.tell(&[change(2, false)]).await;
    pass(500);
    // The index is behind: it still lists the first alone.
    let shown = read(&cache, 1).await.unwrap();
    assert_eq!(shown.trail, missed(false), "the write took the entry away");
    pass(1_400);
    assert_eq!(read(&cache, 9).await.unwrap().trail, hit(0));
    pass(100);
    let shown = read(&cache, 2).await.unwrap();
    assert_eq!(
        (shows(&shown, 2), shown.trail),
        (true, missed(false)),
        "after two seconds it is not shown, not even stale"
    );
    pass(4_000);
    assert!(shows(&read(&cache, 9).await.unwrap(), 2), "from then on it lives as long as any");
}

#[tokio::test]
async fn a_load_that_began_before_a_write_is_not_kept() {
    let (cache, metrics) = cache();
    let open = Arc::new(Notify::new());
    let slow = |n| {
        let opened = Arc::clone(&open);
        let cache = cache.clone();
        let load = move || async move {
            opened.notified().await;
            Ok(list(n))
        };
        tokio::spawn(async move { cache.read(&KEY, now(), load).await })
    };
    let (own, joined) = (slow(1), slow(2));
    settle().await;
    cache.tell(&[change(1, true)]).await;
    settle().await;
    open.notify_one();
    // Whoever began the load had asked before the delete was answered; even so it is not shown what is known to be gone.
    assert!(ids(&own.await.unwrap().unwrap()).is_empty());
    settle().await;
    open.notify_one();
    assert!(shows(&joined.await.unwrap().unwrap(), 2), "whoever joined it is sent round again");
    assert_eq!(metrics.counts(), [2, 1, 1]);
    assert!(shows(&cache.peek(&KEY, now()).unwrap(), 2));
}

#[tokio::test]
async fn the_deleted_stay_away_whatever_an_index_lists() {
    let (cache, _) = cache();
    let key = Key::Echo(echo("ana", 1).echo_id);
    let one = || cache.read(&key, now(), || async { Ok(Loaded::Echo(Box::new(echo("ana", 1)))) });
    assert!(shows(&one().await.unwrap(), 1));
    cache.forget(&[change(1, true)]);
    assert!(cache.hides(&echo("ana", 1)) && !cache.hides(&echo("ana", 2)));
    let both = || async { Ok(Loaded::Head { echoes: vec![echo("ana", 2), echo("ana", 1)], next: None }) };
    for _ in 0..100 {
        assert!(ids(&one().await.unwrap()).is_empty());
        assert!(shows(&cache.read(&KEY, now(), both).await.unwrap(), 2));
        pass(1_000);
    }
    let other = Key::Echo(echo("ana", 2).echo_id);
    let load = || async { Ok(Loaded::Echo(Box::new(echo("ana", 2)))) };
    assert!(shows(&cache.read(&other, now(), load).await.unwrap(), 2));
    cache.forget_person(&"ana".parse().unwrap(), now());
    assert!(ids(&cache.peek(&other, now()).unwrap()).is_empty(), "a person takes single echoes along");
}

#[tokio::test]
async fn an_echo_that_expires_ends_its_list_but_not_while_the_store_fails() {
    let (cache, _) = cache();
    let mut mortal = echo("ana", 1);
    mortal.ttl = Some(now().epoch_seconds() + 1);
    let load = || async { Ok(Loaded::Head { echoes: vec![echo("ana", 2), mortal], next: None }) };
    assert_eq!(ids(&cache.read(&KEY, now(), load).await.unwrap()).len(), 2);
    let later = now().plus_millis(2_000);
    assert!(cache.peek(&KEY, now()).is_some() && cache.peek(&KEY, later).is_none());
    let shown = cache.read(&KEY, later, || async { Err(broken()) }).await.unwrap();
    assert_eq!((shows(&shown, 2), shown.trail), (true, hit(-1)));
    let shown = cache.read(&KEY, later, || async { Ok(list(3)) }).await.unwrap();
    assert!(shows(&shown, 2), "for a moment the store is left alone");
    pass(3_000);
    assert!(shows(&cache.read(&KEY, later, || async { Ok(list(3)) }).await.unwrap(), 3));
}

#[tokio::test]
async fn a_wall_clock_that_jumps_moves_no_age() {
    let (cache, _) = cache();
    read(&cache, 1).await.unwrap();
    for jump in [now().plus_days(30), now().minus_days(30)] {
        assert_eq!(cache.peek(&KEY, jump).unwrap().trail, hit(5));
    }
    pass(6_000);
    assert!(cache.peek(&KEY, now().minus_days(30)).is_none());
}

#[tokio::test]
async fn an_interruption_makes_everything_be_asked_for_again() {
    let (cache, _) = cache();
    read(&cache, 1).await.unwrap();
    Arc::clone(&cache.0).hear(&Heard::Gap);
    assert!(cache.peek(&KEY, now()).is_none());
    assert!(shows(&read_broken(&cache).await.unwrap(), 1), "it is better than nothing");
    pass(3_000);
    assert!(shows(&read(&cache, 2).await.unwrap(), 2));
    assert!(cache.peek(&KEY, now()).is_some());
    Arc::clone(&cache.0).hear(&Heard::Message("what is this".into()));
    assert!(cache.peek(&KEY, now()).is_none());
    read(&cache, 3).await.unwrap();
    let other = messages::write(&[change(3, true)], Certainty::Done);
    Arc::clone(&cache.0).hear(&Heard::Message(other));
    assert!(cache.peek(&KEY, now()).is_none() && cache.hides(&echo("ana", 3)));
}

#[tokio::test]
async fn warming_puts_over_and_never_takes_away() {
    let (cache, metrics) = cache();
    let refresh = |n| cache.refresh(&KEY, now(), Duration::from_secs(1_800), move || async move { Ok(list(n)) });
    refresh(1).await.unwrap();
    assert!(shows(&cache.peek(&KEY, now()).unwrap(), 1));
    refresh(2).await.unwrap();
    assert!(shows(&cache.peek(&KEY, now()).unwrap(), 1), "it is fresh");
    pass(7_000);
    let failed = cache.refresh(&KEY, now(), Duration::ZERO, || async { Err(broken()) }).await;
    assert_eq!(failed, Err(broken()));
    assert!(shows(&cache.peek(&KEY, now()).unwrap(), 1));
    refresh(3).await.unwrap();
    assert!(shows(&cache.peek(&KEY, now()).unwrap(), 3));
    assert_eq!(metrics.counts()[0], 3);
}

#[tokio::test]
async fn memory_is_bounded_by_bytes_and_may_be_off() {
    let (cache, metrics) = cache_of(64 * 1_024);
    for n in 0..500 {
        let key = Key::Echo(echo("ana", n).echo_id);
        let load = move || async move { Ok(Loaded::Echo(Box::new(echo("ana", n)))) };
        cache.read(&key, now(), load).await.unwrap();
        assert!(cache.0.memory.weight() <= 64 * 1_024);
    }
    assert!(metrics.evictions() > 100);
    let (cache, metrics) = cache_of(0);
    for _ in 0..3 {
        assert_eq!(read(&cache, 1).await.unwrap().trail, missed(false));
    }
    assert_eq!(metrics.counts()[0], 3);
}
