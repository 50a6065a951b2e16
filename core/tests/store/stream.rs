//! The stream of a real engine through the real pump: what is written comes out, in order, once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use echoes_core::metrics::Metrics;
use echoes_core::sinks::{Batch, Refused, Sink, SinkName, Unavailable};
use echoes_core::store::{NewItem, Store, TableStream};
use echoes_core::stream::{Image, Progress, Pump, Record, Rows as _, Source as _, Until};
use echoes_shared::{Echo, EchoId, Emotion, IdempotencyKey, NewEcho, Region, Timestamp};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::engine::Engine;

pub async fn all(engine: &Engine) {
    run! { engine,
        changes_come_out_in_their_order
        a_worker_goes_on_where_the_last_one_was
        two_workers_apply_everything_once
    }
}

fn now() -> Timestamp {
    echoes_core::clock::now()
}

/// Keeps what it is given.
#[derive(Debug)]
struct Book {
    name: SinkName,
    records: Mutex<Vec<Arc<Record>>>,
}

impl Book {
    fn new(name: SinkName) -> Arc<Self> {
        Arc::new(Self { name, records: Mutex::default() })
    }

    fn len(&self) -> usize {
        self.records.lock().unwrap().len()
    }

    fn take(&self) -> Vec<Arc<Record>> {
        std::mem::take(&mut self.records.lock().unwrap())
    }
}

impl Sink for Book {
    fn name(&self) -> SinkName {
        self.name
    }

    fn apply<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Refused>, Unavailable>> {
        self.records.lock().unwrap().extend(batch.records.iter().cloned());
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

fn pump(engine: &Engine, store: &Store, sinks: &[Arc<Book>]) -> Pump {
    let source = TableStream::over(engine.stream_client(), store);
    let sinks = sinks.iter().map(|book| Arc::clone(book) as Arc<dyn Sink>).collect();
    Pump::new(Arc::new(source), Arc::new(store.clone()), sinks, Progress::new(Metrics::new().unwrap()))
}

async fn drain(engine: &Engine, store: &Store, sinks: &[Arc<Book>]) {
    let (_stop, stopped) = watch::channel(false);
    let drained = pump(engine, store, sinks);
    let drained = drained.run(Until::Drained, stopped);
    tokio::time::timeout(Duration::from_secs(60), drained).await.expect("it ends").unwrap();
}

async fn create(store: &Store, number: u64) -> Echo {
    let content = NewEcho {
        emotion: Emotion::Happy,
        s3_url: None,
        location: None,
        tags: Some(vec!["rain".into()]),
        transcript: Some(format!("echo {number}")),
        detected_mood: None,
        metadata: None,
        days_to_live: None,
    };
    let at = now();
    let key = IdempotencyKey::mint(at, &number.to_be_bytes().repeat(2)[..10].try_into().unwrap());
    let new = NewItem::new("ana".parse().unwrap(), key, content, Region::EuWest1);
    store.create(&new, at).await.unwrap();
    new.echo.clone()
}

async fn delete(store: &Store, echo: &Echo) {
    store.delete(&echo.user_id, echo.echo_id, false, now()).await.unwrap();
}

async fn changes_come_out_in_their_order(engine: &Engine) {
    let store = engine.store("stream-order").await;
    let (first, second) = (create(&store, 1).await, create(&store, 2).await);
    delete(&store, &first).await;
    // As DynamoDB removes what has expired.
    let key = engine.client().scan().table_name("stream-order-echoes").send().await.unwrap();
    for item in key.items.unwrap() {
        let key = ["userId", "timestamp"].map(|name| (name.to_owned(), item[name].clone()));
        let request = engine.client().delete_item().table_name("stream-order-echoes");
        request.set_key(Some(key.into())).send().await.unwrap();
    }
    let (one, two) = (Book::new(SinkName::Analytics), Book::new(SinkName::Search));
    drain(engine, &store, &[Arc::clone(&one), Arc::clone(&two)]).await;
    let records = one.take();
    assert_eq!(records, two.take());
    assert!(records.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    let of = |id: EchoId| -> Vec<_> {
        let of = records.iter().filter(|record| record.echo == id);
        of.map(|record| (record.old.clone(), record.new.clone())).collect()
    };
    let echo = |echo: &Echo| Some(Image::Echo(Box::new(echo.clone())));
    let life = of(first.echo_id);
    assert_eq!(life[0], (None, echo(&first)));
    assert_eq!(life[1].0, echo(&first));
    let Some(Image::Tombstone(tombstone)) = &life[1].1 else { panic!("{life:?}") };
    assert_eq!(tombstone.was, Some(Emotion::Happy));
    assert_eq!(life[2], (life[1].1.clone(), None));
    assert_eq!(life.len(), 3);
    assert_eq!(of(second.echo_id), [(None, echo(&second)), (echo(&second), None)]);
}

async fn a_worker_goes_on_where_the_last_one_was(engine: &Engine) {
    let store = engine.store("stream-resume").await;
    create(&store, 1).await;
    let book = Book::new(SinkName::Live);
    drain(engine, &store, &[Arc::clone(&book)]).await;
    assert_eq!(book.take().len(), 1);
    let (second, third) = (create(&store, 2).await, create(&store, 3).await);
    drain(engine, &store, &[Arc::clone(&book)]).await;
    let echoes: Vec<_> = book.take().iter().map(|record| record.echo).collect();
    assert_eq!(echoes, [second.echo_id, third.echo_id]);
    // One that is new is given everything, and the other nothing twice.
    let new = Book::new(SinkName::Repair);
    drain(engine, &store, &[Arc::clone(&book), Arc::clone(&new)]).await;
    assert_eq!((book.take().len(), new.take().len()), (0, 3));

    let source = TableStream::over(engine.stream_client(), &store);
    let label = source.listing().await.unwrap().label;
    let rows = store.rows(&label).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].owner.clone(), rows[0].positions.len()), (None, 2));
    assert!(rows[0].caught_up.is_some());
    assert_eq!(store.workers().await.unwrap(), []);
}

