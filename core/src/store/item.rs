//! Echoes and tombstones as DynamoDB items, and back.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::echo::Change;
use echoes_shared::keys::{self, schema};
use echoes_shared::policy::TOMBSTONE_DAYS;
use echoes_shared::{Echo, EchoEdit, EchoId, Emotion, Location, Region, Timestamp};

use super::placement::Placement;

/// An item's attributes by name.
pub(super) type Item = HashMap<String, AttributeValue>;

const S3_URL: &str = "s3Url";
const LOCATION: &str = "location";
const LAT: &str = "lat";
const LNG: &str = "lng";
const TAGS: &str = "tags";
const TRANSCRIPT: &str = "transcript";
const DETECTED_MOOD: &str = "detectedMood";
const METADATA: &str = "metadata";
pub(super) const VERSION: &str = "version";
pub(super) const ORIGIN: &str = "origin";
pub(super) const UPDATED_AT: &str = "updatedAt";
/// The hash of what was posted; it never leaves the store.
const CONTENT_HASH: &str = "contentHash";
/// Only a tombstone has it.
pub(super) const DELETED_AT: &str = "deletedAt";
/// The emotion of the echo whose place a tombstone took. No index knows the name.
const WAS: &str = "was";

/// What lies under a base key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stored {
    /// An echo, expired or not, and the hash of what was posted.
    Echo(Box<Echo>, Option<String>),
    /// What a delete left; it counts until the epoch second of its `ttl`, swept or not. An old one does not tell which emotion
    /// the echo had.
    Tombstone { ttl: u64, was: Option<Emotion> },
}

/// An item that is neither an echo nor a tombstone; it names the attribute.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Corrupt(pub &'static str);

