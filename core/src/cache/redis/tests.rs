//! The tier against real `redis-server` processes, and faults on the way to them.

mod chaos;
mod faults;
mod lives;
mod looks;
mod messages;
mod ordinary;
mod refusals;
mod server;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use echoes_shared::Region;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

use super::link::Live;
use super::patience::Patience;
use super::{Begin, Heard, Kept, Lease, Look, Redis, Stamp};
use crate::cache::RedisUrl;
use crate::metrics::Metrics;

/// What comes within seconds when it comes at all, on however busy a machine.
const SECONDS: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_secs(60);

/// Deadlines that a busy machine keeps, and short pauses.
const CALM: Patience = Patience {
    command: Duration::from_secs(10),
    handshake: Duration::from_secs(20),
    beat: Duration::from_millis(100),
    first_pause: Duration::from_millis(10),
    last_pause: Duration::from_millis(200),
};

/// One process's tier.
fn process(url: &str, patience: Patience) -> Redis {
    Redis::patient(&RedisUrl(url.to_owned()), Region::EuWest1, Metrics::new().unwrap(), patience)
}

impl Redis {
    async fn until_there(self) -> Self {
        self.there_again().await;
        self
    }

    async fn there_again(&self) -> Arc<Live> {
        let mut changes = self.link.as_ref().unwrap().changes();
        let live = timeout(SECONDS, changes.wait_for(Option::is_some)).await.expect("Redis comes back in seconds");
        live.unwrap().clone().unwrap()
    }

    async fn until_away(&self) {
        let mut changes = self.link.as_ref().unwrap().changes();
        timeout(SECONDS, changes.wait_for(Option::is_none)).await.expect("it is noticed in seconds").unwrap();
    }

    fn is_away(&self) -> bool {
        self.there().is_none()
    }

    /// Loads a key and keeps `value` for it.
    async fn fill(&self, key: &str, value: &'static str) -> Stamp {
        let (stamp, lease) = self.begin(key).await.load();
        assert_eq!(self.keep(key, stamp, Some(&lease), value.into(), MINUTE).await, Kept::Yes);
        stamp
    }

    /// Whether Redis is there and holds nothing for a key.
    async fn is_empty(&self, key: &str) -> bool {
        matches!(self.look(key).await, Look::Unknown | Look::Known { value: None, .. })
    }

    /// What counts under a key: a value only where it was kept under the stamp of now.
    async fn counts(&self, key: &str, under: Stamp) -> Option<Bytes> {
        match self.look(key).await {
            Look::Known { stamp, value, .. } => value.filter(|_| stamp == under),
            Look::Unknown | Look::Away => None,
        }
    }
}

impl Begin {
    fn load(self) -> (Stamp, Lease) {
        match self {
            Self::Load { stamp, lease, .. } => (stamp, lease),
            other => panic!("expected to load: {other:?}"),
        }
    }
}

/// The next thing heard that is `wanted`.
async fn heard(listener: &mut Receiver<Heard>, wanted: impl Fn(&Heard) -> bool) {
    let hear = async { while !wanted(&listener.recv().await.unwrap()) {} };
    timeout(SECONDS, hear).await.expect("it is heard");
}

fn is_gap(heard: &Heard) -> bool {
    matches!(heard, Heard::Gap)
}

fn is_filled(key: &str) -> impl Fn(&Heard) -> bool {
    move |heard| matches!(heard, Heard::Filled(filled) if filled == key)
}

fn is_message(text: &str) -> impl Fn(&Heard) -> bool {
    move |heard| matches!(heard, Heard::Message(message) if *message == *text)
}
