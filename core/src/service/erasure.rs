//! Erasing a person, and saying how far that is.

use echoes_shared::{Problem, Slug, Timestamp, UserId, wire};
use serde::Serialize;

use super::{Service, ServiceError};
use crate::store::ErasureStatus;

/// The body of both answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    status: &'static str,
    status_url: &'static str,
}

impl From<ErasureStatus> for Erasure {
    fn from(status: ErasureStatus) -> Self {
        let status = match status {
            ErasureStatus::Running => "running",
            ErasureStatus::Done => "done",
        };
        Self { status, status_url: wire::pattern::ERASURE }
    }
}

impl Service {
    /// Begins to erase `user`: every echo that there is now.
    pub async fn erase(&self, user: &UserId, now: Timestamp) -> Result<Erasure, ServiceError> {
        let up_to = self.store.erase(user, now).await?;
        self.pools.forget_person(user, up_to, now);
        self.cache.forget_person(user, up_to);
        Ok(ErasureStatus::Running.into())
    }

    /// How far the erasure of `user` is.
    pub async fn erasure(&self, user: &UserId, now: Timestamp) -> Result<Erasure, ServiceError> {
        let status = self.store.erasure(user, now).await?;
        let none = || Problem::new(Slug::NotFound, "there is no erasure, or it was done more than eight days ago");
        Ok(status.map(Erasure::from).ok_or_else(none)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use echoes_shared::policy::CORE_MEMORY_SECONDS;

    use crate::cache::Lifetimes;

    #[test]
    fn an_erasure_settles_for_as_long_as_memory_may_show_what_is_gone() {
        assert_eq!(Lifetimes::default().untold(), Duration::from_secs(CORE_MEMORY_SECONDS));
    }
}
