//! What records come to for readers: for lists and echoes through the caches, for draws through the listener.

use std::sync::Mutex;

use echoes_shared::Region;

use super::*;
use crate::cache::{CacheConfig, Lifetimes};
use crate::metrics::Metrics;
use crate::samples::{EPOCH_MILLIS, echo};
use crate::stream::{Sequence, ShardId, Tombstone};

fn now() -> Timestamp {
    Timestamp::from_millis(EPOCH_MILLIS + 10_000)
}

fn living(echo: &Echo) -> Option<Image> {
    Some(Image::Echo(Box::new(echo.clone())))
}

fn tombstone(was: Option<Emotion>) -> Option<Image> {
    Some(Image::Tombstone(Tombstone { deleted_at: now(), was }))
}

fn record(id: EchoId, hash: &str, old: Option<Image>, new: Option<Image>) -> Record {
    let sequence = Sequence::parse("1").unwrap();
    Record { sequence, at: now(), hash: hash.to_owned(), echo: id, old, new, expired: false }
}

fn changes_of(records: &[Record]) -> Vec<(Option<Emotion>, bool)> {
    let records: Vec<_> = records.iter().cloned().map(Arc::new).collect();
    changes(&records, now()).into_iter().map(|change| (change.emotion, change.gone)).collect()
}

#[test]
fn every_change_is_told_once_for_each_list_that_it_is_seen_in() {
    let (happy, id) = (echo("ana", 1), echo("ana", 1).echo_id);
    let sad = Echo { emotion: Emotion::Sad, ..happy.clone() };
    let of = |old, new| record(id, "ana#202611", old, new);
    let (is_happy, is_sad) = (Some(Emotion::Happy), Some(Emotion::Sad));
    for (record, expected) in [
        (of(None, living(&happy)), vec![(is_happy, false)]),
        (of(living(&happy), living(&happy)), vec![(is_happy, false)]),
        (of(living(&happy), living(&sad)), vec![(is_happy, false), (is_sad, false)]),
        (of(living(&happy), tombstone(None)), vec![(is_happy, true)]),
        (of(living(&happy), None), vec![(is_happy, true)]),
        (of(None, tombstone(is_sad)), vec![(is_sad, true)]),
        (of(None, tombstone(None)), vec![(None, true)]),
        (of(tombstone(None), living(&happy)), vec![(is_happy, false)]),
        (of(tombstone(is_happy), None), vec![]),
    ] {
        assert_eq!(changes_of(&[record.clone(), record.clone()]), expected, "{record:?}");
    }
    let created = changes(&[Arc::new(of(None, living(&happy)))], now());
    assert_eq!((created[0].user.as_str(), created[0].echo), ("ana", id), "the person, not the bucket");
}

#[test]
fn what_had_expired_before_it_was_removed_changes_nothing() {
    let mortal = |seconds| Echo { ttl: Some(now().epoch_seconds() + seconds), ..echo("ana", 1) };
    let removed = |echo: Echo| changes_of(&[record(echo.echo_id, "ana", living(&echo), None)]).len();
    assert_eq!([removed(mortal(0)), removed(mortal(5))], [0, 1]);
}

#[tokio::test]
async fn random_draws_hear_what_lives_now_and_what_is_new() {
    let memory = CacheConfig { memory_bytes: 1 << 20, redis: None, memcached: None };
    let cache = Cache::new(&memory, Region::EuWest1, Lifetimes::default(), Metrics::new().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener: Listener = {
        let heard = Arc::clone(&heard);
        Arc::new(move |echo, _| heard.lock().unwrap().push((echo.echo_id, echo.version)))
    };
    let sink = Invalidation::new(cache.clone(), Some(listener));
    let [one, two, old] = [1, 2, 3].map(|millis| echo("ana", millis));
    let edited = Echo { version: 2, ..one.clone() };
    let expired = Echo { ttl: Some(now().epoch_seconds()), ..echo("ana", 4) };
    let of = |old: Option<&Echo>, new: &Echo| record(new.echo_id, "ana", old.and_then(living), living(new));
    let records = [
        of(None, &one),
        of(None, &two),
        of(Some(&one), &edited),
        record(two.echo_id, "ana", living(&two), tombstone(None)),
        Record { at: now().minus_millis(NEWS_MILLIS + 1), ..of(None, &old) },
        of(None, &expired),
    ];
    let batch = |records: &[Record]| Batch {
        shard: ShardId::new("shard"),
        records: records.iter().cloned().map(Arc::new).collect(),
        now: now(),
    };
    assert_eq!(sink.apply(&batch(&records)).await, Ok(Vec::new()));
    assert_eq!(std::mem::take(&mut *heard.lock().unwrap()), [(one.echo_id, 2)]);
    assert!(cache.hides(&two) && !cache.hides(&one));
    // The create of what is known to be gone comes again, alone.
    assert_eq!(sink.apply(&batch(&records[1..2])).await, Ok(Vec::new()));
    assert_eq!(heard.lock().unwrap().len(), 0);
    assert!(cache.hides(&two));
}
