//! The hub with made-up events: what is sent to whom, what is sent again, and when a stream ends.

mod replay;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use echoes_shared::{Echo, EchoId, IdempotencyKey, NewEcho, Region};
use futures_util::FutureExt as _;
use tokio::time::{sleep, timeout};

use super::*;
use crate::metrics::Metrics;
use crate::samples::content;

const NOW: Timestamp = Timestamp::from_millis(1_795_388_393_000);

/// Each test runs in a thread of its own.
static CLOCK: AtomicU64 = AtomicU64::new(1);

fn hub_of(seats: usize) -> Hub {
    hub_that_beats(seats, Duration::from_secs(60))
}

fn hub_that_beats(seats: usize, beat: Duration) -> Hub {
    let clock = || CLOCK.load(Ordering::SeqCst);
    let hub = Hub::with_clock(seats, Metrics::new().unwrap().live().clone(), beat, clock);
    hub.is_fed();
    hub
}

fn hub() -> Hub {
    hub_of(10)
}

/// The echo that was posted `second` seconds from now.
fn echo(second: u64, emotion: Emotion) -> Echo {
    let key = IdempotencyKey::mint(NOW.plus_millis(second * 1_000), &[second as u8; 10]);
    let content = NewEcho { transcript: Some("line\none\r\n\ntwo".to_owned()), ..content(emotion) };
    Echo::create("ana".parse().unwrap(), key, content, Region::EuWest1)
}

fn posted(second: u64, emotion: Emotion) -> Happening {
    let at = Timestamp::from_millis(NOW.plus_millis(second * 1_000).epoch_seconds() * 1_000);
    Happening { at, what: What::Echo(Box::new(echo(second, emotion))) }
}

fn gone(second: u64, id: EchoId, emotion: Option<Emotion>) -> Happening {
    Happening { at: NOW.plus_millis(second * 1_000), what: What::Gone { id, emotion } }
}

/// An event, or what stands between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Block {
    id: Option<String>,
    event: Option<String>,
    data: Option<String>,
    comment: bool,
}

impl Block {
    fn echo(&self) -> Echo {
        assert_eq!(self.event.as_deref(), Some("echo"), "{self:?}");
        serde_json::from_str(self.data.as_ref().unwrap()).unwrap()
    }

    fn last(&self) -> EventId {
        self.id.as_ref().unwrap_or_else(|| panic!("no id in {self:?}")).parse().unwrap()
    }
}

/// What a text of an event stream says.
fn blocks(text: &str) -> Vec<Block> {
    let texts = text.split_terminator("\n\n");
    texts
        .map(|text| {
            let mut block = Block::default();
            for line in text.lines() {
                match line.split_once(": ").unwrap() {
                    ("", _) => block.comment = true,
                    ("id", id) => block.id = Some(id.to_owned()),
                    ("event", event) => block.event = Some(event.to_owned()),
                    ("data", data) => block.data = Some(data.to_owned()),
                    ("retry", "2000") => {}
                    other => panic!("{other:?}"),
                }
            }
            block
        })
        .collect()
}

/// All that is there to be sent.
fn drain(listener: &mut Listener) -> Vec<Block> {
    let mut text = Vec::new();
    while let Some(Some(piece)) = listener.next().now_or_never() {
        text.extend_from_slice(&piece);
    }
    blocks(std::str::from_utf8(&text).unwrap())
}

fn enter(hub: &Hub, emotion: Option<Emotion>, last: Option<EventId>) -> (Listener, Option<Timestamp>) {
    let Entrance { listener, store_since } = hub.enter(emotion, last, NOW).unwrap();
    (listener, store_since)
}

/// One who comes for the first time and has heard the beginning, with the id that it was given.
fn newcomer(hub: &Hub, emotion: Option<Emotion>) -> (Listener, EventId) {
    let (mut listener, store_since) = enter(hub, emotion, None);
    assert_eq!(store_since, None);
    let opening = drain(&mut listener);
    (listener, opening[0].last())
}

