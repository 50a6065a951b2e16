//! An edit: what a person may change of an echo, each field by itself.

use std::collections::BTreeMap;

use super::{Echo, Location};

/// What an edit does to one field.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Change<T> {
    /// Nothing.
    #[default]
    Keep,
    /// Takes it away.
    Remove,
    /// Gives it this value.
    Set(T),
}

impl<T: Clone + PartialEq> Change<T> {
    /// Whether the field has become what the change makes of it.
    fn is_done(&self, field: Option<&T>) -> bool {
        match self {
            Self::Keep => true,
            Self::Remove => field.is_none(),
            Self::Set(value) => field == Some(value),
        }
    }
}

/// The body of `PATCH /v1/echoes/{echoId}`, checked; it changes at least one field. See [`crate::validate::edit`].
///
/// No field of it is part of a key, so an edited echo stays where it lies.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EchoEdit {
    /// Where it was said.
    pub location: Change<Location>,
    /// At most 10 tags of 1–32 characters.
    pub tags: Change<Vec<String>>,
    /// What was said, at most 5,000 characters.
    pub transcript: Change<String>,
    /// The mood a model heard, 1–32 characters.
    pub detected_mood: Change<String>,
    /// At most 20 pairs.
    pub metadata: Change<BTreeMap<String, String>>,
}

impl EchoEdit {
    /// Whether the echo is already as this edit makes it.
    pub fn is_done(&self, echo: &Echo) -> bool {
        self.location.is_done(echo.location.as_ref())
            && self.tags.is_done(echo.tags.as_ref())
            && self.transcript.is_done(echo.transcript.as_ref())
            && self.detected_mood.is_done(echo.detected_mood.as_ref())
            && self.metadata.is_done(echo.metadata.as_ref())
    }
}
