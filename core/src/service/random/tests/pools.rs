//! A pool through its life: when it reads, whom it makes wait, and what it does while the store fails.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::*;
use crate::clock::Stopwatch;
use crate::service::random::news::News;
use crate::service::random::pool::Pool;
use crate::service::random::whole::{MAX_ITEMS, Whole};

/// A store that can be made to fail or to wait, and what a pool over it draws.
struct Scene {
    memory: Memory,
    fails: Arc<AtomicBool>,
    /// A permit for each read.
    gate: Arc<Semaphore>,
    calls: Arc<AtomicU64>,
    news: Arc<Mutex<News>>,
    pool: Arc<Pool>,
}

impl Scene {
    fn new(echoes: &[Echo]) -> Self {
        let news = Arc::<Mutex<News>>::default();
        Self {
            memory: Memory::of(echoes),
            fails: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            calls: Arc::default(),
            pool: Arc::new(Pool::new(Emotion::Happy, Arc::clone(&news), 1)),
            news,
        }
    }

    async fn draw(&self, at: Timestamp) -> Result<Option<EchoId>, StoreError> {
        let (memory, fails) = (self.memory.clone(), Arc::clone(&self.fails));
        let (gate, calls) = (Arc::clone(&self.gate), Arc::clone(&self.calls));
        let read = move |lots: RangeInclusive<u64>, limit: usize| {
            let (memory, fails) = (memory.clone(), Arc::clone(&fails));
            let (gate, calls) = (Arc::clone(&gate), Arc::clone(&calls));
            async move {
                calls.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                if fails.load(Ordering::SeqCst) {
                    return Err(StoreError::Throttled { operation: "Query" });
                }
                Ok(memory.lots(lots, limit))
            }
        };
        Ok(self.pool.draw(read, at).await?.echo.map(|echo| echo.echo_id))
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// From now on reads wait for permits.
    fn hold(&self) {
        self.gate.forget_permits(usize::MAX);
    }

    fn release(&self) {
        self.gate.add_permits(1_000_000);
    }

    fn forget(&self, id: EchoId, at: Timestamp) {
        self.news.lock().unwrap().forget(id, at);
        self.pool.forget(id);
    }

    fn note(&self, echo: &Echo, at: Timestamp) {
        let echo = Arc::new(echo.clone());
        if self.news.lock().unwrap().note(&echo, at) {
            self.pool.note(&echo, at);
        }
    }
}

fn later(millis: u64) -> Timestamp {
    now().plus_millis(millis)
}

/// Lets tasks that have been spawned run to where they wait.
async fn settle() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_empty_emotion_is_read_again_after_a_second() {
    let scene = Scene::new(&[]);
    assert_eq!(scene.draw(now()).await, Ok(None));
    let first = scene.calls();
    let echo = &uneven(1)[0];
    scene.memory.put(echo);
    assert_eq!(scene.draw(later(999)).await, Ok(None));
    assert_eq!(scene.calls(), first);
    assert_eq!(scene.draw(later(1_000)).await, Ok(Some(echo.echo_id)));
}

#[tokio::test]
async fn what_this_process_hears_counts_at_once() {
    let echoes = uneven(3);
    let scene = Scene::new(&echoes[..2]);
    scene.draw(now()).await.unwrap();
    // The index has heard of none of it.
    scene.forget(echoes[0].echo_id, now());
    scene.forget(echoes[1].echo_id, now());
    scene.note(&echoes[2], now());
    for millis in [1, 999, 1_000, 1_001, 4_000] {
        assert_eq!(scene.draw(later(millis)).await, Ok(Some(echoes[2].echo_id)), "{millis}");
        settle().await;
    }
    // A create that is told of after its delete.
    scene.forget(echoes[2].echo_id, later(4_000));
    scene.note(&echoes[2], later(4_001));
    assert_eq!(scene.draw(later(4_002)).await, Ok(None));
}

#[tokio::test]
async fn a_delete_during_a_read_is_kept_out() {
    let echoes = uneven(2);
    let scene = Arc::new(Scene::new(&echoes));
    scene.hold();
    let drawing = {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move { scene.draw(now()).await })
    };
    settle().await;
    scene.forget(echoes[0].echo_id, later(1));
    scene.release();
    assert_eq!(drawing.await.unwrap(), Ok(Some(echoes[1].echo_id)));
    for _ in 0..5 {
        assert_eq!(scene.draw(later(2)).await, Ok(Some(echoes[1].echo_id)));
    }
}

