//! What the repairing sink makes of records, on real tables: each repair once, whatever comes again or has changed since.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_core::cache::{Cache, CacheConfig, Lifetimes};
use echoes_core::metrics::Metrics;
use echoes_core::sinks::repair::Repair;
use echoes_core::sinks::{Batch, Sink as _};
use echoes_core::store::table::Billing;
use echoes_core::store::{DeleteOutcome, EditOutcome, Raise, Store};
use echoes_core::stream::{Image, Record, Sequence, ShardId, Tombstone};
use echoes_shared::echo::Change;
use echoes_shared::{Echo, EchoEdit, Emotion, Region, Timestamp};

use crate::cases::{content, create, now};
use crate::engine::Engine;
use crate::raw::{Item, Raw};

pub async fn all(engine: &Engine) {
    run! { engine,
        a_tombstone_is_put_back_by_one_apply
        a_tombstone_without_a_record_is_the_homes_to_put_back
        an_older_version_is_raised_once
        what_has_changed_since_is_raised_only_where_it_is_still_below
        a_home_is_asked_by_those_who_held_what_lost
        an_unreadable_item_is_refused_and_a_store_that_is_away_is_not
    }
}

fn cache() -> Cache {
    let memory = CacheConfig { memory_bytes: 1 << 20, redis: None, memcached: None };
    Cache::new(&memory, Region::EuWest1, Lifetimes::default(), Metrics::new().unwrap())
}

/// As the table's stream would say it.
fn record(number: usize, old: Option<Image>, new: &Echo, hash: &str) -> Arc<Record> {
    let sequence = Sequence::parse(&number.to_string()).unwrap();
    let (hash, new) = (hash.to_owned(), living(new));
    Arc::new(Record { sequence, at: now(), hash, echo: echo_of(&new), old, new: Some(new), expired: false })
}

fn living(echo: &Echo) -> Image {
    Image::Echo(Box::new(echo.clone()))
}

fn echo_of(image: &Image) -> echoes_shared::EchoId {
    image.echo().unwrap().echo_id
}

fn tombstone(deleted_at: Timestamp) -> Option<Image> {
    Some(Image::Tombstone(Tombstone { deleted_at, was: Some(Emotion::Happy) }))
}

fn batch(records: &[Arc<Record>], at: Timestamp) -> Batch {
    Batch { shard: ShardId::new("shard"), records: records.to_vec(), now: at }
}

async fn apply(store: &Store, cache: &Cache, records: &[Arc<Record>], at: Timestamp) {
    let outcome = Repair::new(store.clone(), cache.clone()).apply(&batch(records, at)).await;
    assert_eq!(outcome, Ok(Vec::new()));
}

fn version(item: &Item) -> u64 {
    item["version"].as_n().unwrap().parse().unwrap()
}

/// The echo as another region's edit left it, in the table and as it is read.
async fn edited_elsewhere(raw: &Raw<'_>, version: u64, words: &str) -> (Item, String) {
    let mut item = raw.only().await;
    item.insert("version".into(), AttributeValue::N(version.to_string()));
    item.insert("transcript".into(), AttributeValue::S(words.into()));
    let hash = item["userId"].as_s().unwrap().clone();
    (item, hash)
}

fn transcript(words: &str) -> EchoEdit {
    EchoEdit { transcript: Change::Set(words.to_owned()), ..EchoEdit::default() }
}

async fn a_tombstone_is_put_back_by_one_apply(engine: &Engine) {
    let store = engine.store("putback").await;
    let raw = Raw { engine, prefix: "putback" };
    let echo = create(&store, "ana", now(), content(Emotion::Happy)).await;
    let (edited, hash) = edited_elsewhere(&raw, 7, "late").await;
    assert_eq!(store.delete(&echo.user_id, echo.echo_id, false, now()).await, Ok(DeleteOutcome::Gone));
    raw.overwrite(edited.clone()).await;
    let cache = cache();
    let revived = Echo { version: 7, ..echo.clone() };
    let records = [record(1, tombstone(now()), &revived, &hash)];
    let soon = now().plus_millis(2_000);
    apply(&store, &cache, &records, soon).await;
    let put_back = raw.only().await;
    assert!(put_back.contains_key("deletedAt") && version(&put_back) > 7, "{put_back:?}");
    assert!(cache.hides(&echo), "this process shows it no more");

    // The same again, and in another process.
    apply(&store, &cache, &records, soon.plus_millis(1)).await;
    apply(&engine.tables("putback", "eu-west-1"), &cache, &[&records[..], &records[..]].concat(), soon).await;
    assert_eq!(raw.only().await, put_back, "once put back it is left alone");

    // A second edit has won meanwhile: not the one that the record tells of, and it goes all the same.
    let second = edited.into_iter().map(|(name, value)| match name.as_str() {
        "version" => (name, AttributeValue::N("9".to_owned())),
        _ => (name, value),
    });
    raw.overwrite(second.collect()).await;
    apply(&store, &cache, &records, soon.plus_millis(2)).await;
    assert!(version(&raw.only().await) > 9);
    // And it is guarded from then on.
    assert_eq!(raw.items("local").await.len(), 4, "the delete, two tombstones put back, and the repeat of one");
}

