//! What the store says of deletes, in the words of the caches.

use super::Change;
use crate::store::Gone;

impl From<Gone> for Change {
    fn from(Gone { user, echo, emotion, .. }: Gone) -> Self {
        Self { user, echo, emotion, gone: true }
    }
}
