//! What the store promises, whatever the engine.

use echoes_core::store::table::Billing;
use echoes_core::store::{CreateOutcome, DeleteOutcome, NewItem, Page, Store};
use echoes_shared::{Echo, EchoId, Emotion, IdempotencyKey, NewEcho, Region, Timestamp, UserId};

use crate::engine::Engine;

pub async fn all(engine: &Engine) {
    run! { engine,
        tables_are_created_once_and_pass_the_check
        provisioned_tables_are_possible
        a_created_echo_is_on_every_path
        a_create_can_be_repeated_and_not_changed
        twenty_creates_at_once_store_one_echo
        pages_hold_every_echo_once_in_order
        a_delete_leaves_a_tombstone
        only_the_home_region_deletes_unless_it_is_down
        a_graveyard_does_not_hide_the_living
        an_expired_echo_is_nowhere
        recent_walks_ninety_days_of_months
        old_cursors_end_instead_of_failing
    }
}

pub fn now() -> Timestamp {
    "2026-11-22T22:59:53.372Z".parse().unwrap()
}

pub fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub fn content(emotion: Emotion) -> NewEcho {
    NewEcho {
        emotion,
        s3_url: None,
        location: None,
        tags: None,
        transcript: Some("hello".into()),
        detected_mood: None,
        metadata: None,
        days_to_live: None,
    }
}

pub fn item(name: &str, at: Timestamp, seed: u8, content: NewEcho) -> NewItem {
    NewItem::new(user(name), IdempotencyKey::mint(at, &[seed; 10]), content, Region::EuWest1)
}

pub async fn create(store: &Store, name: &str, at: Timestamp, content: NewEcho) -> Echo {
    let new = item(name, at, 1, content);
    assert_eq!(store.create(&new, at).await.unwrap(), CreateOutcome::Created);
    new.echo
}

/// `count` happy echoes of ana, a second apart, newest first.
async fn many(store: &Store, count: u64) -> Vec<EchoId> {
    let mut ids = Vec::new();
    for back in 0..count {
        let at = now().minus_millis(back * 1_000);
        ids.push(create(store, "ana", at, content(Emotion::Happy)).await.echo_id);
    }
    ids
}

async fn tables_are_created_once_and_pass_the_check(engine: &Engine) {
    let store = engine.tables("create", "eu-west-1");
    assert_eq!(store.check_tables().await.unwrap().len(), 3, "all are missing");
    for expected in ["created", "is there"] {
        let mut said = Vec::new();
        store.create_tables(Billing::OnDemand, |line| said.push(line)).await.unwrap();
        assert_eq!(said.len(), 3);
        assert!(said.iter().all(|line| line.ends_with(expected)), "{said:?}");
    }
    assert_eq!(store.check_tables().await.unwrap(), Vec::<String>::new());
    assert_eq!(store.describe_tables().await.unwrap().len(), 3);
    store.warm().await.unwrap();
}

async fn provisioned_tables_are_possible(engine: &Engine) {
    let store = engine.tables("provisioned", "eu-west-1");
    let billing = Billing::Provisioned { read_units: 10, write_units: 5 };
    store.create_tables(billing, |_| {}).await.unwrap();
    assert_eq!(store.check_tables().await.unwrap(), Vec::<String>::new());
    let described = serde_json::to_string(&store.describe_tables().await.unwrap()).unwrap();
    assert!(described.contains("PROVISIONED"), "{described}");
}

async fn a_created_echo_is_on_every_path(engine: &Engine) {
    let store = engine.store("paths").await;
    let mut full = content(Emotion::Calm);
    full.location = echoes_shared::Location::new(51.5, -0.12);
    full.tags = Some(vec!["rain".into(), "été".into()]);
    full.metadata = Some([("device".into(), "phone".into())].into());
    full.days_to_live = Some(30);
    full.s3_url = Some("s3://echoes-audio/audio/ana/x.opus".into());
    let echo = create(&store, "ana", now(), full).await;
    let only = Page { echoes: vec![echo.clone()], next: None };
    assert_eq!(store.feed(Emotion::Calm, 20, None, now()).await.unwrap(), only);
    assert_eq!(store.recent(20, None, now()).await.unwrap(), only);
    assert_eq!(store.timeline(&user("ana"), 20, None, now()).await.unwrap(), only);
    let mine = store.timeline_of_emotion(&user("ana"), Emotion::Calm, 20, None, now()).await.unwrap();
    assert_eq!(mine, only);
    assert_eq!(store.echo(echo.echo_id, now()).await.unwrap(), Some(echo));
    assert_eq!(store.feed(Emotion::Sad, 20, None, now()).await.unwrap(), Page::default());
    assert_eq!(store.timeline(&user("ben"), 20, None, now()).await.unwrap(), Page::default());
}

