//! What the store promises of edits, and of creates in several regions.

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_core::store::{CreateOutcome, DeleteOutcome, EditOutcome, NewItem, Store, StoreError};
use echoes_shared::echo::Change;
use echoes_shared::{Echo, EchoEdit, Emotion, IdempotencyKey, Location, NewEcho, Region, Timestamp};

use crate::cases::{content, create, item, now, user};
use crate::engine::Engine;
use crate::raw::Raw;

pub async fn all(engine: &Engine) {
    run! { engine,
        an_edit_sets_removes_and_keeps
        an_edit_is_on_every_path_and_moves_nothing
        another_version_is_not_edited
        what_does_not_live_is_not_edited
        only_the_home_region_edits_unless_it_is_down
        an_edit_whose_answer_was_lost_is_made_once
        the_time_of_change_never_runs_backwards
        of_two_editors_one_wins
        an_edit_and_a_delete_meet
        an_echo_under_another_key_is_edited
        regions_create_the_same_item_but_for_its_origin
        an_edited_echo_is_still_a_repeat_of_its_create
    }
}

fn full() -> NewEcho {
    NewEcho {
        location: Location::new(51.5, -0.12),
        tags: Some(vec!["rain".into()]),
        detected_mood: Some("joyful".into()),
        metadata: Some([("device".into(), "phone".into())].into()),
        s3_url: Some("s3://echoes-audio/audio/ana/x.opus".into()),
        days_to_live: Some(1),
        ..content(Emotion::Calm)
    }
}

fn saying(text: &str) -> EchoEdit {
    EchoEdit { transcript: Change::Set(text.into()), ..EchoEdit::default() }
}

fn later(millis: u64) -> Timestamp {
    now().plus_millis(millis)
}

async fn edit(store: &Store, echo: &Echo, seen: u64, edit: &EchoEdit) -> EditOutcome {
    store.edit(&echo.user_id, echo.echo_id, seen, edit, false, later(1)).await.unwrap()
}

/// The echo of an edit that must succeed.
fn edited(outcome: EditOutcome) -> Echo {
    let EditOutcome::Edited(echo) = outcome else { panic!("{outcome:?}") };
    *echo
}

async fn an_edit_sets_removes_and_keeps(engine: &Engine) {
    let store = engine.store("edit").await;
    let echo = create(&store, "ana", now(), full()).await;
    let change = EchoEdit {
        tags: Change::Set(vec!["snow".into(), "é".into()]),
        location: Change::Remove,
        metadata: Change::Set([("a".into(), String::new())].into()),
        ..EchoEdit::default()
    };
    let first = edited(edit(&store, &echo, 1, &change).await);
    let expected = Echo {
        tags: Some(vec!["snow".into(), "é".into()]),
        location: None,
        metadata: Some([("a".into(), String::new())].into()),
        version: 2,
        updated_at: later(1),
        ..echo.clone()
    };
    assert_eq!(first, expected);
    // What is not there can be removed, and put back.
    let change = EchoEdit {
        tags: Change::Remove,
        location: Change::Set(Location::new(-0.1, 1e-7).unwrap()),
        transcript: Change::Remove,
        detected_mood: Change::Remove,
        metadata: Change::Remove,
    };
    let second = edited(edit(&store, &echo, 2, &change).await);
    let third = edited(edit(&store, &echo, 3, &change).await);
    let bare = Echo {
        tags: None,
        location: Location::new(-0.1, 1e-7),
        transcript: None,
        detected_mood: None,
        metadata: None,
        version: 3,
        ..expected
    };
    assert_eq!(second, bare);
    assert_eq!(third, Echo { version: 4, ..bare });
}

async fn an_edit_is_on_every_path_and_moves_nothing(engine: &Engine) {
    let store = engine.store("edited").await;
    let raw = Raw { engine, prefix: "edited" };
    let echo = create(&store, "ana", now(), full()).await;
    let before = raw.only().await;
    let changed = edited(edit(&store, &echo, 1, &saying("new")).await);
    assert_eq!(store.echo(echo.echo_id, now()).await.unwrap().as_ref(), Some(&changed));
    for page in [
        store.feed(Emotion::Calm, 20, None, now()).await.unwrap(),
        store.recent(20, None, now()).await.unwrap(),
        store.timeline(&user("ana"), 20, None, now()).await.unwrap(),
        store.timeline_of_emotion(&user("ana"), Emotion::Calm, 20, None, now()).await.unwrap(),
    ] {
        assert_eq!(page.echoes, std::slice::from_ref(&changed));
    }
    let mut after = raw.only().await;
    for name in ["transcript", "version", "updatedAt"] {
        assert_ne!(after.insert(name.into(), before[name].clone()).as_ref(), Some(&before[name]), "{name}");
    }
    assert_eq!(after, before);
}