async fn a_tombstone_without_a_record_is_the_homes_to_put_back(engine: &Engine) {
    let home = engine.store("erased").await;
    let other = engine.tables("erased", "us-east-1");
    let raw = Raw { engine, prefix: "erased" };
    let echo = create(&home, "ana", now(), content(Emotion::Happy)).await;
    let (edited, hash) = edited_elsewhere(&raw, 3, "late").await;
    assert_eq!(home.delete(&echo.user_id, echo.echo_id, false, now()).await, Ok(DeleteOutcome::Gone));
    let record = [record(1, tombstone(now()), &echo, &hash)];
    // An erasure writes no record of a single tombstone.
    raw.forget_records().await;
    raw.overwrite(edited.clone()).await;
    apply(&other, &cache(), &record, now()).await;
    assert_eq!(raw.only().await, edited, "another region leaves it to its home");
    apply(&home, &cache(), &record, now()).await;
    assert!(raw.only().await.contains_key("deletedAt"));
    // Whoever took the delete in place of a home that was down has the record.
    raw.overwrite(edited).await;
    apply(&other, &cache(), &record, now()).await;
    assert!(raw.only().await.contains_key("deletedAt"));
}

async fn an_older_version_is_raised_once(engine: &Engine) {
    let store = engine.store("raised").await;
    let raw = Raw { engine, prefix: "raised" };
    let echo = create(&store, "ana", now(), content(Emotion::Happy)).await;
    // An edit of version 2, taken elsewhere, has won over what was edited here to version 5.
    let (winner, hash) = edited_elsewhere(&raw, 2, "won").await;
    raw.overwrite(winner.clone()).await;
    let (won, lost) = (Echo { version: 2, ..echo.clone() }, Echo { version: 5, ..echo.clone() });
    let records = [record(1, Some(living(&lost)), &won, &hash)];
    for _ in 0..3 {
        apply(&store, &cache(), &[&records[..], &records[..]].concat(), now()).await;
        let raised = raw.only().await;
        assert_eq!(version(&raised), 6, "above the one that lost, once");
        assert!(winner.iter().all(|(name, value)| name == "version" || raised[name] == *value));
        assert_eq!(raised.len(), winner.len());
    }
    // What the stream says of the repair is no fault.
    let after = [record(2, Some(living(&won)), &Echo { version: 6, ..echo.clone() }, &hash)];
    apply(&store, &cache(), &after, now()).await;
    assert_eq!(version(&raw.only().await), 6);

    // Of two edits with one version the earlier has won.
    let later = Echo { version: 6, updated_at: echo.updated_at.plus_millis(1), ..echo.clone() };
    let tied = [record(3, Some(living(&later)), &Echo { version: 6, ..echo }, &hash)];
    apply(&store, &cache(), &tied, now()).await;
    apply(&store, &cache(), &tied, now()).await;
    assert_eq!(version(&raw.only().await), 7);
}