async fn a_create_can_be_repeated_and_not_changed(engine: &Engine) {
    let store = engine.store("repeat").await;
    let new = item("ana", now(), 1, content(Emotion::Happy));
    assert_eq!(store.create(&new, now()).await.unwrap(), CreateOutcome::Created);
    let again = store.create(&new, now().plus_millis(5)).await.unwrap();
    assert_eq!(again, CreateOutcome::Repeated(Box::new(new.echo.clone())));
    let other = item("ana", now(), 1, content(Emotion::Sad));
    assert_eq!(store.create(&other, now()).await.unwrap(), CreateOutcome::Clash);
    let anothers = item("ben", now(), 1, content(Emotion::Sad));
    assert_eq!(store.create(&anothers, now()).await.unwrap(), CreateOutcome::Created);
    assert_ne!(anothers.echo.echo_id, new.echo.echo_id, "ben's key is not ana's");
    assert_eq!(store.delete(&user("ana"), new.echo.echo_id, false, now()).await.unwrap(), DeleteOutcome::Gone);
    assert_eq!(store.create(&new, now()).await.unwrap(), CreateOutcome::Deleted);
}

async fn twenty_creates_at_once_store_one_echo(engine: &Engine) {
    let store = engine.store("race").await;
    let mut racing = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, new) = (store.clone(), item("ana", now(), 1, content(Emotion::Happy)));
        racing.spawn(async move { store.create(&new, now()).await.unwrap() });
    }
    let outcomes = racing.join_all().await;
    let created = outcomes.iter().filter(|outcome| **outcome == CreateOutcome::Created).count();
    let repeated = outcomes.iter().filter(|outcome| matches!(outcome, CreateOutcome::Repeated(_))).count();
    assert_eq!((created, repeated), (1, 19));
}

async fn pages_hold_every_echo_once_in_order(engine: &Engine) {
    let store = engine.store("pages").await;
    let ids = many(&store, 25).await;
    for limit in [1, 7, 24, 25, 26] {
        let (mut feed, mut timeline, mut mine, mut recent) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        walk(&mut feed, async |after| store.feed(Emotion::Happy, limit, after, now()).await.unwrap()).await;
        walk(&mut timeline, async |after| store.timeline(&user("ana"), limit, after, now()).await.unwrap()).await;
        walk(&mut mine, async |after| {
            store.timeline_of_emotion(&user("ana"), Emotion::Happy, limit, after, now()).await.unwrap()
        })
        .await;
        walk(&mut recent, async |after| store.recent(limit, after, now()).await.unwrap()).await;
        for found in [feed, timeline, mine, recent] {
            assert_eq!(found, ids, "limit {limit}");
        }
    }
    // A walk that is under way is not disturbed by what is written above it.
    let first = store.feed(Emotion::Happy, 10, None, now()).await.unwrap();
    create(&store, "ben", now().plus_millis(9), content(Emotion::Happy)).await;
    let second = store.feed(Emotion::Happy, 10, first.next, now()).await.unwrap();
    assert_eq!(ids[10..20], second.echoes.iter().map(|echo| echo.echo_id).collect::<Vec<_>>());
}

/// Follows a list to its end; every page but the last is followed by another that is not empty.
pub async fn walk(found: &mut Vec<EchoId>, read: impl AsyncFn(Option<EchoId>) -> Page) {
    let mut after = None;
    loop {
        let page = read(after).await;
        assert!(after.is_none() || !page.echoes.is_empty(), "an empty page");
        found.extend(page.echoes.iter().map(|echo| echo.echo_id));
        after = page.next;
        if after.is_none() {
            return;
        }
    }
}

async fn a_delete_leaves_a_tombstone(engine: &Engine) {
    let store = engine.store("delete").await;
    let echo = create(&store, "ana", now(), content(Emotion::Happy)).await;
    let delete = async |name: &str, id| store.delete(&user(name), id, false, now()).await.unwrap();
    assert_eq!(delete("ben", echo.echo_id).await, DeleteOutcome::Anothers);
    assert_eq!(delete("ana", echo.echo_id).await, DeleteOutcome::Gone);
    assert_eq!(delete("ana", echo.echo_id).await, DeleteOutcome::Gone);
    assert_eq!(delete("ben", echo.echo_id).await, DeleteOutcome::Unknown);
    assert_eq!(store.echo(echo.echo_id, now()).await.unwrap(), None);
    for page in [
        store.feed(Emotion::Happy, 20, None, now()).await.unwrap(),
        store.recent(20, None, now()).await.unwrap(),
        store.timeline(&user("ana"), 20, None, now()).await.unwrap(),
        store.timeline_of_emotion(&user("ana"), Emotion::Happy, 20, None, now()).await.unwrap(),
    ] {
        assert_eq!(page, Page::default());
    }
    let never = item("ana", now(), 9, content(Emotion::Happy)).echo.echo_id;
    assert_eq!(delete("ana", never).await, DeleteOutcome::Unknown);
}