#[tokio::test]
async fn all_are_sent_the_same_bytes() {
    let hub = hub();
    let (mut one, _) = newcomer(&hub, None);
    let (mut two, _) = newcomer(&hub, Some(Emotion::Happy));
    hub.publish(&[posted(1, Emotion::Happy)]);
    let pieces: [Bytes; 2] = [one.next().await.unwrap(), two.next().await.unwrap()];
    assert_eq!(pieces[0].as_ptr(), pieces[1].as_ptr(), "nothing is copied");
    let text = std::str::from_utf8(&pieces[0]).unwrap();
    assert!(text.ends_with("\n\n") && text.matches('\n').count() == 4, "{text:?}");
    assert_eq!(blocks(text)[0].echo(), echo(1, Emotion::Happy));
}

#[tokio::test]
async fn an_emotion_is_sent_to_who_wants_it() {
    let hub = hub();
    let [mut all, mut happy, mut sad] =
        [None, Some(Emotion::Happy), Some(Emotion::Sad)].map(|emotion| newcomer(&hub, emotion).0);
    let [one, two] = [echo(1, Emotion::Happy), echo(2, Emotion::Sad)];
    hub.publish(&[
        posted(1, Emotion::Happy),
        posted(2, Emotion::Sad),
        gone(3, one.echo_id, Some(Emotion::Happy)),
        gone(4, two.echo_id, None),
    ]);
    let events = |listener: &mut Listener| -> Vec<_> {
        drain(listener).into_iter().map(|block| (block.event.unwrap(), block.data.unwrap())).collect()
    };
    let heard = events(&mut all);
    assert_eq!(heard.len(), 4);
    assert_eq!(heard[2], ("deleted".to_owned(), format!("{{\"echoId\":\"{}\"}}", one.echo_id)));
    assert_eq!(events(&mut happy), [&heard[0], &heard[2], &heard[3]].map(Clone::clone));
    assert_eq!(events(&mut sad), [&heard[1], &heard[3]].map(Clone::clone));
}

#[tokio::test]
async fn what_was_said_is_not_said_again_and_nothing_older() {
    let hub = hub();
    let (mut listener, _) = newcomer(&hub, None);
    let edited = Echo { version: 2, updated_at: NOW.plus_millis(9_000), ..echo(1, Emotion::Happy) };
    let edited = Happening { at: NOW, what: What::Echo(Box::new(edited)) };
    let created = posted(1, Emotion::Happy);
    let deleted = gone(10, echo(1, Emotion::Happy).echo_id, None);
    let all = [created.clone(), edited.clone(), deleted.clone()];
    for happening in [&created, &created, &edited, &created, &edited, &deleted, &created, &edited, &deleted] {
        hub.publish(std::slice::from_ref(happening));
    }
    hub.publish(&all);
    let events: Vec<_> = drain(&mut listener).into_iter().map(|block| block.event.unwrap()).collect();
    assert_eq!(events, ["echo", "echo", "deleted"]);
}

#[tokio::test]
async fn a_comment_comes_however_much_others_are_sent() {
    let beat = Duration::from_millis(200);
    let hub = hub_that_beats(1, beat);
    let (mut listener, opening) = newcomer(&hub, Some(Emotion::Sad));
    for second in 1..=10 {
        hub.publish(&[posted(second, Emotion::Happy)]);
        sleep(beat / 8).await;
        let sent = drain(&mut listener);
        if !sent.is_empty() {
            assert!(
                sent.len() == 1 && sent[0].comment && sent[0].event.is_none() && sent[0].data.is_none(),
                "{sent:?}"
            );
            let id = sent[0].last();
            assert!(id.at > opening.at && id.place.unwrap().position == second, "{id}");
            let next = timeout(Duration::from_secs(30), listener.next()).await.unwrap().unwrap();
            assert!(next.starts_with(b": "));
            return;
        }
    }
    panic!("no comment");
}

