//! What the store promises of the sweep of the recent index.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::AttributeValue;
use echoes_core::store::{CreateOutcome, NewItem, Store, SweepPosition, SweepStep};
use echoes_shared::{Echo, Emotion, IdempotencyKey, Region, Timestamp};

use crate::cases::{content, create, now, user};
use crate::engine::Engine;

pub async fn all(engine: &Engine) {
    run! { engine,
        what_has_aged_here_leaves_the_index
        a_round_is_taken_in_bounded_steps_that_another_process_goes_on_with
        an_edit_in_between_wins
        a_step_that_fails_is_taken_again
        what_comes_back_is_found_again
        a_position_past_the_horizon_of_now_begins_anew
    }
}

type Item = HashMap<String, AttributeValue>;

/// The items of a table by their keys.
async fn items(engine: &Engine, table: &str) -> BTreeMap<String, Item> {
    let items = engine.client().scan().table_name(table).send().await.unwrap().items.unwrap();
    let name = |item: &Item| ["userId", "timestamp", "pk"].map(|name| format!("{:?}", item.get(name))).concat();
    items.into_iter().map(|item| (name(&item), item)).collect()
}

/// The echoes that are in the recent index.
fn indexed(items: &BTreeMap<String, Item>) -> Vec<&str> {
    items
        .values()
        .filter(|item| item.contains_key("recent"))
        .map(|item| item["echoId"].as_s().unwrap().as_str())
        .collect()
}

async fn step(store: &Store, from: Option<SweepPosition>, entries: u32) -> SweepStep {
    let step = store.sweep_recent(from, entries, now()).await.unwrap();
    assert!(step.looked_at <= entries as usize, "{step:?}");
    step
}

/// Steps to the end of a round: all of them summed up, and their number.
async fn finish(store: &Store, mut from: Option<SweepPosition>, entries: u32) -> (SweepStep, usize) {
    let mut sum = SweepStep::default();
    for steps in 1..1_000 {
        let step = step(store, from, entries).await;
        assert_eq!(step.failed, None);
        sum.looked_at += step.looked_at;
        sum.swept += step.swept;
        sum.changed += step.changed;
        sum.freed_bytes += step.freed_bytes;
        sum.replicated_units += step.replicated_units;
        if step.next.is_none() {
            return (sum, steps);
        }
        from = step.next;
    }
    panic!("a round does not end");
}

fn swept(sum: &SweepStep) -> (usize, usize, usize) {
    (sum.looked_at, sum.swept, sum.changed)
}

async fn create_days_ago(store: &Store, days: u32) -> Echo {
    create(store, "ana", now().minus_days(days), content(Emotion::Happy)).await
}

async fn what_has_aged_here_leaves_the_index(engine: &Engine) {
    let store = engine.store("aged").await;
    let mut aged = Vec::new();
    for days in [0, 50, 89, 90, 91, 120, 400, 3_000] {
        let echo = create_days_ago(&store, days).await;
        aged.extend((days > 90).then(|| echo.echo_id.to_string()));
    }
    // By the clock of a core that is behind, this one is not past 90 days yet.
    create(&store, "cid", now().minus_days(90).minus_millis(4 * 60_000), content(Emotion::Calm)).await;
    let mut short = content(Emotion::Calm);
    short.days_to_live = Some(100);
    create(&store, "dan", now().minus_days(110), short).await;
    for days in [91, 120] {
        let at = now().minus_days(days);
        let key = IdempotencyKey::mint(at, &[2; 10]);
        let new = NewItem::new(user("ben"), key, content(Emotion::Sad), Region::UsWest2);
        assert_eq!(store.create(&new, at).await.unwrap(), CreateOutcome::Created);
    }
    let before = items(engine, "aged-echoes").await;
    let shown = store.recent(100, None, now()).await.unwrap();
    assert_eq!(shown.echoes.len(), 4, "nothing older is shown, swept or not");

    let (sum, _) = finish(&store, None, 100).await;
    assert_eq!(swept(&sum), (7, 4, 0));
    assert!(sum.freed_bytes > 4 * 400, "{sum:?}");
    println!("  {} write units for 4 echoes, {} bytes freed", sum.replicated_units, sum.freed_bytes);
    assert_eq!(sum.replicated_units, 4.0 * 5.0, "the table, three indexes rewritten and one entry deleted");

    let mut expected = before.clone();
    for item in expected.values_mut().filter(|item| aged.contains(item["echoId"].as_s().unwrap())) {
        item.remove("recent").unwrap();
    }
    assert_eq!(items(engine, "aged-echoes").await, expected, "all else stays, version and time too");
    assert_eq!(store.recent(100, None, now()).await.unwrap(), shown);
    let (again, _) = finish(&store, None, 100).await;
    assert_eq!((swept(&again), again.replicated_units), ((3, 0, 0), 0.0));
    let (elsewhere, _) = finish(&engine.tables("aged", "us-west-2"), None, 100).await;
    assert_eq!(swept(&elsewhere), (3, 2, 0));
}

