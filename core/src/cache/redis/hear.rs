//! What the processes of a region tell each other through Redis: changes, values that have just been filled, and what listeners hear.

use std::sync::Arc;

use ::redis::aio::{PubSubSink, PubSubStream};
use ::redis::{Msg, RedisError};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::broadcast;
use tokio::time::{sleep, timeout};

use super::Heard;
use super::link::{Link, Live};
use super::live::LiveHeard;
use super::patience::Pauses;

/// Messages that a listener may be behind before it misses some, which it is told.
const MESSAGES_BEHIND: usize = 1_024;
/// The same of live messages, which may be larger.
const LIVE_BEHIND: usize = 64;

/// A process, among those of its region.
pub(super) type Process = [u8; 16];

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// A change, as the caller wrote it.
    Change,
    /// A key has a value, or nobody loads it any more.
    Filled,
    /// So much changed that nothing counts.
    Everything,
    /// What happened, for those who listen.
    Live,
    /// Some of that may have been missed.
    LiveGap,
}

/// A message as it is sent: who says it, what it is about, the rest. What is for the sender too has no sender.
pub(super) fn written(from: Option<&Process>, word: Word, rest: &[u8]) -> Vec<u8> {
    [from.map_or(&[0; 16][..], |from| from), &[word.letter()], rest].concat()
}

/// A message as it is heard, by the caches or by those who listen.
#[derive(Debug)]
enum Said {
    Cache(Heard),
    Live(LiveHeard),
}

/// None where it is this process's own, or of a format that it does not know.
fn read(message: &[u8], me: &Process) -> Option<Said> {
    let (from, rest) = message.split_first_chunk::<16>()?;
    let (letter, rest) = rest.split_first()?;
    if from == me {
        return None;
    }
    match letter {
        b'c' => Some(Said::Cache(Heard::Message(Bytes::copy_from_slice(rest)))),
        b'f' => Some(Said::Cache(Heard::Filled(std::str::from_utf8(rest).ok()?.to_owned()))),
        b'e' => Some(Said::Cache(Heard::Gap)),
        b'l' => Some(Said::Live(LiveHeard::Message(Bytes::copy_from_slice(rest)))),
        b'g' => Some(Said::Live(LiveHeard::Gap)),
        _ => None,
    }
}

/// Who hears in this process. Nobody hearing is no failure.
#[derive(Debug, Clone)]
pub(super) struct Ears {
    pub me: Process,
    pub heard: broadcast::Sender<Heard>,
    pub live: broadcast::Sender<LiveHeard>,
}

impl Ears {
    pub(super) fn new(me: Process) -> Self {
        Self { me, heard: broadcast::Sender::new(MESSAGES_BEHIND), live: broadcast::Sender::new(LIVE_BEHIND) }
    }

    fn hear(&self, message: &[u8]) {
        match read(message, &self.me) {
            Some(Said::Cache(heard)) => drop(self.heard.send(heard)),
            Some(Said::Live(heard)) => drop(self.live.send(heard)),
            None => {}
        }
    }

    fn miss(&self) {
        let _ = self.heard.send(Heard::Gap);
        let _ = self.live.send(LiveHeard::Gap);
    }
}

impl Word {
    const fn letter(self) -> u8 {
        match self {
            Self::Change => b'c',
            Self::Filled => b'f',
            Self::Everything => b'e',
            Self::Live => b'l',
            Self::LiveGap => b'g',
        }
    }
}

/// Listens for ever. Each connection of the link brings a new subscription, so both always lead to the same Redis; and each
/// new subscription a [`Heard::Gap`], for nobody knows what was said before it.
pub(super) async fn listen(link: Arc<Link>, ears: Ears) {
    let mut pauses = Pauses::new(&link.patience);
    let mut changes = link.changes();
    let mut silent = false;
    loop {
        let Ok(Some(live)) = changes.wait_for(Option::is_some).await.map(|live| live.clone()) else { return };
        let subscribed = timeout(link.patience.handshake, subscribe(&link)).await;
        if !matches!(subscribed, Ok(Ok(_))) && !silent {
            let why = match &subscribed {
                Ok(Err(error)) => error.to_string(),
                _ => "it does not answer in time".to_owned(),
            };
            tracing::warn!(why, "what other processes say cannot be heard: their changes are shown late");
        }
        silent = !matches!(subscribed, Ok(Ok(_)));
        if let Ok(Ok((sink, stream))) = subscribed {
            ears.miss();
            pauses.forget();
            pass_on(&link, live.number, sink, stream, |message| ears.hear(message)).await;
        }
        sleep(pauses.next()).await;
    }
}

async fn subscribe(link: &Link) -> Result<(PubSubSink, PubSubStream), RedisError> {
    let (mut sink, stream) = link.client.get_async_pubsub().await?.split();
    sink.subscribe(&[&link.names.channel, &link.names.live]).await?;
    Ok((sink, stream))
}

/// Until the subscription ends, no longer answers, or the link leads elsewhere.
async fn pass_on(link: &Link, number: u64, mut sink: PubSubSink, mut stream: PubSubStream, say: impl Fn(&[u8])) {
    let mut changes = link.changes();
    let elsewhere = |live: &Option<Arc<Live>>| live.as_ref().is_some_and(|live| live.number != number);
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(message) => say(Msg::get_payload_bytes(&message)),
                None => return,
            },
            () = async { let _ = changes.wait_for(elsewhere).await; } => return,
            // A connection that was cut off without a word would be silent for ever.
            () = sleep(link.patience.beat) => {
                if !matches!(timeout(link.patience.handshake, sink.ping::<::redis::Value>()).await, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_heard_by_others_only_and_garbage_by_nobody() {
        let (me, other) = ([1; 16], [2; 16]);
        let change = written(Some(&me), Word::Change, b"what");
        assert!(matches!(read(&change, &other), Some(Said::Cache(Heard::Message(rest))) if rest == "what"));
        assert!(read(&change, &me).is_none());
        let filled = written(Some(&me), Word::Filled, b"key");
        assert!(matches!(read(&filled, &other), Some(Said::Cache(Heard::Filled(key))) if key == "key"));
        assert!(matches!(read(&written(None, Word::Everything, b""), &me), Some(Said::Cache(Heard::Gap))));
        let live = written(Some(&me), Word::Live, b"news");
        assert!(matches!(read(&live, &other), Some(Said::Live(LiveHeard::Message(rest))) if rest == "news"));
        assert!(read(&live, &me).is_none());
        assert!(matches!(read(&written(Some(&me), Word::LiveGap, b""), &other), Some(Said::Live(LiveHeard::Gap))));
        for garbage in [&b""[..], &[0; 15], &[0; 16], &[9; 40], &written(Some(&me), Word::Filled, b"\xff")] {
            assert!(read(garbage, &other).is_none(), "{garbage:?}");
        }
    }
}
