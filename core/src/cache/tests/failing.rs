//! What is shown while the store fails, and how long it is waited for.

use super::*;

#[tokio::test]
async fn while_the_store_fails_what_is_old_is_shown_and_loads_are_spaced() {
    let (cache, metrics) = cache();
    assert_eq!(read_broken(&cache).await.map(|_| ()), Err(broken()), "an error is not kept");
    read(&cache, 1).await.unwrap();
    pass(17_000);
    let shown = read_broken(&cache).await.unwrap();
    assert_eq!((shows(&shown, 1), shown.trail), (true, hit(-12)));
    let before = metrics.counts()[0];
    for _ in 0..1_000 {
        pass(100);
        assert!(shows(&read_broken(&cache).await.unwrap(), 1));
        settle().await;
    }
    let loads = metrics.counts()[0] - before;
    assert!((10..=30).contains(&loads), "{loads} loads in a hundred seconds");
    pass(10_000);
    read(&cache, 2).await.unwrap();
    settle().await;
    assert!(shows(&read(&cache, 2).await.unwrap(), 2), "the store is back");
    pass(24 * 60 * 60 * 1_000);
    assert_eq!(read_broken(&cache).await.map(|_| ()), Err(broken()), "a day is the most");
}

async fn read_hanging(cache: &Cache) -> Result<Cached, StoreError> {
    cache.read(&KEY, now(), std::future::pending).await
}

#[tokio::test]
async fn when_a_pause_ends_nobody_waits_for_the_next_attempt() {
    let (cache, metrics) = cache();
    read(&cache, 1).await.unwrap();
    pass(17_000);
    read_broken(&cache).await.unwrap();
    pass(300);
    let began = clock::Stopwatch::start();
    for _ in 0..10 {
        let shown = read_hanging(&cache).await.unwrap();
        assert!(shows(&shown, 1) && shown.trail.is_stale(), "the store hangs now, and nobody notices");
    }
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    settle().await;
    assert_eq!(metrics.counts()[0], 2, "the third hangs");
    pass(60_000);
    let shown = read(&cache, 2).await.unwrap();
    assert!(shows(&shown, 1), "a flight that hangs is still in the air");
}

#[tokio::test]
async fn what_nobody_asked_for_since_a_failure_is_awaited() {
    let (cache, _) = cache();
    read(&cache, 1).await.unwrap();
    pass(17_000);
    read_broken(&cache).await.unwrap();
    pass(3_600_000);
    assert!(shows(&read(&cache, 2).await.unwrap(), 2), "the store may have come back long ago");
}

#[tokio::test]
async fn while_the_store_fails_what_hangs_is_not_awaited_to_the_end() {
    let (cache, _) = cache();
    read(&cache, 1).await.unwrap();
    let other = Key::Recent;
    assert!(cache.read(&other, now(), || async { Err(broken()) }).await.is_err());
    pass(17_000);
    let began = clock::Stopwatch::start();
    let (one, two) = tokio::join!(read_hanging(&cache), read_hanging(&cache));
    assert!(shows(&one.unwrap(), 1) && shows(&two.unwrap(), 1));
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_has_expired_is_cut_out_once() {
    let (cache, _) = cache();
    let mut mortal = echo("ana", 1);
    mortal.ttl = Some(now().epoch_seconds() + 1);
    let load = || async { Ok(Loaded::Head { echoes: vec![echo("ana", 2), mortal], next: None }) };
    cache.read(&KEY, now(), load).await.unwrap();
    let later = now().plus_millis(2_000);
    let shown = || cache.read(&KEY, later, || async { Err(broken()) });
    let (first, second) = (shown().await.unwrap(), shown().await.unwrap());
    assert!(shows(&first, 2) && first.trail.is_stale() && second.trail.is_stale());
    assert!(Arc::ptr_eq(&first.value, &second.value), "made anew for every reader");
}