#[tokio::test]
async fn an_erased_person_is_kept_out_of_what_was_read_before_and_after() {
    let user = "ana".parse().unwrap();
    let (old, young) = (echo(&user, now(), 1, None), echo(&user, later(10), 2, None));
    let other = echo(&"ben".parse().unwrap(), now(), 3, None);
    let scene = Scene::new(&[old, young.clone(), other.clone()]);
    scene.draw(now()).await.unwrap();
    scene.news.lock().unwrap().forget_person(&user, later(9), later(20));
    scene.pool.forget_person(&user, later(9));
    for nth in 0..20 {
        let drawn = scene.draw(later(20 + nth * 500)).await.unwrap().unwrap();
        assert!([young.echo_id, other.echo_id].contains(&drawn));
        settle().await;
    }
}

#[tokio::test]
async fn many_callers_cause_one_read_and_one_that_leaves_does_not_end_it() {
    let scene = Arc::new(Scene::new(&uneven(50)));
    scene.hold();
    let draw = || {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move { scene.draw(now()).await })
    };
    let first = draw();
    settle().await;
    let others: Vec<_> = (0..20).map(|_| draw()).collect();
    settle().await;
    first.abort();
    assert_eq!(scene.calls(), 1);
    scene.release();
    for other in others {
        assert!(other.await.unwrap().unwrap().is_some());
    }
    // A first look is two reads, round the circle.
    assert_eq!(scene.calls(), 2);
}

#[tokio::test]
async fn an_old_pool_serves_while_it_is_read_again() {
    let echoes = uneven(50);
    let scene = Scene::new(&echoes);
    scene.draw(now()).await.unwrap();
    let before = scene.calls();
    scene.hold();
    // Fifty echoes live for three seconds.
    assert!(scene.draw(later(2_999)).await.unwrap().is_some());
    assert_eq!(scene.calls(), before);
    for _ in 0..5 {
        assert!(scene.draw(later(3_000)).await.unwrap().is_some());
        settle().await;
    }
    assert_eq!(scene.calls(), before + 1);
    scene.memory.by_lot.lock().unwrap().clear();
    let other = &uneven(51)[50];
    scene.memory.put(other);
    scene.release();
    settle().await;
    assert_eq!(scene.draw(later(3_001)).await, Ok(Some(other.echo_id)));
}

