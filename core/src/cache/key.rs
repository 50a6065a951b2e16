//! What is cached: the head of each list, and single echoes.

use std::fmt;

use echoes_shared::{EchoId, Emotion, UserId};

use super::Change;

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

impl Change {
    /// Every value that the change is seen in: the echo, and each list that could hold it.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        let emotions = match &self.emotion {
            Some(emotion) => std::slice::from_ref(emotion),
            None => Emotion::ALL,
        };
        let of_emotions = emotions.iter().flat_map(|&emotion| {
            let timeline = Key::TimelineOf(self.user.clone(), emotion);
            [Key::Feed(emotion), timeline]
        });
        [Key::Echo(self.echo), Key::Timeline(self.user.clone()), Key::Recent].into_iter().chain(of_emotions)
    }
}

impl Change {
    /// The echo and the lists of its person alone.
    pub(super) fn own_keys(&self) -> impl Iterator<Item = Key> {
        let of_emotions = Emotion::ALL.iter().map(|&emotion| Key::TimelineOf(self.user.clone(), emotion));
        [Key::Echo(self.echo), Key::Timeline(self.user.clone())].into_iter().chain(of_emotions)
    }
}

/// Every list that could hold an echo of this person.
pub(super) fn lists_of(user: &UserId) -> impl Iterator<Item = Key> {
    let of_emotions = |&emotion| [Key::Feed(emotion), Key::TimelineOf(user.clone(), emotion)];
    [Key::Timeline(user.clone()), Key::Recent].into_iter().chain(Emotion::ALL.iter().flat_map(of_emotions))
}