pub(super) fn string(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The base key of an echo under a hash key: its person's, or a bucket's.
pub(super) fn base_key(hash: &str, echo: EchoId) -> Item {
    let parts = [(schema::USER_ID, string(hash)), (schema::TIMESTAMP, string(keys::sort_key(echo)))];
    parts.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The item of an echo. Without the hash of what was posted, a repeat of its create cannot be told from a clash.
pub(super) fn of_echo(echo: &Echo, content_hash: Option<&str>, place: &Placement) -> Item {
    let mut item = base_key(&place.person, echo.echo_id);
    let mut put = |name: &str, value: AttributeValue| {
        item.insert(name.to_owned(), value);
    };
    put(schema::EMOTION, string(&place.emotion));
    put(schema::RANDOM, string(echo.emotion.as_str()));
    put(schema::LOT, string(keys::lot(echo.echo_id)));
    put(schema::ECHO_ID, string(echo.echo_id.to_string()));
    put(schema::EMOTION_TIMESTAMP, string(keys::emotion_sort_key(echo.emotion, echo.echo_id)));
    if let Some(key) = &place.recent {
        put(schema::RECENT, string(key));
    }
    if let Some(url) = &echo.s3_url {
        put(S3_URL, string(url));
    }
    if let Some(place) = &echo.location {
        put(LOCATION, of_location(place));
    }
    if let Some(tags) = &echo.tags {
        put(TAGS, of_tags(tags));
    }
    if let Some(text) = &echo.transcript {
        put(TRANSCRIPT, string(text));
    }
    if let Some(mood) = &echo.detected_mood {
        put(DETECTED_MOOD, string(mood));
    }
    if let Some(pairs) = &echo.metadata {
        put(METADATA, of_metadata(pairs));
    }
    if let Some(ttl) = echo.ttl {
        put(schema::TTL, number(ttl));
    }
    put(VERSION, number(echo.version));
    put(ORIGIN, string(echo.origin.as_str()));
    put(UPDATED_AT, string(echo.updated_at.to_string()));
    if let Some(hash) = content_hash {
        put(CONTENT_HASH, string(hash));
    }
    item
}

/// What an edit makes of the attributes that it touches: their values, `None` for one that is removed.
pub(super) fn of_edit(edit: &EchoEdit) -> Vec<(&'static str, Option<AttributeValue>)> {
    let changes = [
        (LOCATION, of_change(&edit.location, of_location)),
        (TAGS, of_change(&edit.tags, |tags| of_tags(tags))),
        (TRANSCRIPT, of_change(&edit.transcript, string)),
        (DETECTED_MOOD, of_change(&edit.detected_mood, string)),
        (METADATA, of_change(&edit.metadata, of_metadata)),
    ];
    changes.into_iter().filter_map(|(name, change)| Some((name, change?))).collect()
}

fn of_change<'a, T>(
    change: &'a Change<T>,
    value: impl FnOnce(&'a T) -> AttributeValue,
) -> Option<Option<AttributeValue>> {
    match change {
        Change::Keep => None,
        Change::Remove => Some(None),
        Change::Set(new) => Some(Some(value(new))),
    }
}

fn of_location(place: &Location) -> AttributeValue {
    let degrees = [(LAT.to_owned(), number(place.lat)), (LNG.to_owned(), number(place.lng))];
    AttributeValue::M(degrees.into())
}

fn of_tags(tags: &[String]) -> AttributeValue {
    AttributeValue::L(tags.iter().map(string).collect())
}

fn of_metadata(pairs: &BTreeMap<String, String>) -> AttributeValue {
    AttributeValue::M(pairs.iter().map(|(k, v)| (k.clone(), string(v))).collect())
}

/// The tombstone that takes an echo's place: the same base key, no index attribute, gone after seven days.
pub(super) fn of_tombstone(echo: &Echo, hash: &str, now: Timestamp) -> Item {
    let attributes = [
        (DELETED_AT, string(now.to_string())),
        (WAS, string(echo.emotion.as_str())),
        (schema::TTL, number(now.plus_days(TOMBSTONE_DAYS).epoch_seconds())),
        (VERSION, number(echo.version.saturating_add(1))),
        (ORIGIN, string(echo.origin.as_str())),
        (UPDATED_AT, string(now.to_string())),
    ];
    let mut item = base_key(hash, echo.echo_id);
    item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
    item
}

/// Reads an item of the base table or of an index that projects everything.
pub(super) fn read(item: &Item) -> Result<Stored, Corrupt> {
    if item.contains_key(DELETED_AT) {
        let ttl = item.get(schema::TTL).ok_or(Corrupt(schema::TTL))?;
        return Ok(Stored::Tombstone { ttl: parse_number(ttl, schema::TTL)?, was: was(item) });
    }
    let echo_id = id(item)?;
    let user = keys::without_suffix(text(item, schema::USER_ID)?);
    let emotion = keys::without_suffix(text(item, schema::EMOTION)?);
    let echo = Echo {
        echo_id,
        user_id: user.parse().map_err(|_| Corrupt(schema::USER_ID))?,
        timestamp: echo_id.timestamp(),
        emotion: emotion.parse().map_err(|_| Corrupt(schema::EMOTION))?,
        s3_url: optional_text(item, S3_URL)?,
        location: item.get(LOCATION).map(location).transpose()?,
        tags: item.get(TAGS).map(tags).transpose()?,
        transcript: optional_text(item, TRANSCRIPT)?,
        detected_mood: optional_text(item, DETECTED_MOOD)?,
        metadata: item.get(METADATA).map(metadata).transpose()?,
        ttl: item.get(schema::TTL).map(|value| parse_number(value, schema::TTL)).transpose()?,
        version: parse_number(item.get(VERSION).ok_or(Corrupt(VERSION))?, VERSION)?,
        origin: text(item, ORIGIN)?.parse::<Region>().map_err(|_| Corrupt(ORIGIN))?,
        updated_at: text(item, UPDATED_AT)?.parse().map_err(|_| Corrupt(UPDATED_AT))?,
    };
    Ok(Stored::Echo(Box::new(echo), optional_text(item, CONTENT_HASH)?))
}

/// The emotion of the echo whose place this tombstone took.
pub(super) fn was(item: &Item) -> Option<Emotion> {
    text(item, WAS).ok()?.parse().ok()
}

/// Reads an item of many; one that is damaged is logged and left out.
pub(super) fn readable(item: &Item) -> Option<Stored> {
    match read(item) {
        Ok(stored) => Some(stored),
        Err(Corrupt(attribute)) => {
            tracing::error!(attribute, id = ?id(item).ok(), "an item is neither echo nor tombstone");
            None
        }
    }
}

/// The echo that an item's range key names.
pub(super) fn id(item: &Item) -> Result<EchoId, Corrupt> {
    keys::echo_of_sort_key(text(item, schema::TIMESTAMP)?).ok_or(Corrupt(schema::TIMESTAMP))
}

/// The hash key under which an item lies in the table.
pub(super) fn hash(item: &Item) -> Result<&str, Corrupt> {
    text(item, schema::USER_ID)
}

/// Whether an item of an index that projects little may be shown: what [`Echo::lives_at`] says of a whole one.
pub(super) fn is_unexpired(item: &Item, now: Timestamp) -> bool {
    let ttl = item.get(schema::TTL).map(|value| parse_number::<u64>(value, schema::TTL));
    ttl.is_none_or(|ttl| ttl.is_ok_and(|ttl| now.epoch_seconds() < ttl))
}

pub(super) fn text<'a>(item: &'a Item, name: &'static str) -> Result<&'a str, Corrupt> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).ok_or(Corrupt(name))
}