#[tokio::test]
async fn a_far_too_old_pool_is_waited_for_but_not_for_long() {
    let echoes = uneven(51);
    let scene = Scene::new(&echoes[..50]);
    scene.draw(now()).await.unwrap();
    scene.memory.by_lot.lock().unwrap().clear();
    scene.memory.put(&echoes[50]);
    assert_eq!(scene.draw(later(6_000)).await, Ok(Some(echoes[50].echo_id)));
    scene.hold();
    let watch = Stopwatch::start();
    assert_eq!(scene.draw(later(60_000)).await, Ok(Some(echoes[50].echo_id)));
    assert!(watch.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_store_that_fails_is_an_error_only_where_nothing_is_held() {
    let echoes = uneven(5_000);
    let scene = Scene::new(&echoes);
    scene.fails.store(true, Ordering::SeqCst);
    assert_eq!(scene.draw(now()).await, Err(StoreError::Throttled { operation: "Query" }));
    scene.fails.store(false, Ordering::SeqCst);
    assert!(scene.draw(later(10_000)).await.unwrap().is_some());
    scene.fails.store(true, Ordering::SeqCst);
    let before = scene.calls();
    for nth in 0..2_000 {
        assert!(scene.draw(later(200_000 + nth * 100)).await.unwrap().is_some());
        settle_a_little().await;
    }
    // Two hundred seconds of failures, the pauses growing to eight seconds at most and half of that on average.
    let tried = scene.calls() - before;
    assert!((20..800).contains(&tried), "{tried}");
    scene.fails.store(false, Ordering::SeqCst);
    for nth in 0..10 {
        assert!(scene.draw(later(410_000 + nth * 1_000)).await.unwrap().is_some());
    }
}

async fn settle_a_little() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_store_that_hangs_is_an_error_in_time() {
    let scene = Scene::new(&uneven(3));
    scene.hold();
    assert!(matches!(scene.draw(now()).await, Err(StoreError::Unreachable { .. })));
    scene.release();
    settle().await;
    assert!(scene.draw(later(2_000)).await.unwrap().is_some());
}

#[tokio::test]
async fn expired_echoes_are_not_drawn() {
    let user = "ana".parse().unwrap();
    let mut echoes = uneven(3);
    echoes.extend((10..20).map(|nth| echo(&user, now(), nth, Some(1))));
    let scene = Scene::new(&echoes);
    scene.draw(now()).await.unwrap();
    let lasting: Vec<_> = echoes[..3].iter().map(|echo| echo.echo_id).collect();
    // The store that the test plays has not swept them, so that only the pool keeps them out.
    for nth in 0..50 {
        let drawn = scene.draw(now().plus_days(1).plus_millis(nth)).await.unwrap().unwrap();
        assert!(lasting.contains(&drawn));
    }
}

#[tokio::test]
async fn a_pool_is_replaced_after_its_draws_and_costs_what_is_said() {
    let scene = Scene::new(&uneven(20_000));
    scene.draw(now()).await.unwrap();
    let before = scene.calls();
    for _ in 0..13_000 {
        scene.draw(now()).await.unwrap().unwrap();
    }
    assert_eq!(scene.calls(), before, "thirteen thousand draws from one edition");
    for _ in 0..3_000 {
        scene.draw(now()).await.unwrap().unwrap();
    }
    settle().await;
    let read = scene.calls() - before;
    // Sixteen samplings of four to eight cells, each cell read once.
    assert!((40..=128).contains(&read), "{read}");
}

#[tokio::test]
async fn a_pool_that_nobody_draws_from_does_not_grow() {
    let echoes = uneven(1_000);
    let scene = Scene::new(&echoes[..10]);
    echoes.iter().for_each(|echo| scene.note(echo, now()));
    assert_eq!(scene.pool.len(), 0, "it was never drawn from");
    // Echoes that were noted just before the read are in it by the news; the others would have been read.
    scene.draw(later(10_000)).await.unwrap();
    assert_eq!(scene.pool.len(), 10);
    scene.note(&echoes[10], later(11_199));
    assert_eq!(scene.pool.len(), 11, "it may be drawn from as it is");
    echoes.iter().for_each(|echo| scene.note(echo, later(12_000)));
    assert_eq!(scene.pool.len(), 11, "it is read again before it is drawn from");
}

#[test]
fn a_whole_emotion_is_bounded_and_read_again_when_it_is_full() {
    let mut echoes: Vec<_> = uneven(MAX_ITEMS as u32 + 5).into_iter().map(Arc::new).collect();
    let rest = echoes.split_off(MAX_ITEMS);
    let mut whole = Whole::new(echoes);
    assert!(whole.len() == MAX_ITEMS && !whole.is_spent());
    rest.iter().for_each(|echo| whole.note(echo));
    assert!(whole.len() == MAX_ITEMS && whole.is_spent());
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_a_pool() {
    let echoes = uneven(2);
    let scene = Scene::new(&echoes[..1]);
    let hour = 3_600_000;
    assert_eq!(scene.draw(later(hour)).await, Ok(Some(echoes[0].echo_id)));
    scene.memory.by_lot.lock().unwrap().clear();
    scene.memory.put(&echoes[1]);
    assert_eq!(scene.draw(now()).await, Ok(Some(echoes[1].echo_id)), "it is read again at once");
    // A failure of an hour ahead does not keep it from the store either.
    scene.fails.store(true, Ordering::SeqCst);
    assert!(scene.draw(later(hour)).await.unwrap().is_some());
    scene.fails.store(false, Ordering::SeqCst);
    scene.memory.by_lot.lock().unwrap().clear();
    scene.memory.put(&echoes[0]);
    let back = now().minus_millis(120_000);
    assert_eq!(scene.draw(back).await, Ok(Some(echoes[0].echo_id)));
}