#[tokio::test]
async fn a_slow_reader_is_ended_and_comes_back_for_the_rest() {
    let hub = hub();
    let (mut slow, opening) = newcomer(&hub, None);
    let burst: Vec<_> = (1..=listener::QUEUE).map(|second| posted(second, Emotion::Happy)).collect();
    hub.publish(&burst);
    let (mut quick, _) = newcomer(&hub, None);
    assert_eq!(slow.next().await.map(|piece| piece.starts_with(b"id: ")), Some(true), "as many may wait");
    drop(slow);

    let (mut slow, since) = enter(&hub, None, Some(opening));
    assert_eq!((since, drain(&mut slow).len()), (None, 1 + burst.len()), "what it is sent again does not count");
    hub.publish(&[posted(listener::QUEUE + 1, Emotion::Happy)]);
    hub.publish(&burst.iter().map(|old| gone(1, id_of(old), None)).collect::<Vec<_>>());
    let end = drain(&mut slow);
    assert!(end.len() == 1 && end[0].comment, "{end:?}");
    assert_eq!(slow.next().await, None);
    drop(slow);
    assert!(drain(&mut quick)[0].comment, "it took nothing either");
    assert_eq!(hub.metrics().listeners(), 1);
}

fn id_of(happening: &Happening) -> EchoId {
    match &happening.what {
        What::Echo(echo) => echo.echo_id,
        What::Gone { id, .. } => *id,
    }
}

#[tokio::test]
async fn a_gap_and_the_end_end_all_streams() {
    let hub = hub();
    let (mut listener, _) = newcomer(&hub, None);
    let waiting = tokio::spawn(async move {
        while listener.next().await.is_some() {}
        listener
    });
    tokio::task::yield_now().await;
    hub.gap();
    drop(timeout(Duration::from_secs(1), waiting).await.unwrap().unwrap());
    let (mut listener, _) = newcomer(&hub, None);
    hub.publish(&[posted(1, Emotion::Happy)]);
    hub.close();
    assert!(drain(&mut listener)[0].comment);
    assert_eq!(listener.next().await, None);
    assert_eq!(hub.enter(None, None, NOW).unwrap_err(), Refusal::Closing);
}

#[tokio::test]
async fn seats_are_bounded_and_freed() {
    let hub = hub_of(2);
    let (one, _) = newcomer(&hub, None);
    let (_two, _) = newcomer(&hub, None);
    assert_eq!(hub.enter(None, None, NOW).unwrap_err(), Refusal::Full);
    drop(one);
    assert!(hub.enter(None, None, NOW).is_ok());
    let unfed = Hub::new(1, Metrics::new().unwrap().live().clone());
    assert_eq!(unfed.enter(None, None, NOW).unwrap_err(), Refusal::Unfed);
}

#[test]
fn messages_are_bounded_and_read_back() {
    let long = |second| {
        let echo = Echo { transcript: Some("x".repeat(100_000)), ..echo(second, Emotion::Happy) };
        Happening { at: NOW, what: What::Echo(Box::new(echo)) }
    };
    let happenings: Vec<_> = (0..10).map(long).chain([gone(1, echo(1, Emotion::Sad).echo_id, None)]).collect();
    let messages = messages(&happenings);
    assert!(messages.len() > 1 && messages.iter().all(|message| message.len() <= 256 * 1024));
    let read: Vec<_> = messages.iter().flat_map(|message| message::read(message).unwrap()).collect();
    assert_eq!(read, happenings);
    let newer = String::from_utf8(messages[0].to_vec()).unwrap().replacen("\"v\":1", "\"v\":2", 1);
    for unknown in [newer.as_bytes(), b"", b"{}", &messages[0][1..], &vec![b' '; 1 << 20]] {
        assert!(message::read(unknown).is_none());
    }
}
