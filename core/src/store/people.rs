//! Hot people: who they are is counted beside the writes, remembered for a while, and agreed on through `EchoesOps`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::ReturnValue;
use echoes_shared::{EchoId, Timestamp, UserId};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use super::meter::INDEXES;
use super::profile::{self, MAX_AGE_MILLIS, Profile};
use super::{Store, StoreError, item, ops};

/// People remembered at most; about 200 bytes each.
const MAX_PEOPLE: usize = 10_000;
/// Counts on their way at most. One more is left out, and logged: the count is rough by design.
const MAX_COUNTING: u32 = 32;
/// Milliseconds for which one caller alone refreshes a profile, so that a hot one is not read by all at once.
const CLAIM_MILLIS: u64 = 2_000;

/// What this process knows of people.
#[derive(Debug)]
pub(super) struct People {
    known: Cache<UserId, Arc<Known>>,
    counting: Arc<Semaphore>,
}

/// One person, as last read.
#[derive(Debug)]
pub(super) struct Known {
    pub profile: Profile,
    claimed_until_millis: AtomicU64,
}

impl Default for People {
    fn default() -> Self {
        Self { known: Cache::new(MAX_PEOPLE), counting: Arc::new(Semaphore::new(MAX_COUNTING as usize)) }
    }
}

impl People {
    fn keep(&self, user: &UserId, profile: Profile) -> Arc<Known> {
        let known = Arc::new(Known { profile, claimed_until_millis: AtomicU64::new(0) });
        self.known.insert(user.clone(), Arc::clone(&known));
        known
    }
}

impl Known {
    /// Whether this caller is the one to refresh it.
    fn claim(&self, now: Timestamp) -> bool {
        let until = now.plus_millis(CLAIM_MILLIS).millis();
        let free = |claimed: u64| (claimed <= now.millis() || claimed > until).then_some(until);
        self.claimed_until_millis.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_ok()
    }
}

impl Store {
    /// What is known of a person: from memory while that is fresh, else half a read unit.
    pub(super) async fn person(&self, user: &UserId, now: Timestamp) -> Result<Arc<Known>, StoreError> {
        let known = self.people.known.get(user);
        if let Some(known) = &known {
            let usable = known.profile.age_millis(now) < MAX_AGE_MILLIS;
            if known.profile.is_fresh(now) || usable && !known.claim(now) {
                return Ok(Arc::clone(known));
            }
        }
        match self.read_person(user, now).await {
            Ok(profile) => Ok(self.people.keep(user, profile)),
            Err(error) => {
                let usable = known.filter(|known| known.profile.age_millis(now) < MAX_AGE_MILLIS);
                let known = usable.ok_or_else(|| error.clone())?;
                tracing::warn!(%error, "a person's profile is used beyond its time");
                Ok(known)
            }
        }
    }

    async fn read_person(&self, user: &UserId, now: Timestamp) -> Result<Profile, StoreError> {
        let items = self.ops_partition(&profile::partition(user), false).await?;
        Ok(Profile::of_items(&items, now))
    }

    /// The base hash key of a new echo. The bucket's month is listed before its first echo, so that no reader misses it.
    pub(super) async fn home_of(&self, user: &UserId, id: EchoId, now: Timestamp) -> Result<String, StoreError> {
        let known = self.person(user, now).await?;
        let Some(month) = known.profile.bucket(id) else { return Ok(user.to_string()) };
        if !known.profile.lists(month) {
            self.put_ops_once(profile::month(user, month)).await?;
            self.people.keep(user, known.profile.with(month));
        }
        Ok(echoes_shared::keys::bucket_key(user, month))
    }

    /// Counts a new echo in the background; see [`Store::count_created`].
    pub fn note_created(&self, user: &UserId, id: EchoId, now: Timestamp) {
        if profile::weight(id) == 0 {
            return;
        }
        let Ok(permit) = Arc::clone(&self.people.counting).try_acquire_owned() else {
            tracing::warn!("an echo is left out of its person's count: too many are being counted");
            return;
        };
        let (store, user) = (self.clone(), user.clone());
        tokio::spawn(async move {
            if let Err(error) = store.count_created(&user, id, now).await {
                tracing::warn!(%error, "an echo is left out of its person's count");
            }
            drop(permit);
        });
    }

    /// Waits until everything that [`Store::note_created`] began has ended.
    pub async fn settled(&self) {
        // The semaphore is never closed.
        let _ = self.people.counting.acquire_many(MAX_COUNTING).await;
    }

    /// Counts a new echo of `user`, one in some for all, and marks a person who passes [`HOT_PERSON_ECHOES`]: from the first
    /// month that begins late enough for every region to have heard, their echoes go to a bucket for each month.
    ///
    /// A crash between count and marker is mended by the next echo counted.
    ///
    /// [`HOT_PERSON_ECHOES`]: echoes_shared::policy::HOT_PERSON_ECHOES
    pub async fn count_created(&self, user: &UserId, id: EchoId, now: Timestamp) -> Result<(), StoreError> {
        let weight = profile::weight(id);
        if weight == 0 {
            return Ok(());
        }
        let region = self.config.region;
        let request = self
            .client
            .update_item()
            .table_name(self.ops())
            .set_key(Some(profile::count_key(user, region)))
            .update_expression("ADD #n :weight")
            .expression_attribute_names("#n", profile::COUNTED)
            .expression_attribute_values(":weight", item::number(weight))
            .return_values(ReturnValue::UpdatedNew)
            .return_consumed_capacity(INDEXES);
        let output = self.call("UpdateItem", request.send()).await?;
        let own = output.attributes.and_then(|counted| ops::number(&counted, profile::COUNTED)).unwrap_or(weight);
        let profile = self.read_person(user, now).await?;
        if profile.calls_for_marker(region, own) {
            self.put_ops_once(profile::marker(user, region, now)).await?;
            self.people.known.remove(user);
        } else {
            self.people.keep(user, profile);
        }
        Ok(())
    }
}