async fn only_the_home_region_deletes_unless_it_is_down(engine: &Engine) {
    let home = engine.store("home").await;
    let elsewhere = engine.tables("home", "us-west-2");
    let echo = create(&home, "ana", now(), content(Emotion::Happy)).await;
    let delete = async |fallback| elsewhere.delete(&user("ana"), echo.echo_id, fallback, now()).await.unwrap();
    assert_eq!(delete(false).await, DeleteOutcome::Elsewhere(Region::EuWest1));
    assert!(home.echo(echo.echo_id, now()).await.unwrap().is_some());
    assert_eq!(delete(true).await, DeleteOutcome::Gone);
    assert_eq!(home.echo(echo.echo_id, now()).await.unwrap(), None);
}

async fn a_graveyard_does_not_hide_the_living(engine: &Engine) {
    let store = engine.store("graves").await;
    let ids = many(&store, 40).await;
    for id in &ids[..38] {
        assert_eq!(store.delete(&user("ana"), *id, false, now()).await.unwrap(), DeleteOutcome::Gone);
    }
    let mut found = Vec::new();
    let mut after = None;
    // One echo a page past thirty-eight tombstones: pages may be empty, but the walk ends and finds both.
    for _ in 0..10 {
        let page = store.timeline(&user("ana"), 1, after, now()).await.unwrap();
        found.extend(page.echoes.iter().map(|echo| echo.echo_id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((found.as_slice(), after), (&ids[38..], None));
}

async fn an_expired_echo_is_nowhere(engine: &Engine) {
    let store = engine.store("expired").await;
    let mut short = content(Emotion::Happy);
    short.days_to_live = Some(1);
    let echo = create(&store, "ana", now(), short).await;
    let last = Timestamp::from_millis(echo.ttl.unwrap() * 1_000 - 1);
    assert!(store.echo(echo.echo_id, last).await.unwrap().is_some());
    let after = last.plus_millis(1);
    assert_eq!(store.echo(echo.echo_id, after).await.unwrap(), None);
    for page in [
        store.feed(Emotion::Happy, 20, None, after).await.unwrap(),
        store.recent(20, None, after).await.unwrap(),
        store.timeline(&user("ana"), 20, None, after).await.unwrap(),
        store.timeline_of_emotion(&user("ana"), Emotion::Happy, 20, None, after).await.unwrap(),
    ] {
        assert_eq!(page, Page::default());
    }
    let deleted = store.delete(&user("ana"), echo.echo_id, false, after).await.unwrap();
    assert_eq!(deleted, DeleteOutcome::Unknown);
}

async fn recent_walks_ninety_days_of_months(engine: &Engine) {
    let store = engine.store("recent").await;
    let mut ids = Vec::new();
    for days in (0..100).step_by(5) {
        let at = now().minus_days(days);
        let emotion = Emotion::ALL[days as usize % Emotion::ALL.len()];
        ids.push(create(&store, "ana", at, content(emotion)).await.echo_id);
    }
    // Days 0, 5, … 90; those of day 90 lie exactly on the horizon and still count.
    let shown = &ids[..19];
    for limit in [1, 2, 18, 19, 20] {
        let mut found = Vec::new();
        walk(&mut found, async |after| store.recent(limit, after, now()).await.unwrap()).await;
        assert_eq!(found, shown, "limit {limit}");
    }
}

async fn old_cursors_end_instead_of_failing(engine: &Engine) {
    let store = engine.store("cursors").await;
    let ancient = item("ana", now().minus_days(400), 1, content(Emotion::Happy)).echo.echo_id;
    assert_eq!(store.recent(20, Some(ancient), now()).await.unwrap(), Page::default());
    let future = item("ana", now().plus_days(400), 1, content(Emotion::Happy)).echo.echo_id;
    let ids = many(&store, 2).await;
    let page = store.feed(Emotion::Happy, 20, Some(future), now()).await.unwrap();
    assert_eq!(page.echoes.iter().map(|echo| echo.echo_id).collect::<Vec<_>>(), ids);
}
