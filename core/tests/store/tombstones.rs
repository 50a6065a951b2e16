//! What the store promises of deletes that meet edits and creates made elsewhere.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::AttributeValue;
use echoes_core::store::{CreateOutcome, DeleteOutcome, EditOutcome, GuardPass, Store, StoreError};
use echoes_shared::echo::Change;
use echoes_shared::{Echo, EchoEdit, Emotion, Region, Timestamp};

use crate::buckets::put_marker;
use crate::cases::{content, create, item, now, user};
use crate::engine::Engine;
use crate::proxy;
use crate::raw::{Item, Raw};

pub async fn all(engine: &Engine) {
    run! { engine,
        a_tombstone_is_put_back
        a_walk_is_bounded_and_goes_on
        a_repeated_delete_is_guarded
        whoever_draws_hears_of_a_delete_before_it_can_fail
        a_copy_under_another_key_is_buried
        every_copy_of_a_hot_person_is_buried
        what_is_not_granted_at_once_is_asked_for_again
    }
}

fn version(item: &Item) -> u64 {
    item["version"].as_n().unwrap().parse().unwrap()
}

async fn delete(store: &Store, echo: &Echo, at: Timestamp) -> DeleteOutcome {
    store.delete(&echo.user_id, echo.echo_id, false, at).await.unwrap()
}

async fn guard(store: &Store, since: Timestamp, at: Timestamp) -> GuardPass {
    store.guard_tombstones(since, None, |_| {}, at).await.unwrap()
}

/// How many records were looked at, and how many tombstones put back.
fn counts(pass: &GuardPass) -> (usize, usize) {
    (pass.looked_at, pass.restored)
}

async fn a_tombstone_is_put_back(engine: &Engine) {
    let store = engine.store("guard").await;
    let raw = Raw { engine, prefix: "guard" };
    let echo = create(&store, "ana", now(), content(Emotion::Happy)).await;
    let mut edited = raw.only().await;
    edited.insert("version".into(), AttributeValue::N("7".into()));
    let later = |minutes: u64| now().plus_millis(minutes * 60_000);
    assert_eq!(counts(&guard(&store, now(), later(0)).await), (0, 0));
    assert_eq!(delete(&store, &echo, now()).await, DeleteOutcome::Gone);
    let tombstone = raw.only().await;
    let pass = guard(&store, now(), later(1)).await;
    assert_eq!((counts(&pass), pass.next), ((1, 0), None));
    assert!(pass.consumed.read > 0.0 && pass.consumed.write == 0.0, "{:?}", pass.consumed);
    assert_eq!(raw.only().await, tombstone, "a tombstone in its place is left alone");

    raw.overwrite(edited.clone()).await;
    assert!(store.echo(echo.echo_id, later(2)).await.unwrap().is_some());
    let young = later(2).minus_millis(10 * 60_000);
    assert_eq!(counts(&guard(&store, now().plus_millis(1), later(2)).await), (0, 0), "another's record is not young");
    let pass = guard(&store, young, later(2)).await;
    assert_eq!(counts(&pass), (1, 1));
    assert!(pass.consumed.write > 0.0, "{:?}", pass.consumed);
    assert_eq!(store.echo(echo.echo_id, later(2)).await.unwrap(), None);
    let restored = raw.only().await;
    assert!(restored.contains_key("deletedAt") && version(&restored) > 7, "{restored:?}");
    assert_eq!(restored.keys().collect::<std::collections::BTreeSet<_>>(), tombstone.keys().collect());
    assert_eq!(delete(&store, &echo, later(3)).await, DeleteOutcome::Gone);

    // A second edit made elsewhere wins over what was put back, days later: the record is as old as the last tombstone.
    raw.overwrite(edited).await;
    let days = later(2).plus_days(6);
    assert_eq!(guard(&store, days.minus_days(7), days).await.restored, 1);
    assert_eq!(guard(&store, days.minus_days(7), days).await.restored, 0);
    // Nothing of all this lives for ever.
    for record in raw.items("local").await {
        assert!(record["ttl"].as_n().unwrap().parse::<u64>().unwrap() <= days.plus_days(7).epoch_seconds());
    }
    assert_eq!(counts(&guard(&store, now(), days.plus_days(8)).await), (0, 0), "what has expired is not walked");
}