async fn what_has_changed_since_is_raised_only_where_it_is_still_below(engine: &Engine) {
    let store = engine.store("since").await;
    let raw = Raw { engine, prefix: "since" };
    let echo = create(&store, "ana", now(), content(Emotion::Happy)).await;
    let hash = raw.only().await["userId"].as_s().unwrap().clone();
    let overtaken = |version: u64| {
        let lost = Echo { version, ..echo.clone() };
        [record(1, Some(living(&lost)), &echo, &hash)]
    };
    let (ana, id) = (echo.user_id.clone(), echo.echo_id);
    let edit = async |seen: u64, words: &str| {
        let edited = store.edit(&ana, id, seen, &transcript(words), false, now().plus_millis(seen)).await.unwrap();
        assert!(matches!(edited, EditOutcome::Edited(_)), "{edited:?}");
        raw.only().await
    };
    // The index takes the one that lost for newer than this edit too.
    let second = edit(1, "second").await;
    apply(&store, &cache(), &overtaken(5), now()).await;
    let raised = raw.only().await;
    assert_eq!((version(&raised), &raised["transcript"]), (6, &second["transcript"]));
    let seventh = edit(6, "seventh").await;
    for version in [5, 6, 7] {
        apply(&store, &cache(), &overtaken(version), now()).await;
        assert_eq!(raw.only().await, seventh, "it is above version {version}");
    }
    assert_eq!(store.delete(&ana, id, false, now()).await, Ok(DeleteOutcome::Gone));
    let gone = raw.only().await;
    apply(&store, &cache(), &overtaken(50), now()).await;
    assert_eq!(raw.only().await, gone, "a delete has come since");
    raw.remove("echoes", ["userId", "timestamp"], &gone).await;
    apply(&store, &cache(), &overtaken(50), now()).await;
    assert_eq!(raw.items("echoes").await.len(), 0, "nothing comes of nothing");
}

/// The home has never held the edit that lost.
async fn a_home_is_asked_by_those_who_held_what_lost(engine: &Engine) {
    let home = engine.store("asked").await;
    let other = engine.tables_apart("asker", "asked", "us-east-1");
    other.create_tables(Billing::OnDemand, |_| {}).await.unwrap();
    let raw = Raw { engine, prefix: "asked" };
    let echo = create(&home, "ana", now(), content(Emotion::Happy)).await;
    let before = raw.only().await;
    let (winner, hash) = edited_elsewhere(&raw, 2, "won").await;
    let (won, lost) = (Echo { version: 2, ..echo.clone() }, Echo { version: 5, ..echo.clone() });
    let lower = Echo { version: 4, ..echo.clone() };
    let records = [record(1, Some(living(&lost)), &won, &hash), record(2, Some(living(&lower)), &won, &hash)];
    for _ in 0..2 {
        apply(&other, &cache(), &records, now()).await;
    }
    let (asks, next) = home.asked_raises(None).await.unwrap();
    let [(position, ask)] = &asks[..] else { panic!("{asks:?}") };
    assert_eq!((ask.above, ask.won, ask.lost, next), (5, won.edition(), lost.edition(), None));
    assert_eq!(home.asked_raises(Some(position)).await.unwrap().0, []);
    assert_eq!(other.asked_raises(None).await.unwrap().0, [], "nobody else is asked");
    assert_eq!(home.raise_version(ask).await, Ok(Raise::TooEarly), "what won has not arrived there");
    assert_eq!(raw.only().await, before);
    raw.overwrite(winner).await;
    assert!(matches!(home.raise_version(ask).await, Ok(Raise::Done(_))));
    assert_eq!(home.raise_version(ask).await, Ok(Raise::Needless));
    assert_eq!(version(&raw.only().await), 6);
}

async fn an_unreadable_item_is_refused_and_a_store_that_is_away_is_not(engine: &Engine) {
    let store = engine.store("unreadable").await;
    let raw = Raw { engine, prefix: "unreadable" };
    let echo = create(&store, "ana", now(), content(Emotion::Happy)).await;
    let (mut item, hash) = edited_elsewhere(&raw, 2, "late").await;
    item.insert("emotion".into(), AttributeValue::S("unheard of".into()));
    raw.overwrite(item.clone()).await;
    let records = [record(41, tombstone(now()), &echo, &hash), record(42, Some(living(&echo)), &echo, &hash)];
    let refused = Repair::new(store, cache()).apply(&batch(&records, now())).await.unwrap();
    let [refused] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!(refused.sequence, records[0].sequence);
    assert!(refused.reason.contains("emotion"), "{refused:?}");
    let nowhere = engine.behind("http://127.0.0.1:9".to_owned()).tables("unreadable", "eu-west-1");
    assert!(Repair::new(nowhere, cache()).apply(&batch(&records, now())).await.is_err());
}