async fn a_round_is_taken_in_bounded_steps_that_another_process_goes_on_with(engine: &Engine) {
    let store = engine.store("steps").await;
    for number in 0..23 {
        create(&store, "ana", now().minus_days(100 + number * 3), content(Emotion::Happy)).await;
    }
    assert_eq!(store.sweep_position().await.unwrap(), None);
    let (mut total, mut at) = (0, None);
    while total < 7 {
        let step = step(&store, at, 2).await;
        total += step.swept;
        at = step.next;
        store.save_sweep_position(at.as_ref()).await.unwrap();
    }
    // Another process does not begin anew: it looks at nothing that is behind.
    let other = engine.tables("steps", "eu-west-1");
    let saved = other.sweep_position().await.unwrap();
    assert_eq!(saved, at);
    let (rest, _) = finish(&other, saved, 2).await;
    assert_eq!((total + rest.swept, rest.looked_at), (23, rest.swept));
    other.save_sweep_position(None).await.unwrap();
    assert_eq!(store.sweep_position().await.unwrap(), None);
    assert!(items(engine, "steps-local").await.is_empty());
    assert!(indexed(&items(engine, "steps-echoes").await).is_empty());
    let (_, empty) = finish(&store, None, 2).await;
    assert_eq!(empty, 120, "one step for each month of ten years");
}

/// Does something when the first update is about to be sent, and lets the `fails`-th fail.
struct Meanwhile {
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    sent: AtomicUsize,
    fails: usize,
}

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

impl Intercept for Meanwhile {
    fn name(&self) -> &'static str {
        "Meanwhile"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !context.request().headers().get("x-amz-target").is_some_and(|target| target.ends_with(".UpdateItem")) {
            return Ok(());
        }
        let act = self.act.lock().unwrap().take();
        if let Some(act) = act {
            std::thread::spawn(act).join().unwrap();
        }
        let number = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        if number == self.fails { Err("lost".into()) } else { Ok(()) }
    }
}

fn store_with(engine: &Engine, prefix: &str, meanwhile: Meanwhile) -> Store {
    let config = engine.client().config().to_builder().interceptor(meanwhile).build();
    Engine::tables_through(Client::from_conf(config), prefix, prefix, "eu-west-1")
}