async fn a_walk_is_bounded_and_goes_on(engine: &Engine) {
    let store = engine.store("guards").await;
    let raw = Raw { engine, prefix: "guards" };
    let mut echoes = Vec::new();
    for second in 0..130 {
        echoes.push(create(&store, "ana", now().minus_millis(second * 1_000), content(Emotion::Sad)).await);
    }
    let living = raw.items("echoes").await;
    for echo in &echoes {
        assert_eq!(delete(&store, echo, now()).await, DeleteOutcome::Gone);
    }
    for item in living.into_iter().take(125) {
        raw.overwrite(item).await;
    }
    let first = store.guard_tombstones(now(), None, |_| {}, now()).await.unwrap();
    assert_eq!(first.looked_at, 100);
    let second = store.guard_tombstones(now(), first.next.clone(), |_| {}, now()).await.unwrap();
    // What the first pass put back has records of its own, which the second meets.
    assert!(second.looked_at >= 30, "{second:?}");
    assert_eq!(first.restored + second.restored, 125);
    for echo in &echoes {
        assert_eq!(store.echo(echo.echo_id, now()).await.unwrap(), None);
    }
}

/// The first try put the tombstone and died before it wrote the record.
async fn a_repeated_delete_is_guarded(engine: &Engine) {
    let store = engine.store("unguarded").await;
    let raw = Raw { engine, prefix: "unguarded" };
    let echo = create(&store, "ana", now(), content(Emotion::Happy)).await;
    let edited = raw.only().await;
    assert_eq!(delete(&store, &echo, now()).await, DeleteOutcome::Gone);
    raw.forget_records().await;
    for _ in 0..3 {
        assert_eq!(delete(&store, &echo, now().plus_millis(5)).await, DeleteOutcome::Gone);
    }
    assert_eq!(raw.items("local").await.len(), 1, "repeats write one record");
    raw.overwrite(edited).await;
    assert_eq!(counts(&guard(&store, now().minus_days(1), now().plus_millis(9)).await), (1, 1));
    let anothers = store.delete(&user("ben"), echo.echo_id, false, now()).await.unwrap();
    assert_eq!(anothers, DeleteOutcome::Unknown);
}

async fn whoever_draws_hears_of_a_delete_before_it_can_fail(engine: &Engine) {
    let store = engine.store("doomed").await;
    let elsewhere = engine.tables("doomed", "us-west-2");
    let echo = create(&store, "ana", now(), content(Emotion::Happy)).await;
    let told = AtomicUsize::new(0);
    let tell = |_| {
        told.fetch_add(1, Ordering::Relaxed);
    };
    let (ana, id) = (&user("ana"), echo.echo_id);
    let outcome = elsewhere.delete_telling(ana, id, false, now(), tell).await.unwrap();
    assert_eq!(outcome, DeleteOutcome::Elsewhere(Region::EuWest1));
    let outcome = store.delete_telling(&user("ben"), id, true, now(), tell).await.unwrap();
    assert_eq!(outcome, DeleteOutcome::Anothers);
    assert_eq!(told.load(Ordering::Relaxed), 0, "it lives on");

    // The tombstone is put, its record is not, and nobody waits for the end.
    let hanging = engine.behind(proxy::hanging_for(engine.endpoint(), "\"tombstones\"").await);
    let hanging = hanging.tables("doomed", "eu-west-1");
    let delete = hanging.delete_telling(ana, id, false, now(), tell);
    assert!(tokio::time::timeout(Duration::from_millis(500), delete).await.is_err());
    assert_eq!(told.load(Ordering::Relaxed), 2, "before the tombstone and after it");
    assert_eq!(store.echo(id, now()).await.unwrap(), None);
    let delete = hanging.delete_telling(ana, id, false, now(), tell);
    assert!(tokio::time::timeout(Duration::from_millis(500), delete).await.is_err());
    assert_eq!(told.load(Ordering::Relaxed), 3, "a repeat tells of the tombstone that it finds");
}

/// A region that has not heard of a person's bucket puts a second copy; whoever finds it by the index buries it.
async fn a_copy_under_another_key_is_buried(engine: &Engine) {
    let store = engine.store("bucketed").await;
    let raw = Raw { engine, prefix: "bucketed" };
    let echo = create(&store, "ana", now(), content(Emotion::Happy)).await;
    // A bucket of which this region does not know.
    let item = raw.rehash("ana#202501").await;
    let anothers = store.delete(&user("ben"), echo.echo_id, false, now()).await.unwrap();
    assert_eq!(anothers, DeleteOutcome::Anothers);
    assert_eq!(delete(&store, &echo, now()).await, DeleteOutcome::Gone);
    assert_eq!(store.echo(echo.echo_id, now()).await.unwrap(), None);
    assert_eq!(raw.only().await["userId"], AttributeValue::S("ana#202501".into()));
    raw.overwrite(item).await;
    assert_eq!(counts(&guard(&store, now(), now()).await), (1, 1));
}

