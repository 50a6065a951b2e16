//! What each kind of record means to those who listen.

use echoes_shared::{Emotion, IdempotencyKey, NewEcho, Region};

use super::*;
use crate::cache::{CacheConfig, Lifetimes};
use crate::live::Entrance;
use crate::metrics::Metrics;
use crate::samples::content;
use crate::stream::{Sequence, ShardId, Tombstone};

const NOW: Timestamp = Timestamp::from_millis(1_795_388_393_000);

fn echo(version: u64) -> Echo {
    let key = IdempotencyKey::mint(NOW, &[1; 10]);
    let content = NewEcho { days_to_live: Some(1), ..content(Emotion::Happy) };
    Echo { version, ..Echo::create("ana".parse().unwrap(), key, content, Region::EuWest1) }
}

fn living(version: u64) -> Option<Image> {
    Some(Image::Echo(Box::new(echo(version))))
}

fn tombstone() -> Option<Image> {
    Some(Image::Tombstone(Tombstone { deleted_at: NOW, was: None }))
}

fn record(old: Option<Image>, new: Option<Image>) -> Record {
    let (sequence, hash) = (Sequence::parse("1").unwrap(), "ana".to_owned());
    Record { sequence, at: NOW, hash, echo: echo(1).echo_id, old, new, expired: false }
}

/// `echo VERSION`, `gone`, or nothing.
fn said(record: &Record, now: Timestamp) -> Option<String> {
    happening(record, now).map(|happening| match happening.what {
        What::Echo(echo) => format!("echo {}", echo.version),
        What::Gone { emotion: Some(Emotion::Happy), .. } => "gone happy".to_owned(),
        What::Gone { .. } => "gone".to_owned(),
    })
}

#[test]
fn each_kind_of_record() {
    for (old, new, expected) in [
        (None, living(1), Some("echo 1")),
        (None, living(3), Some("echo 3")),
        (living(1), living(2), Some("echo 2")),
        // Its index attributes changed, or an edit that lost came in.
        (living(2), living(2), None),
        (living(2), living(1), None),
        // The repair puts the tombstone back.
        (tombstone(), living(2), None),
        (living(1), tombstone(), Some("gone happy")),
        (None, tombstone(), Some("gone")),
        (tombstone(), tombstone(), None),
        (living(1), None, Some("gone happy")),
        (tombstone(), None, None),
        (None, None, None),
    ] {
        assert_eq!(said(&record(old.clone(), new.clone()), NOW).as_deref(), expected, "{old:?} → {new:?}");
    }
}

#[test]
fn what_expired_is_nothing_and_neither_is_its_end() {
    let end = NOW.plus_days(1);
    let late = |old, new| Record { at: end, ..record(old, new) };
    for odd in [late(None, living(1)), late(living(1), living(2)), late(living(1), None)] {
        assert_eq!(said(&odd, end), None, "{odd:?}");
    }
    let told = Record { expired: true, ..record(living(1), None) };
    assert_eq!(said(&told, NOW), None);
    // A delete is told all the same: it may still be shown somewhere.
    assert_eq!(said(&late(living(1), tombstone()), end).as_deref(), Some("gone happy"));
}

#[test]
fn what_is_old_is_no_news() {
    let created = record(None, living(1));
    assert!(said(&created, NOW.plus_millis(NEWS_MILLIS)).is_some());
    assert_eq!(said(&created, NOW.plus_millis(NEWS_MILLIS + 1)), None);
    // Clocks that differ take no news away.
    assert!(said(&created, NOW.minus_millis(5 * 60 * 1_000)).is_some());
    // An import of what was posted before any key that may be used now.
    let mut forever = echo(1);
    forever.ttl = None;
    let image = Some(Image::Echo(Box::new(forever)));
    let at = NOW.plus_millis(KEY_MAX_AGE_MILLIS + KEY_MAX_AHEAD_MILLIS);
    assert!(said(&Record { at, ..record(None, image.clone()) }, at).is_some());
    let at = at.plus_millis(1);
    assert_eq!(said(&Record { at, ..record(None, image) }, at), None);
}

#[tokio::test]
async fn a_batch_given_twice_is_heard_once() {
    let metrics = Metrics::new().unwrap();
    let none = CacheConfig { memory_bytes: 0, redis: None, memcached: None };
    let cache = Cache::new(&none, Region::EuWest1, Lifetimes::default(), metrics.clone());
    let hub = Hub::new(1, metrics.live().clone());
    assert!(hub.enter(None, None, NOW).is_err());
    let sink = LiveSink::new(Some(hub.clone()), &cache);
    let Entrance { mut listener, .. } = hub.enter(None, None, NOW).unwrap();
    let records = [record(None, living(1)), record(living(1), tombstone())].map(Arc::new).to_vec();
    let batch = Batch { shard: ShardId::new("one"), records, now: NOW };
    for _ in 0..2 {
        assert_eq!(sink.apply(&batch).await, Ok(Vec::new()));
    }
    let mut heard = Vec::new();
    while let Some(Some(piece)) = listener.next().now_or_never() {
        heard.extend_from_slice(&piece);
    }
    let heard = String::from_utf8(heard).unwrap();
    assert_eq!(
        (heard.matches("event: echo\n").count(), heard.matches("event: deleted\n").count()),
        (1, 1),
        "{heard}"
    );
}
