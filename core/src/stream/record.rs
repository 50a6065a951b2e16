//! What a stream says of one change of one item.

use std::cmp::Ordering;
use std::fmt;

use echoes_shared::{Echo, EchoId, Emotion, Timestamp};
use serde::{Deserialize, Serialize};

/// A position in a shard: a decimal number of up to 40 digits, compared as a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Sequence(String);

impl TryFrom<String> for Sequence {
    type Error = &'static str;

    fn try_from(digits: String) -> Result<Self, Self::Error> {
        Self::parse(&digits).ok_or("a sequence is a decimal number")
    }
}

impl Sequence {
    /// The number as it came; `None` where it is none.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self(digits.to_owned()))
    }

    /// As it came, which is how the stream wants it back.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn significant(&self) -> &str {
        self.0.trim_start_matches('0')
    }
}

impl Ord for Sequence {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.significant(), other.significant());
        a.len().cmp(&b.len()).then_with(|| a.cmp(b)).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Sequence {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// No shard of a stream is called so.
const LETTER: &str = "letter:";

/// A shard's name, at most 65 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(String);

impl ShardId {
    /// A shard of that name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name of its own that a record has which was set aside under `key`, when its sink is given it once more.
    #[must_use]
    pub fn of_letter(key: &str) -> Self {
        Self(format!("{LETTER}{key}"))
    }

    /// Whether a shard of that name is one record that was set aside.
    #[must_use]
    pub fn is_letter(name: &str) -> bool {
        name.starts_with(LETTER)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a delete left in an echo's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// When the delete was taken.
    pub deleted_at: Timestamp,
    /// The emotion of the echo; an old tombstone does not tell.
    pub was: Option<Emotion>,
}

/// What lay in an item's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Image {
    /// An echo, expired or not.
    Echo(Box<Echo>),
    /// What a delete left.
    Tombstone(Tombstone),
}

impl Image {
    /// The echo, if it is one.
    #[must_use]
    pub fn echo(&self) -> Option<&Echo> {
        match self {
            Self::Echo(echo) => Some(echo),
            Self::Tombstone(_) => None,
        }
    }
}

/// One change of one item. Several writes of one item may arrive as one record (facts, *DynamoDB*).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in its shard.
    pub sequence: Sequence,
    /// When it was made, to the second.
    pub at: Timestamp,
    /// The item's hash key: the person's, or a bucket's.
    pub hash: String,
    /// The echo that the item's range key names.
    pub echo: EchoId,
    /// What lay there before; `None` where nothing did.
    pub old: Option<Image>,
    /// What lies there now; `None` where nothing does.
    pub new: Option<Image>,
    /// The item was removed because its time was up, as only the region tells where that happened.
    pub expired: bool,
}

impl Record {
    /// The echo that lay there before.
    #[must_use]
    pub fn old_echo(&self) -> Option<&Echo> {
        self.old.as_ref().and_then(Image::echo)
    }

    /// The echo that lies there now.
    #[must_use]
    pub fn new_echo(&self) -> Option<&Echo> {
        self.new.as_ref().and_then(Image::echo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_compare_as_numbers() {
        let sequence = |digits| Sequence::parse(digits).unwrap();
        assert!(sequence("9") < sequence("10"));
        assert!(sequence("000000000000000000009") < sequence("10"));
        assert!(
            sequence("99999999999999999999999999999999999998") < sequence("99999999999999999999999999999999999999")
        );
        for odd in ["", "-1", "1.5", "x", " 1"] {
            assert_eq!(Sequence::parse(odd), None, "{odd}");
        }
    }
}