async fn another_version_is_not_edited(engine: &Engine) {
    let store = engine.store("versions").await;
    let echo = create(&store, "ana", now(), full()).await;
    for seen in [0, 2, u64::MAX] {
        assert_eq!(edit(&store, &echo, seen, &saying("no")).await, EditOutcome::Changed, "{seen}");
    }
    edited(edit(&store, &echo, 1, &saying("one")).await);
    edited(edit(&store, &echo, 2, &saying("two")).await);
    for seen in [1, 2, 4] {
        assert_eq!(edit(&store, &echo, seen, &saying("three")).await, EditOutcome::Changed, "{seen}");
    }
    // It was applied, and then another was: the first editor must look again.
    assert_eq!(edit(&store, &echo, 1, &saying("one")).await, EditOutcome::Changed);
    assert_eq!(store.echo(echo.echo_id, now()).await.unwrap().unwrap().transcript, Some("two".into()));
}

async fn what_does_not_live_is_not_edited(engine: &Engine) {
    let store = engine.store("unedited").await;
    let echo = create(&store, "ana", now(), full()).await;
    let change = saying("no");
    let at =
        async |name: &str, id, now, fallback| store.edit(&user(name), id, 1, &change, fallback, now).await.unwrap();
    let never = item("ana", now(), 9, content(Emotion::Happy)).echo.echo_id;
    assert_eq!(at("ana", never, now(), true).await, EditOutcome::Unknown);
    assert_eq!(at("ben", echo.echo_id, now(), true).await, EditOutcome::Anothers);
    let end = Timestamp::from_millis(echo.ttl.unwrap() * 1_000);
    assert_eq!(at("ana", echo.echo_id, end, true).await, EditOutcome::Unknown, "expired, not swept");
    assert_eq!(at("ben", echo.echo_id, end, true).await, EditOutcome::Unknown);
    let just_before = edited(at("ana", echo.echo_id, end.minus_millis(1), false).await);
    assert_eq!(just_before.ttl, echo.ttl);
    assert_eq!(store.delete(&user("ana"), echo.echo_id, false, now()).await.unwrap(), DeleteOutcome::Gone);
    for seen in [1, 2, 3] {
        for fallback in [false, true] {
            let outcome = store.edit(&user("ana"), echo.echo_id, seen, &change, fallback, now()).await.unwrap();
            assert_eq!(outcome, EditOutcome::Unknown, "{seen} {fallback}");
        }
    }
    let raw = Raw { engine, prefix: "unedited" };
    assert!(raw.only().await.contains_key("deletedAt"), "a tombstone stays one");
}

async fn only_the_home_region_edits_unless_it_is_down(engine: &Engine) {
    let home = engine.store("edit-home").await;
    let elsewhere = engine.tables("edit-home", "us-west-2");
    let echo = create(&home, "ana", now(), full()).await;
    let change = saying("away");
    let at = async |seen, fallback| {
        elsewhere.edit(&user("ana"), echo.echo_id, seen, &change, fallback, later(1)).await.unwrap()
    };
    assert_eq!(at(1, false).await, EditOutcome::Elsewhere(Region::EuWest1));
    assert_eq!(at(9, false).await, EditOutcome::Elsewhere(Region::EuWest1), "the home judges the version");
    let ahead = elsewhere.edit(&user("ana"), echo.echo_id, 9, &change, true, later(1)).await;
    assert_eq!(ahead, Err(StoreError::Behind), "the home may have made the version that is named");
    assert_eq!(at(0, true).await, EditOutcome::Changed);
    let changed = edited(at(1, true).await);
    assert_eq!((changed.version, changed.origin), (2, Region::EuWest1), "an echo keeps its home");
    assert_eq!(edited(edit(&home, &echo, 1, &change).await), changed, "the home knows a try of the same edit");
    assert_eq!(edited(edit(&home, &echo, 2, &saying("home")).await).version, 3);
}

async fn an_edit_whose_answer_was_lost_is_made_once(engine: &Engine) {
    let store = engine.store("lost-edit").await;
    let echo = create(&store, "ana", now(), full()).await;
    let change = EchoEdit { tags: Change::Remove, ..saying("once") };
    let first = edited(edit(&store, &echo, 1, &change).await);
    let again = store.edit(&user("ana"), echo.echo_id, 1, &change, true, later(5_000)).await.unwrap();
    assert_eq!(edited(again), first, "its time of change too");
    let mut racing = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, echo) = (store.clone(), echo.clone());
        racing.spawn(async move { edit(&store, &echo, 2, &saying("twenty")).await });
    }
    let echoes: Vec<Echo> = racing.join_all().await.into_iter().map(edited).collect();
    assert!(echoes.iter().all(|echo| *echo == echoes[0] && echo.version == 3), "{echoes:?}");
}

