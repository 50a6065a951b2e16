//! The settings of shards as this process knows them: read every few seconds, confirmed for the region, never too old.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echoes_shared::policy::REQUEST_DEADLINE_MILLIS;
use echoes_shared::{EchoId, Emotion, Timestamp, keys};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::MissedTickBehavior;

use super::super::meter::INDEXES;
use super::super::{Store, StoreError, item};
use super::{PARTITION, READ, Settings, ShardedList, confirmation_key};

/// Milliseconds after which the settings are read again, beside the request that finds them so.
const REFRESH_AFTER_MILLIS: u64 = 3_000;
/// Milliseconds after which a request waits for that.
const MAX_AGE_MILLIS: u64 = 10_000;
/// Milliseconds for which the settings are left alone after they could not be read; longer than one call may take, so that
/// those who waited for it do not try one after another.
const RETRY_AFTER_MILLIS: u64 = 3_000;

/// How often an idle core reads the settings, so that a growth never waits for its next request.
pub const TICK: Duration = Duration::from_millis(REFRESH_AFTER_MILLIS);
/// Seconds from a region's confirmation until every process of the region reads as many shards: one that knows less is no
/// older than `MAX_AGE_MILLIS`, and a request that began with less has ended.
pub const SETTLE_SECONDS: u64 = 15;
const _: () = assert!(SETTLE_SECONDS * 1_000 > MAX_AGE_MILLIS + REQUEST_DEADLINE_MILLIS);

/// What this process knows of shards.
#[derive(Debug, Default)]
pub(in crate::store) struct Shards {
    known: Mutex<State>,
    /// Held while the settings are read, so that they are read once.
    reading: Arc<AsyncMutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    settings: Option<Arc<Settings>>,
    /// Why they could not be read, and until when nobody tries again, in milliseconds since the epoch.
    failure: Option<(StoreError, u64)>,
}

impl Shards {
    /// A lock whose holder panicked still guards whole values.
    fn state(&self) -> MutexGuard<'_, State> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> Option<Arc<Settings>> {
        self.state().settings.clone()
    }
}

/// What a request does about the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Course {
    /// Takes what is known.
    Serve(Arc<Settings>),
    /// The same, and has them read again beside.
    ServeAndRead(Arc<Settings>),
    /// Waits until they were read.
    Read,
}

impl State {
    fn course(&self, now: Timestamp) -> Course {
        let Some(settings) = self.settings.clone() else { return Course::Read };
        let retry_at = self.failure.as_ref().map(|(_, until)| *until);
        let age_millis = settings.age_millis(now);
        if age_millis < REFRESH_AFTER_MILLIS || retry_at.is_some_and(|at| now.millis() < at) {
            return Course::Serve(settings);
        }
        // While the table hangs, somebody is nearly always reading: whoever waited for that would wait for nothing. A failure of
        // long ago, in a process that does not read by itself, says nothing of now.
        let failed_lately = retry_at.is_some_and(|at| now.millis() < at.saturating_add(RETRY_AFTER_MILLIS));
        if age_millis < MAX_AGE_MILLIS || failed_lately { Course::ServeAndRead(settings) } else { Course::Read }
    }
}

impl Settings {
    fn age_millis(&self, now: Timestamp) -> u64 {
        now.millis().abs_diff(self.read_at.millis())
    }
}

impl Store {
    /// Shards of a list to read.
    pub(in crate::store) async fn shards_to_read(
        &self,
        list: ShardedList,
        now: Timestamp,
    ) -> Result<u16, StoreError> {
        Ok(self.shard_settings(now).await?.of(list).to_read())
    }

    /// The hash key of an echo in `emotion-timestamp-index`.
    ///
    /// Where the settings are not known at all the first shard is right: every reader reads it.
    pub(in crate::store) async fn feed_key(&self, emotion: Emotion, id: EchoId, now: Timestamp) -> String {
        let shards = self.shards_to_write(ShardedList::Feed(emotion), now).await;
        keys::shard_key(emotion.as_str(), keys::shard_of(id, shards))
    }

    /// The hash key of an echo in `recent-index`; `None` for one too old to be in it.
    pub(in crate::store) async fn recent_key(&self, id: EchoId, now: Timestamp) -> Option<String> {
        let month = keys::recent_key(id.timestamp(), now)?;
        let shards = self.shards_to_write(ShardedList::Recent, now).await;
        Some(keys::shard_key(&month, keys::shard_of(id, shards)))
    }

    async fn shards_to_write(&self, list: ShardedList, now: Timestamp) -> u16 {
        self.shard_settings(now).await.map_or(1, |settings| settings.of(list).to_write())
    }