/// Two workers beside each other, of which one is stopped in the middle: every record is applied, and none twice, since a
/// shard that is handed over is handed over with its positions.
async fn two_workers_apply_everything_once(engine: &Engine) {
    const ECHOES: u64 = 40;
    let store = engine.store("stream-two").await;
    let book = Book::new(SinkName::Analytics);
    let (stop_one, stopped_one) = watch::channel(false);
    let (stop_two, stopped_two) = watch::channel(false);
    let (one, two) = (pump(engine, &store, &[Arc::clone(&book)]), pump(engine, &store, &[Arc::clone(&book)]));
    let one = tokio::spawn(async move { one.run(Until::Stopped, stopped_one).await });
    let two = tokio::spawn(async move { two.run(Until::Stopped, stopped_two).await });
    for number in 0..ECHOES / 2 {
        create(&store, number).await;
    }
    await_count(&book, ECHOES / 2).await;
    stop_one.send(true).unwrap();
    one.await.unwrap().unwrap();
    for number in ECHOES / 2..ECHOES {
        create(&store, number).await;
    }
    await_count(&book, ECHOES).await;
    stop_two.send(true).unwrap();
    two.await.unwrap().unwrap();
    let mut times: BTreeMap<EchoId, usize> = BTreeMap::new();
    for record in book.take() {
        *times.entry(record.echo).or_default() += 1;
    }
    assert_eq!(times.len() as u64, ECHOES);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
}

async fn await_count(book: &Book, count: u64) {
    let mut poll = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..1_200 {
        poll.tick().await;
        if book.len() as u64 >= count {
            return;
        }
    }
    panic!("{} of {count} were applied within a minute", book.len());
}
