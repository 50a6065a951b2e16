//! What a process knows of who was erased: a look before each create, believed for a few seconds.

use std::sync::Arc;

use echoes_shared::{EchoId, Timestamp, UserId};
use quick_cache::sync::Cache;

use super::decision::{Erasure, SURE_MILLIS};
use crate::store::{Store, StoreError};

/// Milliseconds for which a look is believed.
const BELIEVED_MILLIS: u64 = 5_000;
/// People of whom something is known at a time; at 128 bytes of name each, about 4 MB.
const PEOPLE: usize = 20_000;

const _: () = assert!(BELIEVED_MILLIS < SURE_MILLIS);

/// The latest looks.
#[derive(Debug, Clone)]
pub(in crate::store) struct Known(Arc<Cache<UserId, Look>>);

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Timestamp,
    up_to: Option<Timestamp>,
}

impl Default for Known {
    fn default() -> Self {
        Self(Arc::new(Cache::new(PEOPLE)))
    }
}

impl Known {
    /// The next create looks again.
    pub(super) fn forget(&self, user: &UserId) {
        self.0.remove(user);
    }

    fn believed(&self, user: &UserId, now: Timestamp) -> Option<Look> {
        // A clock that was set back makes a look too old, not young for long.
        let age_millis = |look: &Look| now.millis_since(look.at).max(look.at.millis_since(now));
        self.0.get(user).filter(|look| age_millis(look) < BELIEVED_MILLIS)
    }
}

impl Store {
    /// Whether an echo of `user` with this id is one that was erased: its create is as one that came before, and since deleted.
    ///
    /// Costs half a read unit and a round trip where nothing was known of the person, else nothing.
    pub(in crate::store) async fn is_erased(
        &self,
        user: &UserId,
        id: EchoId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let look = match self.known.believed(user, now) {
            Some(look) => look,
            None => {
                let records = self.erasure_records(user, false, now).await?;
                let erasure = Erasure { own: self.config.region, regions: &self.config.regions, records: &records };
                let look = Look { at: now, up_to: erasure.request().map(|(up_to, _)| up_to) };
                self.known.0.insert(user.clone(), look);
                look
            }
        };
        Ok(look.up_to.is_some_and(|up_to| id.timestamp() <= up_to))
    }
}
