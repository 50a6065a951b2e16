//! What the store says of writes, in the words of the caches.

use echoes_shared::Echo;

use super::Change;
use crate::store::Gone;

impl From<Gone> for Change {
    fn from(Gone { user, echo, emotion, .. }: Gone) -> Self {
        Self { user, echo, emotion, gone: true }
    }
}

impl From<&Echo> for Change {
    /// An echo that was created or edited.
    fn from(echo: &Echo) -> Self {
        Self { user: echo.user_id.clone(), echo: echo.echo_id, emotion: Some(echo.emotion), gone: false }
    }
}