/// A region that has not heard of a person's bucket takes the retry of a create: two copies of one echo.
async fn every_copy_of_a_hot_person_is_buried(engine: &Engine) {
    let home = engine.store("twice").await;
    engine.store("twice-behind").await;
    let behind = engine.tables_apart("twice", "twice-behind", "us-west-2");
    let raw = Raw { engine, prefix: "twice" };
    put_marker(engine, "twice", "eu-west-1", "202611").await;
    let new = item("ana", now(), 1, content(Emotion::Happy));
    for store in [&home, &behind] {
        assert_eq!(store.create(&new, now()).await.unwrap(), CreateOutcome::Created);
    }
    let living = raw.items("echoes").await;
    assert_eq!(living.len(), 2, "{living:?}");
    // An edit changes the likelier copy, and every reader shows the higher version.
    let change = EchoEdit { tags: Change::Set(vec!["new".into()]), ..EchoEdit::default() };
    let edited = home.edit(&user("ana"), new.echo.echo_id, 1, &change, false, now().plus_millis(1)).await.unwrap();
    let EditOutcome::Edited(edited) = edited else { panic!("{edited:?}") };
    for store in [&home, &behind] {
        assert_eq!(store.echo(new.echo.echo_id, now()).await.unwrap().as_ref(), Some(&*edited));
    }
    assert_eq!(home.timeline(&user("ana"), 20, None, now()).await.unwrap().echoes, [*edited]);

    assert_eq!(delete(&home, &new.echo, now()).await, DeleteOutcome::Gone);
    let buried = raw.items("echoes").await;
    assert!(buried.len() == 2 && buried.iter().all(|item| item.contains_key("deletedAt")), "{buried:?}");
    assert_eq!(home.echo(new.echo.echo_id, now()).await.unwrap(), None);
    for store in [&home, &behind] {
        assert_eq!(store.create(&new, now()).await.unwrap(), CreateOutcome::Deleted);
    }
    // A late create under the key that the delete did not know of, beside the other's tombstone and its record.
    raw.forget_records().await;
    for copy in &living {
        let late = living.iter().find(|item| item["userId"] != copy["userId"]).unwrap();
        raw.remove("echoes", ["userId", "timestamp"], late).await;
        assert_eq!(delete(&home, &new.echo, now()).await, DeleteOutcome::Gone, "one tombstone and its record");
        raw.overwrite(late.clone()).await;
        let pass = guard(&home, now().minus_days(1), now()).await;
        assert_eq!(pass.restored, 1, "{late:?}");
        assert!(raw.items("echoes").await.iter().all(|item| item.contains_key("deletedAt")));
        raw.forget_records().await;
        raw.overwrite(late.clone()).await;
        assert_eq!(delete(&home, &new.echo, now()).await, DeleteOutcome::Gone, "a delete buries it too");
        assert!(raw.items("echoes").await.iter().all(|item| item.contains_key("deletedAt")));
        raw.forget_records().await;
    }
}

/// Gives every key of the first batches back unprocessed, as DynamoDB does when it grants no units.
#[derive(Debug)]
struct Ungranted {
    batches: usize,
    seen: AtomicUsize,
    /// What the batch under way asks for.
    asked: Mutex<Option<serde_json::Value>>,
}

impl Intercept for &'static Ungranted {
    fn name(&self) -> &'static str {
        "Ungranted"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let is_batch = request.headers().get("x-amz-target").is_some_and(|target| target.ends_with(".BatchGetItem"));
        if is_batch && self.seen.fetch_add(1, Ordering::SeqCst) < self.batches {
            *self.asked.lock().unwrap() = Some(serde_json::from_slice(request.body().bytes().unwrap())?);
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(asked) = self.asked.lock().unwrap().take() {
            let nothing = serde_json::json!({ "Responses": {}, "UnprocessedKeys": asked["RequestItems"] });
            *context.response_mut().body_mut() = nothing.to_string().into();
        }
        Ok(())
    }
}

async fn what_is_not_granted_at_once_is_asked_for_again(engine: &Engine) {
    let store = engine.store("ungranted").await;
    let raw = Raw { engine, prefix: "ungranted" };
    let echo = create(&store, "ana", now(), content(Emotion::Happy)).await;
    let living = raw.only().await;
    assert_eq!(delete(&store, &echo, now()).await, DeleteOutcome::Gone);
    raw.overwrite(living).await;
    for (batches, calls) in [(usize::MAX, 4), (3, 4)] {
        let ungranted: &'static Ungranted =
            Box::leak(Box::new(Ungranted { batches, seen: AtomicUsize::new(0), asked: Mutex::default() }));
        let config = engine.client().config().to_builder().interceptor(ungranted).build();
        let store = Engine::tables_through(Client::from_conf(config), "ungranted", "ungranted", "eu-west-1");
        let pass = store.guard_tombstones(now(), None, |_| {}, now()).await;
        assert_eq!(ungranted.seen.load(Ordering::SeqCst), calls);
        if batches > calls {
            assert_eq!(pass.unwrap_err(), StoreError::Throttled { operation: "BatchGetItem" });
        } else {
            assert_eq!(counts(&pass.unwrap()), (1, 1));
        }
    }
}
