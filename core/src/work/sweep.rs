//! Takes echoes that have aged out of the sparse `recent-index`.

use echoes_shared::Timestamp;

use super::Again;
use crate::config::WorkConfig;
use crate::store::{Store, StoreError};

/// The sweep of this region's own echoes.
#[derive(Debug)]
pub(super) struct Sweep {
    _store: Store,
}

impl Sweep {
    pub(super) fn new(store: Store, _config: &WorkConfig) -> Self {
        Self { _store: store }
    }

    /// One page of entries.
    pub(super) async fn pass(&self, _now: Timestamp) -> Result<Again, StoreError> {
        Ok(Again::Later)
    }

    /// What the rounds of this process have done.
    pub(super) fn report(&self) -> String {
        String::new()
    }
}
