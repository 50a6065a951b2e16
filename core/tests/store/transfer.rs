//! Echoes in bulk: restored one by one or put in chunks, and scanned in segments.

use echoes_core::store::{DeleteOutcome, NewItem, RestoreOutcome, Segment, Store};
use echoes_shared::{Echo, Emotion, IdempotencyKey, NewEcho, Region, Timestamp};

use crate::engine::Engine;

pub async fn all(engine: &Engine) {
    println!("what_was_exported_is_restored_and_no_edit_undone");
    what_was_exported_is_restored_and_no_edit_undone(engine).await;
    println!("a_chunk_is_found_by_every_number_of_segments");
    a_chunk_is_found_by_every_number_of_segments(engine).await;
}

fn now() -> Timestamp {
    "2026-11-22T22:59:53.372Z".parse().unwrap()
}

fn new(user: &str, seed: u8) -> NewItem {
    let content = NewEcho {
        emotion: Emotion::Proud,
        s3_url: None,
        location: echoes_shared::Location::new(0.1 + 0.2, -1.0 / 3.0),
        tags: Some(vec![]),
        transcript: Some("雨".into()),
        detected_mood: None,
        metadata: None,
        days_to_live: Some(9),
    };
    let key = IdempotencyKey::mint(now().minus_millis(u64::from(seed)), &[seed; 10]);
    NewItem::new(user.parse().unwrap(), key, content, Region::UsEast1)
}

async fn scanned(store: &Store, segments: u16) -> Vec<Echo> {
    let mut echoes = Vec::new();
    for mut segment in Segment::all(segments) {
        while !segment.has_ended() {
            let page = store.scan(&mut segment, true, now()).await.unwrap();
            assert!(page.damaged.is_empty(), "{page:?}");
            echoes.extend(page.echoes);
        }
    }
    echoes.sort_by_key(|echo| echo.echo_id);
    echoes
}

async fn what_was_exported_is_restored_and_no_edit_undone(engine: &Engine) {
    let store = engine.store("restore").await;
    let original = new("ana", 1);
    let restore = async |echo: &Echo| store.restore(&NewItem::restored(echo.clone()), now()).await.unwrap();
    assert_eq!(restore(&original.echo).await, RestoreOutcome::Stored);
    assert_eq!(restore(&original.echo).await, RestoreOutcome::Present);
    // What the API would have stored: the same create is a repeat.
    let repeated = store.create(&original, now()).await.unwrap();
    assert_eq!(repeated, echoes_core::store::CreateOutcome::Repeated(Box::new(original.echo.clone())));
    let edited = Echo { version: 2, transcript: Some("edited".into()), ..original.echo.clone() };
    assert_eq!(restore(&edited).await, RestoreOutcome::Differs);
    assert_eq!(scanned(&store, 1).await, std::slice::from_ref(&original.echo));
    let home = engine.tables("restore", "us-east-1");
    let user = "ana".parse().unwrap();
    assert_eq!(home.delete(&user, original.echo.echo_id, false, now()).await.unwrap(), DeleteOutcome::Gone);
    assert_eq!(restore(&original.echo).await, RestoreOutcome::Deleted);
    assert!(scanned(&store, 2).await.is_empty());
}

async fn a_chunk_is_found_by_every_number_of_segments(engine: &Engine) {
    let store = engine.store("chunk").await;
    let all: Vec<_> = (0..25).map(|seed| new(["ana", "ben", "cleo"][usize::from(seed % 3)], seed)).collect();
    let chunk: Vec<_> = all.iter().collect();
    assert!(store.put_chunk(&chunk, now()).await.unwrap().is_empty());
    assert!(store.put_chunk(&chunk, now()).await.unwrap().is_empty(), "again");
    let mut expected: Vec<_> = all.iter().map(|new| new.echo.clone()).collect();
    expected.sort_by_key(|echo| echo.echo_id);
    for segments in [1, 3, 64] {
        assert_eq!(scanned(&store, segments).await, expected);
    }
    assert_eq!(store.feed(Emotion::Proud, 100, None, now()).await.unwrap().echoes.len(), 25);
}