    /// The settings: from memory while they are fresh; while they age, from memory too and read again beside; once they are
    /// old, after they were read again, unless that has just failed.
    ///
    /// Where it fails, what is known serves on. To writes this does no harm: fewer shards are some of those that all
    /// read. A reader may miss what was written to shards that it has not heard of; that takes a growth within the time in
    /// which its `EchoesOps` is away and its `EchoesTable` is not, after it, or a neighbour, confirmed.
    async fn shard_settings(&self, now: Timestamp) -> Result<Arc<Settings>, StoreError> {
        let course = self.shards.state().course(now);
        match course {
            Course::Serve(settings) => Ok(settings),
            Course::ServeAndRead(settings) => {
                if let Ok(turn) = Arc::clone(&self.shards.reading).try_lock_owned() {
                    // A task of its own, so that a caller who goes away does not end it.
                    let store = self.clone();
                    tokio::spawn(async move {
                        // The failure is logged where it is met.
                        let _ = store.read_shards(now).await;
                        drop(turn);
                    });
                }
                Ok(settings)
            }
            Course::Read => {
                let _turn = self.shards.reading.lock().await;
                self.reread_shards(now).await
            }
        }
    }

    /// Reads the settings unless another caller just did, or just failed to.
    async fn reread_shards(&self, now: Timestamp) -> Result<Arc<Settings>, StoreError> {
        let known = self.shards.settings();
        if let Some(settings) = known.as_ref().filter(|settings| settings.age_millis(now) < MAX_AGE_MILLIS) {
            return Ok(Arc::clone(settings));
        }
        let failure = self.shards.state().failure.clone();
        let read = match failure.filter(|(_, until)| now.millis() < *until) {
            Some((error, _)) => Err(error),
            None => self.read_shards(now).await,
        };
        read.or_else(|error| known.ok_or(error))
    }

    /// Reads the settings, keeps them, and confirms for the region what is read from now on.
    async fn read_shards(&self, now: Timestamp) -> Result<Arc<Settings>, StoreError> {
        // Consistently: whoever reads after a neighbour confirmed must see what that one saw.
        let items = self.ops_partition(PARTITION, true).await;
        let settings = match items {
            Ok(items) => {
                let mut state = self.shards.state();
                let read = Settings::of_items(&items, now);
                let read = match &state.settings {
                    Some(earlier) => read.grown_from(earlier),
                    None => read,
                };
                let settings = Arc::new(read);
                *state = State { settings: Some(Arc::clone(&settings)), failure: None };
                settings
            }
            Err(error) => {
                tracing::warn!(%error, "the settings of shards were not read");
                let until = now.plus_millis(RETRY_AFTER_MILLIS).millis();
                self.shards.state().failure = Some((error.clone(), until));
                return Err(error);
            }
        };
        for (list, shards) in settings.unconfirmed_by(self.config.region) {
            if let Err(error) = self.confirm_shards(list, shards).await {
                tracing::warn!(%error, %list, shards, "a number of shards was not confirmed; the next reading tries again");
            }
        }
        Ok(settings)
    }

    /// Says for this region that it reads so many shards.
    async fn confirm_shards(&self, list: ShardedList, shards: u16) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(self.ops())
            .set_key(Some(confirmation_key(list, self.config.region)))
            .update_expression("SET #read = :shards")
            .condition_expression("attribute_not_exists(#read) OR #read < :shards")
            .expression_attribute_names("#read", READ)
            .expression_attribute_values(":shards", item::number(shards))
            .return_consumed_capacity(INDEXES);
        self.update_ops(request).await.map(|_| ())
    }

    /// Reads the settings if this process has not read them yet: without them no list can be read, so until then it is not ready.
    pub async fn know_shards(&self, now: Timestamp) -> Result<(), StoreError> {
        if self.shards.settings().is_some() {
            return Ok(());
        }
        let _turn = self.shards.reading.lock().await;
        self.read_shards(now).await.map(|_| ())
    }

    /// Reads the settings every [`TICK`] until `stop` turns true or its sender is gone, so that an idle core confirms too.
    pub async fn keep_settings_fresh(self, clock: fn() -> Timestamp, mut stop: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = async { drop(stop.wait_for(|stops| *stops).await) } => return,
                _ = tick.tick() => {
                    let _turn = self.shards.reading.lock().await;
                    // The failure is logged where it is met, and the next tick tries again.
                    let _ = self.read_shards(clock()).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_table_that_hangs() {
        let now = Timestamp::from_millis(1_795_388_393_372);
        let mut state = State::default();
        assert_eq!(state.course(now), Course::Read);
        let known = Arc::new(Settings::of_items(&[], now));
        state.settings = Some(Arc::clone(&known));
        let course = |state: &State, millis| state.course(now.plus_millis(millis));
        assert_eq!(course(&state, REFRESH_AFTER_MILLIS - 1), Course::Serve(Arc::clone(&known)));
        assert_eq!(course(&state, MAX_AGE_MILLIS - 1), Course::ServeAndRead(Arc::clone(&known)));
        assert_eq!(course(&state, MAX_AGE_MILLIS), Course::Read);
        let retry_at = now.plus_millis(60_000);
        let error = StoreError::Refused { operation: "Query", cause: "hangs".to_owned() };
        state.failure = Some((error, retry_at.millis()));
        assert_eq!(course(&state, 59_999), Course::Serve(Arc::clone(&known)));
        assert_eq!(course(&state, 60_000), Course::ServeAndRead(Arc::clone(&known)));
        assert_eq!(course(&state, 60_000 + RETRY_AFTER_MILLIS), Course::Read, "it may be back for long");
        state.settings = None;
        assert_eq!(course(&state, 0), Course::Read);
    }
}
