//! What random draws read, and what that costs, whatever the engine.

use std::collections::BTreeSet;

use echoes_core::store::{CHUNK_ITEMS, DeleteOutcome, NewItem, Store};
use echoes_core::units;
use echoes_shared::keys::{self, LOT_BITS};
use echoes_shared::{EchoId, Emotion, IdempotencyKey, NewEcho, Region, Timestamp, UserId};

use crate::engine::Engine;

/// Echoes of the large emotion: enough that it is sampled.
const MANY: u32 = 3_000;
/// Characters of their transcripts, so that an item has about 600 bytes.
const TRANSCRIPT_CHARS: usize = 110;
/// All lots below this.
const LOTS: u64 = 1 << LOT_BITS;

pub async fn all(engine: &Engine) {
    the_lots_hold_the_living_echoes_of_one_emotion(engine).await;
    a_draw_knows_what_this_process_did(engine).await;
    draws_of_a_large_emotion_cost_little(engine).await;
}

fn now() -> Timestamp {
    "2026-11-22T22:59:53.372Z".parse().unwrap()
}

fn item(person: u32, nth: u32, emotion: Emotion, days_to_live: Option<u16>) -> NewItem {
    let content = NewEcho {
        emotion,
        s3_url: None,
        location: None,
        tags: None,
        transcript: Some("x".repeat(TRANSCRIPT_CHARS)),
        detected_mood: None,
        metadata: None,
        days_to_live,
    };
    let mut random = [0; 10];
    random[..4].copy_from_slice(&nth.to_be_bytes());
    let user: UserId = format!("p{person}").parse().unwrap();
    let key = IdempotencyKey::mint(now().minus_millis(u64::from(nth) * 997), &random);
    NewItem::new(user, key, content, Region::EuWest1)
}

async fn put(store: &Store, items: &[NewItem]) {
    for chunk in items.chunks(CHUNK_ITEMS) {
        let chunk: Vec<_> = chunk.iter().collect();
        assert_eq!(store.put_chunk(&chunk, now()).await.unwrap(), Vec::<usize>::new());
    }
}

async fn the_lots_hold_the_living_echoes_of_one_emotion(engine: &Engine) {
    let store = engine.store("lots").await;
    let happy: Vec<_> = (0..120).map(|nth| item(nth % 7, nth, Emotion::Happy, None)).collect();
    let others: Vec<_> = (200..230).map(|nth| item(1, nth, Emotion::Sad, None)).collect();
    let expired: Vec<_> = (300..320).map(|nth| item(2, nth, Emotion::Happy, Some(1))).collect();
    for items in [&happy, &others, &expired] {
        put(&store, items).await;
    }
    let gone: BTreeSet<EchoId> = happy[..10].iter().map(|new| new.echo.echo_id).collect();
    for new in &happy[..10] {
        let deleted = store.delete(&new.echo.user_id, new.echo.echo_id, false, now()).await.unwrap();
        assert_eq!(deleted, DeleteOutcome::Gone);
    }
    let after = now().plus_days(2);
    let mut found = Vec::new();
    for cell in 0..16 {
        let (low, high) = (cell * (LOTS / 16), (cell + 1) * (LOTS / 16) - 1);
        let lots = store.lots(Emotion::Happy, low..=high, 1_000, after).await.unwrap();
        assert_eq!(lots.cut_at, None);
        let numbers: Vec<u64> = lots.echoes.iter().map(|echo| keys::lot_number(echo.echo_id)).collect();
        assert!(numbers.is_sorted() && numbers.iter().all(|lot| (low..=high).contains(lot)), "{numbers:?}");
        found.extend(lots.echoes);
    }
    let living = happy.iter().map(|new| &new.echo).filter(|echo| !gone.contains(&echo.echo_id));
    let mut living: Vec<_> = living.cloned().collect();
    living.sort_by_key(|echo| keys::lot_number(echo.echo_id));
    assert_eq!(found, living, "every living echo is in exactly one cell, as it was created");

    // A limit counts items that are read, and says how far that was.
    let first = store.lots(Emotion::Happy, 0..=LOTS - 1, 50, now()).await.unwrap();
    assert_eq!(first.echoes.len(), 50);
    assert_eq!(first.cut_at, first.echoes.last().map(|echo| keys::lot_number(echo.echo_id)));
    let rest = store.lots(Emotion::Happy, first.cut_at.unwrap() + 1..=LOTS - 1, 1_000, now()).await.unwrap();
    assert_eq!((rest.echoes.len(), rest.cut_at), (120 - 10 + 20 - 50, None));
    assert_eq!(store.lots(Emotion::Calm, 0..=LOTS - 1, 10, now()).await.unwrap().echoes, []);
}

async fn a_draw_knows_what_this_process_did(engine: &Engine) {
    let service = engine.service("random-own").await;
    let user: UserId = "ana".parse().unwrap();
    assert!(service.random(Emotion::Calm, now()).await.is_err(), "nothing is there");
    let mut ids = Vec::new();
    for nth in 0..3 {
        let key = IdempotencyKey::mint(now(), &[nth; 10]);
        let written = service.create(user.clone(), key, br#"{"emotion":"calm"}"#, now()).await.unwrap();
        ids.push(written.echo.echo_id);
        let mut drawn = BTreeSet::new();
        for _ in 0..100 {
            // The clock stands still, so that nothing is read again.
            drawn.insert(service.random(Emotion::Calm, now()).await.unwrap().echo.echo_id);
        }
        assert_eq!(drawn, ids.iter().copied().collect());
    }
    service.delete(&user, ids[0], false, now()).await.unwrap();
    for millis in 0..100 {
        let drawn = service.random(Emotion::Calm, now().plus_millis(millis * 50)).await.unwrap().echo;
        assert!(ids[1..].contains(&drawn.echo_id));
    }
}

async fn draws_of_a_large_emotion_cost_little(engine: &Engine) {
    const DRAWS: u32 = 13_000;
    let service = engine.service("random-large").await;
    let items: Vec<_> = (0..MANY).map(|nth| item(nth % 500, nth, Emotion::Happy, None)).collect();
    put(&engine.tables("random-large", "eu-west-1"), &items).await;
    let (distinct, consumed) = units::counted(async {
        let mut drawn = BTreeSet::new();
        for _ in 0..DRAWS {
            drawn.insert(service.random(Emotion::Happy, now()).await.unwrap().echo.echo_id);
        }
        drawn.len()
    })
    .await;
    let each = consumed.read / f64::from(DRAWS);
    println!("{DRAWS} draws of {distinct} echoes of {MANY}: {consumed}, {each:.4} RRU a draw");
    assert!(distinct >= 1_000, "a pool of {distinct}");
    assert!(consumed.read > 0.0 && each <= 0.02, "{each} RRU a draw");
}