async fn an_edit_in_between_wins(engine: &Engine) {
    let store = engine.store("between").await;
    let echo = create_days_ago(&store, 100).await;
    let mut edited = items(engine, "between-echoes").await.pop_first().unwrap().1;
    edited.insert("version".into(), AttributeValue::N("2".into()));
    edited.insert("transcript".into(), AttributeValue::S("edited".into()));
    let (client, item) = (engine.client(), edited.clone());
    let act = Box::new(move || {
        let put = client.put_item().table_name("between-echoes").set_item(Some(item)).send();
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(put).unwrap();
    });
    let meanwhile = Meanwhile { act: Mutex::new(Some(act)), sent: AtomicUsize::new(0), fails: usize::MAX };
    let (sum, _) = finish(&store_with(engine, "between", meanwhile), None, 10).await;
    assert_eq!(swept(&sum), (1, 0, 1));
    assert_eq!(items(engine, "between-echoes").await.pop_first().unwrap().1, edited);
    let (sum, _) = finish(&store, None, 10).await;
    assert_eq!(swept(&sum), (1, 1, 0));
    let found = store.echo(echo.echo_id, now()).await.unwrap().unwrap();
    assert_eq!((found.version, found.transcript.as_deref(), found.updated_at), (2, Some("edited"), echo.updated_at));
}

async fn a_step_that_fails_is_taken_again(engine: &Engine) {
    let store = engine.store("fails").await;
    for number in 0..6 {
        create(&store, "ana", now().minus_days(95).minus_millis(number * 1_000), content(Emotion::Happy)).await;
    }
    let meanwhile = Meanwhile { act: Mutex::default(), sent: AtomicUsize::new(0), fails: 3 };
    let failing = store_with(engine, "fails", meanwhile);
    let mut at = None;
    let failed = loop {
        let step = step(&failing, at, 10).await;
        if step.failed.is_some() {
            break step;
        }
        at = step.next;
        assert!(at.is_some(), "no step failed");
    };
    assert_eq!((failed.swept, failed.next.is_some()), (5, true));
    let (rest, _) = finish(&failing, failed.next, 10).await;
    assert_eq!(swept(&rest), (1, 1, 0));
}

async fn what_comes_back_is_found_again(engine: &Engine) {
    let store = engine.store("back").await;
    create_days_ago(&store, 100).await;
    let item = items(engine, "back-echoes").await.pop_first().unwrap().1;
    assert_eq!(finish(&store, None, 10).await.0.swept, 1);
    assert!(indexed(&items(engine, "back-echoes").await).is_empty());
    // As an edit made elsewhere, before that region had heard of the sweep, brings it back.
    engine.client().put_item().table_name("back-echoes").set_item(Some(item)).send().await.unwrap();
    assert_eq!(finish(&store, None, 10).await.0.swept, 1);
    // A position from a clock that was wrong begins a round anew.
    let ahead = store.sweep_recent(None, 1, now().plus_days(4_000)).await.unwrap().next;
    let behind = Timestamp::from_millis(now().millis());
    assert!(store.sweep_recent(ahead, 1, behind).await.unwrap().next.is_some());
}

/// DynamoDB refuses a start key outside of a query's range: a saved one would stop the sweep until the clock has caught up.
async fn a_position_past_the_horizon_of_now_begins_anew(engine: &Engine) {
    let store = engine.store("clock").await;
    for days in [93, 95, 115] {
        create_days_ago(&store, days).await;
    }
    // Three steps of the month of August: the newest echo was swept last.
    let mut at = None;
    for _ in 0..3 {
        at = step(&store, at, 1).await.next;
        store.save_sweep_position(at.as_ref()).await.unwrap();
        if indexed(&items(engine, "clock-echoes").await).len() == 1 {
            break;
        }
    }
    assert_eq!(indexed(&items(engine, "clock-echoes").await).len(), 1, "that of July is left");
    // Ten days earlier the horizon still lies in August, but before both.
    let earlier = now().minus_days(10);
    let mut from = store.sweep_position().await.unwrap();
    assert!(from.is_some());
    for _ in 0..5 {
        let step = store.sweep_recent(from, 1, earlier).await.unwrap();
        assert_eq!(step.failed, None);
        from = step.next;
    }
    assert!(indexed(&items(engine, "clock-echoes").await).is_empty(), "the round went on to July");
}
