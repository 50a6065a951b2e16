//! What happens, told to the live hubs of the region's other processes. Nothing of it is kept: who was away has a gap.

use ::redis::Pipeline;
use bytes::Bytes;
use tokio::sync::broadcast;

use super::Redis;
use super::hear::{self, Word};

/// What a worker says to those who listen, or that some of it may have been missed.
#[derive(Debug, Clone)]
pub enum LiveHeard {
    /// A message, as it was given to [`crate::cache::Cache::say_live`].
    Message(Bytes),
    /// Something was, or may have been, said that this process did not hear.
    Gap,
}

impl Redis {
    /// What the workers of other processes say from now on.
    pub(in crate::cache) fn hear_live(&self) -> broadcast::Receiver<LiveHeard> {
        self.ears.live.subscribe()
    }

    /// Says it to the other processes; answers whether Redis took it.
    pub(in crate::cache) async fn say_live(&self, said: &LiveHeard) -> bool {
        let Some(link) = &self.link else { return false };
        let Some(live) = link.live() else { return false };
        let message = match said {
            LiveHeard::Message(message) => hear::written(Some(&self.ears.me), Word::Live, message),
            LiveHeard::Gap => hear::written(Some(&self.ears.me), Word::LiveGap, b""),
        };
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.cmd("PUBLISH").arg(&link.names.live).arg(message);
        link.ask_within::<(u64,)>(&live, &pipeline, link.patience.handshake).await.is_ok()
    }
}