async fn the_time_of_change_never_runs_backwards(engine: &Engine) {
    let store = engine.store("backwards").await;
    // A key may lie five minutes ahead of the clock, and so may the clock of the region that edited last.
    let echo = create(&store, "ana", later(300_000), full()).await;
    let changed = store.edit(&user("ana"), echo.echo_id, 1, &saying("now"), false, now()).await.unwrap();
    let changed = edited(changed);
    assert_eq!((changed.updated_at, changed.version), (later(300_000), 2));
    let changed = store.edit(&user("ana"), echo.echo_id, 2, &saying("then"), false, later(300_001)).await.unwrap();
    assert_eq!(edited(changed).updated_at, later(300_001));
}

async fn of_two_editors_one_wins(engine: &Engine) {
    let store = engine.store("editors").await;
    for round in 0..10 {
        let echo = create(&store, "ana", later(round), full()).await;
        let mut racing = tokio::task::JoinSet::new();
        for text in ["a", "b"] {
            let (store, echo) = (store.clone(), echo.clone());
            racing.spawn(async move { edit(&store, &echo, 1, &saying(text)).await });
        }
        let outcomes = racing.join_all().await;
        let won: Vec<_> = outcomes.iter().filter(|outcome| matches!(outcome, EditOutcome::Edited(_))).collect();
        assert_eq!(won.len(), 1, "{outcomes:?}");
        assert!(outcomes.contains(&EditOutcome::Changed), "{outcomes:?}");
        let stored = store.echo(echo.echo_id, now()).await.unwrap().unwrap();
        assert_eq!(*won[0], EditOutcome::Edited(Box::new(stored)));
    }
}

async fn an_edit_and_a_delete_meet(engine: &Engine) {
    let store = engine.store("meet").await;
    for round in 0..10 {
        let echo = create(&store, "ana", later(round), full()).await;
        let editing = {
            let (store, echo) = (store.clone(), echo.clone());
            tokio::spawn(async move { edit(&store, &echo, 1, &saying("late")).await })
        };
        let deleted = store.delete(&user("ana"), echo.echo_id, false, now()).await.unwrap();
        assert_eq!(deleted, DeleteOutcome::Gone);
        let outcome = editing.await.unwrap();
        let fair =
            matches!(&outcome, EditOutcome::Edited(echo) if echo.version == 2) || outcome == EditOutcome::Unknown;
        assert!(fair, "{outcome:?}");
        assert_eq!(store.echo(echo.echo_id, now()).await.unwrap(), None, "a delete wins whatever comes first");
    }
}

async fn an_echo_under_another_key_is_edited(engine: &Engine) {
    let store = engine.store("edit-bucket").await;
    let raw = Raw { engine, prefix: "edit-bucket" };
    let echo = create(&store, "ana", now(), full()).await;
    raw.rehash("ana#202501").await;
    let change = saying("in a bucket");
    let anothers = store.edit(&user("ben"), echo.echo_id, 1, &change, true, now()).await.unwrap();
    assert_eq!(anothers, EditOutcome::Anothers);
    let changed = edited(edit(&store, &echo, 1, &change).await);
    assert_eq!((changed.user_id, changed.version), (user("ana"), 2));
    assert_eq!(raw.only().await["userId"], AttributeValue::S("ana#202501".into()));
}

/// Whichever region takes a create, and however often, the item is the same but for its `origin`.
async fn regions_create_the_same_item_but_for_its_origin(engine: &Engine) {
    let mut items = Vec::new();
    for (prefix, region, origin) in
        [("first", "eu-west-1", Region::EuWest1), ("second", "ap-southeast-1", Region::ApSoutheast1)]
    {
        let store = engine.store(prefix).await;
        let key = IdempotencyKey::mint(now(), &[5; 10]);
        let store = if region == "eu-west-1" { store } else { engine.tables(prefix, region) };
        let new = NewItem::new(user("ana"), key, full(), origin);
        // The second region hears of it when the edge has given the first one up, and its clock is five minutes off.
        let at = later(if items.is_empty() { 0 } else { 302_000 });
        assert_eq!(store.create(&new, at).await.unwrap(), CreateOutcome::Created);
        assert_eq!(store.create(&new, at).await.unwrap(), CreateOutcome::Repeated(Box::new(new.echo)));
        let mut item = Raw { engine, prefix }.only().await;
        assert_eq!(item.remove("origin"), Some(AttributeValue::S(region.into())));
        items.push(item);
    }
    assert_eq!(items[0], items[1]);
}

/// The answer to a create was lost and the echo edited meanwhile: the repeat gives it as it is now, never as it was.
async fn an_edited_echo_is_still_a_repeat_of_its_create(engine: &Engine) {
    let store = engine.store("edited-repeat").await;
    let new = item("ana", now(), 1, full());
    assert_eq!(store.create(&new, now()).await.unwrap(), CreateOutcome::Created);
    let changed = edited(edit(&store, &new.echo, 1, &saying("edited")).await);
    assert_eq!(store.create(&new, later(9)).await.unwrap(), CreateOutcome::Repeated(Box::new(changed)));
    let other = item("ana", now(), 1, content(Emotion::Calm));
    assert_eq!(store.create(&other, later(9)).await.unwrap(), CreateOutcome::Clash);
}
