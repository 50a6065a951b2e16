//! Where an echo's item lies: under its person or a bucket of that, in a shard of its emotion and of its month.

use echoes_shared::keys;
use echoes_shared::{Echo, EchoId, Timestamp, UserId};

use super::{Store, StoreError};

/// The hash keys of a new echo's item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    /// Of the table: the person, or the person's bucket of a month.
    pub person: String,
    /// Of `emotion-timestamp-index`.
    pub emotion: String,
    /// Of `recent-index`; `None` for an echo too old to be in it.
    pub recent: Option<String>,
}

impl Store {
    /// Where a new echo goes.
    pub(super) async fn placement(&self, echo: &Echo, now: Timestamp) -> Result<Placement, StoreError> {
        Ok(Placement {
            person: self.home_of(&echo.user_id, echo.echo_id, now).await?,
            emotion: echo.emotion.to_string(),
            recent: keys::recent_key(echo.timestamp, now),
        })
    }

    /// The base hash keys under which an echo of `user` may lie, the likeliest first.
    pub(super) async fn hash_keys(
        &self,
        user: &UserId,
        id: EchoId,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        Ok(self.person(user, now).await?.profile.hash_keys(user, id))
    }
}
