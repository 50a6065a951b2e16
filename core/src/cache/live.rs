//! The way between a worker and the live hubs of its region's other processes: these caches' own connection to Redis.

use tokio::sync::broadcast;

use super::{Cache, LiveHeard};

impl Cache {
    /// Whether the region has processes that are told through Redis.
    pub fn has_others(&self) -> bool {
        self.0.redis.is_some()
    }

    /// What the workers of the region's other processes say from now on; `None` without Redis. The first word is a gap.
    pub fn hear_live(&self) -> Option<broadcast::Receiver<LiveHeard>> {
        self.0.redis.as_ref().map(super::Redis::hear_live)
    }

    /// Says something to the region's other processes; answers whether Redis took it.
    pub async fn say_live(&self, said: &LiveHeard) -> bool {
        match &self.0.redis {
            Some(redis) => redis.say_live(said).await,
            None => false,
        }
    }

    /// Returns when Redis is there; never, without one.
    pub async fn redis_is_there(&self) {
        match &self.0.redis {
            Some(redis) => redis.connected().await,
            None => std::future::pending().await,
        }
    }
}
