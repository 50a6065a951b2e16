//! What one who comes back is sent: exactly the rest from the same ring, and enough from another.

use super::*;
use crate::live::ring::{MAX_AGE_MILLIS, MAX_BYTES, MAX_EVENTS, OVERLAP_MILLIS};

fn echoes(blocks: &[Block]) -> Vec<EchoId> {
    blocks.iter().filter(|block| block.event.is_some()).map(|block| block.echo().echo_id).collect()
}

fn id(second: u64) -> EchoId {
    echo(second, Emotion::Happy).echo_id
}

/// The echo of that second as the store gives it.
fn stored(second: u64) -> (EchoId, Bytes) {
    let echo = echo(second, Emotion::Happy);
    (echo.echo_id, serde_json::to_vec(&echo).unwrap().into())
}

#[tokio::test]
async fn the_same_ring_sends_exactly_the_rest() {
    let hub = hub();
    let (mut listener, opening) = newcomer(&hub, None);
    hub.publish(&[posted(1, Emotion::Happy), posted(2, Emotion::Sad), posted(3, Emotion::Happy)]);
    let blocks = drain(&mut listener);
    drop(listener);
    for (last, rest) in [(opening, 3), (blocks[0].last(), 2), (blocks[1].last(), 1), (blocks[2].last(), 0)] {
        let (mut again, since) = enter(&hub, None, Some(last));
        assert_eq!(since, None);
        let sent = drain(&mut again);
        assert_eq!(sent[0], Block::default(), "it keeps the id that it has");
        assert_eq!(sent[1..], blocks[3 - rest..], "{last}");
    }
    let (mut sad, _) = enter(&hub, Some(Emotion::Sad), Some(opening));
    assert_eq!(drain(&mut sad)[1..], blocks[1..2]);
}

#[tokio::test]
async fn another_ring_that_reaches_back_sends_what_is_newer() {
    let (left, hub) = (hub(), hub());
    for second in [0, 20, 25, 31, 40] {
        hub.publish(&[posted(second, Emotion::Happy)]);
    }
    let (mut listener, _) = newcomer(&left, None);
    left.publish(&[posted(35, Emotion::Happy)]);
    let last = drain(&mut listener)[0].last();
    let (mut again, since) = enter(&hub, None, Some(last));
    assert_eq!(since, None, "it holds all since before");
    assert_eq!(echoes(&drain(&mut again)), [id(25), id(31), id(40)]);
}

#[tokio::test]
async fn a_younger_ring_has_the_store_asked_first() {
    let hub = hub();
    hub.publish(&[posted(30, Emotion::Happy)]);
    let last = EventId { at: NOW.plus_millis(35_000), place: None };
    let (mut again, since) = enter(&hub, None, Some(last));
    assert_eq!(since, Some(last.at.minus_millis(OVERLAP_MILLIS)));
    // It comes while the store is asked, and was deleted before.
    hub.publish(&[posted(41, Emotion::Happy), gone(42, id(40), None)]);
    again.replay([41, 40, 30, 27, 26].map(stored).to_vec());
    let sent = drain(&mut again);
    let deleted = sent.iter().position(|block| block.event.as_deref() == Some("deleted")).unwrap();
    assert_eq!(echoes(&sent[..deleted]), [id(26), id(27), id(30), id(41)]);
    assert_eq!(deleted, sent.len() - 1);
    // Cut off within what the store gave, it begins from that time; after it, exactly.
    assert_eq!(sent[1].last(), EventId { at: id(26).timestamp(), place: None });
    let (mut third, since) = enter(&hub, None, Some(sent[4].last()));
    assert_eq!((since, drain(&mut third)[1..].to_vec()), (None, sent[5..].to_vec()));
}

#[tokio::test]
async fn an_id_that_is_too_old_is_told_so_and_begins_here() {
    let hub = hub();
    hub.publish(&[posted(30, Emotion::Happy)]);
    let (mut again, since) = enter(&hub, None, Some(EventId { at: Timestamp::from_millis(1), place: None }));
    assert!(since.is_some());
    again.begin_here();
    let sent = drain(&mut again);
    assert!(sent.len() == 2 && sent[1].comment && sent[1].event.is_none(), "{sent:?}");
    hub.publish(&[posted(31, Emotion::Happy)]);
    assert_eq!(echoes(&drain(&mut again)), [id(31)]);
    assert_eq!(enter(&hub, None, Some(sent[1].last())).1, None);
}

#[tokio::test]
async fn positions_that_a_ring_never_had_are_another_rings() {
    let hub = hub();
    let (_, mut forged) = newcomer(&hub, None);
    hub.publish(&[posted(1, Emotion::Happy)]);
    for position in [1, 2, u64::MAX] {
        forged.place.as_mut().unwrap().position = position;
        let (_, since) = enter(&hub, None, Some(forged));
        assert_eq!(since.is_some(), position > 1, "{position}");
    }
    let (_, since) = enter(&hub, None, Some(EventId { at: Timestamp::from_millis(u64::MAX), place: None }));
    assert_eq!(since, None, "the ring holds what is newer than the future");
}

#[tokio::test]
async fn a_gap_makes_another_ring() {
    let hub = hub();
    let (mut listener, _) = newcomer(&hub, None);
    hub.publish(&[posted(1, Emotion::Happy)]);
    let last = drain(&mut listener)[0].last();
    hub.gap();
    assert!(enter(&hub, None, Some(last)).1.is_some());
}

#[tokio::test]
async fn the_ring_is_bounded() {
    let ring_of = |count: u64, bytes: usize, age_millis: u64| {
        let mut ring = Ring::new(Run(1));
        for second in 0..count {
            let echo = Echo { transcript: Some("x".repeat(bytes)), ..echo(second, Emotion::Happy) };
            let happening = Happening { at: NOW.plus_millis(second * 1_000), what: What::Echo(Box::new(echo)) };
            assert!(ring.push(&happening.draw(), second * age_millis));
        }
        ring
    };
    let held = |ring: &Ring| (0..=ring.last()).find_map(|at| ring.after(at, usize::MAX, None)).unwrap().0;
    assert_eq!(held(&ring_of(MAX_EVENTS as u64 + 5, 1, 0)).len(), MAX_EVENTS);
    let heavy = held(&ring_of(300, 100_000, 0));
    assert!(heavy.iter().map(Bytes::len).sum::<usize>() <= MAX_BYTES && heavy.len() > 100);
    assert_eq!(held(&ring_of(20, 1, MAX_AGE_MILLIS / 10)).len(), 11);

    // What fell out is had from the store, and may be said again.
    let mut ring = ring_of(20, 1, MAX_AGE_MILLIS / 10);
    let start = ring.start(EventId { at: NOW.plus_millis(12_000), place: None });
    assert!(start.store_since.is_some());
    let start = ring.start(EventId { at: NOW.plus_millis(19_000 + OVERLAP_MILLIS), place: None });
    assert_eq!((start.store_since, start.after), (None, 19));
    assert!(ring.push(&posted(1, Emotion::Happy).draw(), 0) && !ring.push(&posted(19, Emotion::Happy).draw(), 0));
}
