//! What is cached: the head of each list, and single echoes.

use std::fmt;

use echoes_shared::{EchoId, Emotion, UserId};

/// The name of a value. Lists are cached by their first hundred, which serve every smaller page.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// The head of one emotion's feed.
    Feed(Emotion),
    /// The head of the recent list.
    Recent,
    /// The head of one person's timeline.
    Timeline(UserId),
    /// The same of one emotion.
    TimelineOf(UserId, Emotion),
    /// One echo.
    Echo(EchoId),
}

impl fmt::Display for Key {
    /// `#` is in no userId, so no two keys are written alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feed(emotion) => write!(f, "feed:{emotion}"),
            Self::Recent => f.write_str("recent"),
            Self::Timeline(user) => write!(f, "timeline:{user}"),
            Self::TimelineOf(user, emotion) => write!(f, "timeline:{user}#{emotion}"),
            Self::Echo(id) => write!(f, "echo:{id}"),
        }
    }
}