fn optional_text(item: &Item, name: &'static str) -> Result<Option<String>, Corrupt> {
    if item.contains_key(name) { text(item, name).map(|text| Some(text.to_owned())) } else { Ok(None) }
}

fn parse_number<T: std::str::FromStr>(value: &AttributeValue, name: &'static str) -> Result<T, Corrupt> {
    value.as_n().ok().and_then(|digits| digits.parse().ok()).ok_or(Corrupt(name))
}

fn location(value: &AttributeValue) -> Result<Location, Corrupt> {
    let map = value.as_m().map_err(|_| Corrupt(LOCATION))?;
    let degrees = |name| parse_number(map.get(name).ok_or(Corrupt(LOCATION))?, LOCATION);
    Location::new(degrees(LAT)?, degrees(LNG)?).ok_or(Corrupt(LOCATION))
}

fn tags(value: &AttributeValue) -> Result<Vec<String>, Corrupt> {
    let list = value.as_l().map_err(|_| Corrupt(TAGS))?;
    list.iter().map(|tag| tag.as_s().cloned().map_err(|_| Corrupt(TAGS))).collect()
}

fn metadata(value: &AttributeValue) -> Result<BTreeMap<String, String>, Corrupt> {
    let map = value.as_m().map_err(|_| Corrupt(METADATA))?;
    let pair = |(key, value): (&String, &AttributeValue)| {
        value.as_s().map(|value| (key.clone(), value.clone())).map_err(|_| Corrupt(METADATA))
    };
    map.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use echoes_shared::{IdempotencyKey, NewEcho};

    fn now() -> Timestamp {
        "2026-11-22T22:59:53.372Z".parse().unwrap()
    }

    fn echo() -> (Echo, String) {
        let content = NewEcho {
            emotion: Emotion::Happy,
            s3_url: Some("s3://echoes-audio/audio/ana/x.opus".into()),
            location: Location::new(51.5, -0.1),
            tags: Some(vec!["rain".into()]),
            transcript: Some(String::new()),
            detected_mood: Some("joyful".into()),
            metadata: Some([("device".into(), "phone".into())].into()),
            days_to_live: Some(3),
        };
        let hash = content.content_hash();
        let key = IdempotencyKey::mint(now(), &[1; 10]);
        (Echo::create("ana".parse().unwrap(), key, content, Region::EuWest1), hash)
    }

    fn place() -> Placement {
        Placement { person: "ana#202611".into(), emotion: "happy#3".into(), recent: Some("2026-11".into()) }
    }

    #[test]
    fn an_echo_reads_back() {
        let (echo, hash) = echo();
        let item = of_echo(&echo, Some(&hash), &place());
        assert_eq!(item[schema::USER_ID], string("ana#202611"));
        assert_eq!(item[schema::EMOTION], string("happy#3"));
        assert_eq!(item[schema::RECENT], string("2026-11"));
        assert_eq!(item[schema::RANDOM], string("happy"));
        assert_eq!(read(&item), Ok(Stored::Echo(Box::new(echo), Some(hash))));
    }

    #[test]
    fn a_tombstone_is_in_no_index() {
        let (echo, _) = echo();
        let item = of_tombstone(&echo, "ana", now());
        let keys = [schema::EMOTION, schema::ECHO_ID, schema::EMOTION_TIMESTAMP, schema::RECENT, schema::RANDOM];
        for key in keys.into_iter().chain([schema::LOT]) {
            assert!(!item.contains_key(key), "{key}");
        }
        let ttl = now().plus_days(7).epoch_seconds();
        assert_eq!(read(&item), Ok(Stored::Tombstone { ttl, was: Some(Emotion::Happy) }));
        let mut old = item;
        old.remove(WAS);
        assert_eq!(read(&old), Ok(Stored::Tombstone { ttl, was: None }));
    }

    #[test]
    fn a_damaged_item_names_its_attribute() {
        let (echo, hash) = echo();
        for name in [schema::USER_ID, schema::TIMESTAMP, schema::EMOTION, VERSION, ORIGIN, UPDATED_AT] {
            let mut item = of_echo(&echo, Some(&hash), &place());
            item.insert(name.into(), AttributeValue::Bool(true));
            assert_eq!(read(&item), Err(Corrupt(name)));
        }
    }
}
