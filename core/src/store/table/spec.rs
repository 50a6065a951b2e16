//! The tables and indexes exactly as the design names them.

use std::fmt;

use aws_sdk_dynamodb::types::ProjectionType;
use echoes_shared::keys::schema;

/// A hash key and, where there is one, a range key. All keys are strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keys {
    pub hash: &'static str,
    pub range: Option<&'static str>,
}

impl Keys {
    /// The attributes.
    pub(super) fn names(self) -> Vec<&'static str> {
        std::iter::once(self.hash).chain(self.range).collect()
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(" and "))
    }
}

/// A global secondary index.
#[derive(Debug, Clone)]
pub(super) struct IndexSpec {
    pub name: &'static str,
    pub keys: Keys,
    /// The attributes beyond the keys; `None` projects all.
    pub include: Option<&'static [&'static str]>,
}

impl IndexSpec {
    pub(super) fn projection_type(&self) -> ProjectionType {
        if self.include.is_some() { ProjectionType::Include } else { ProjectionType::All }
    }
}

/// A table.
#[derive(Debug, Clone)]
pub(super) struct TableSpec<'a> {
    pub name: &'a str,
    pub keys: Keys,
    pub indexes: &'static [IndexSpec],
    /// Whether it has a stream of new and old images, which a global table needs.
    pub stream: bool,
}

/// What `userId-emotion-index` carries (design, *Keys*); bodies come by BatchGetItem.
const USER_EMOTION_ATTRIBUTES: &[&str] = &[schema::ECHO_ID, schema::EMOTION, "s3Url", "version", schema::TTL];

const ECHO_INDEXES: &[IndexSpec] = &[
    IndexSpec {
        name: schema::EMOTION_INDEX,
        keys: Keys { hash: schema::EMOTION, range: Some(schema::TIMESTAMP) },
        include: None,
    },
    IndexSpec { name: schema::ECHO_ID_INDEX, keys: Keys { hash: schema::ECHO_ID, range: None }, include: None },
    IndexSpec {
        name: schema::USER_EMOTION_INDEX,
        keys: Keys { hash: schema::USER_ID, range: Some(schema::EMOTION_TIMESTAMP) },
        include: Some(USER_EMOTION_ATTRIBUTES),
    },
    IndexSpec {
        name: schema::RECENT_INDEX,
        keys: Keys { hash: schema::RECENT, range: Some(schema::TIMESTAMP) },
        include: None,
    },
    IndexSpec {
        name: schema::RANDOM_INDEX,
        keys: Keys { hash: schema::RANDOM, range: Some(schema::LOT) },
        include: None,
    },
];

impl<'a> TableSpec<'a> {
    pub(super) fn echoes(name: &'a str) -> Self {
        let keys = Keys { hash: schema::USER_ID, range: Some(schema::TIMESTAMP) };
        Self { name, keys, indexes: ECHO_INDEXES, stream: true }
    }

    pub(super) fn ops(name: &'a str) -> Self {
        Self { name, keys: Self::plain_keys(), indexes: &[], stream: true }
    }

    pub(super) fn local(name: &'a str) -> Self {
        Self { name, keys: Self::plain_keys(), indexes: &[], stream: false }
    }

    fn plain_keys() -> Keys {
        Keys { hash: schema::PARTITION_KEY, range: Some(schema::SORT_KEY) }
    }

    /// Every attribute that is a key of the table or of an index, once.
    pub(super) fn key_attributes(&self) -> Vec<&'static str> {
        let all = std::iter::once(self.keys).chain(self.indexes.iter().map(|index| index.keys));
        let mut names: Vec<_> = all.flat_map(Keys::names).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_key_attributes_are_declared() {
        let expected = ["echoId", "emotion", "emotionTimestamp", "lot", "random", "recent", "timestamp", "userId"];
        assert_eq!(TableSpec::echoes("EchoesTable").key_attributes(), expected);
        assert_eq!(TableSpec::local("EchoesLocal").key_attributes(), ["pk", "sk"]);
    }
}
