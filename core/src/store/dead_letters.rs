//! Dead letters, items of `EchoesLocal`: records of the stream that could not be applied, until an operator decides.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value, json};

use super::item::{self, Item};
use super::meter::INDEXES;
use super::stream::Images;
use super::{Store, StoreError, ops};
use crate::sinks::SinkName;
use crate::stream::{Letter, LetterKind, Record, Sequence, ShardId};

const PARTITION: &str = "dead-letters";
const SINK: &str = "sink";
const SHARD: &str = "shard";
const SEQUENCE: &str = "sequence";
const KIND: &str = "kind";
const REASON: &str = "reason";
const WRITTEN: &str = "written";
const RECORD: &str = "record";
const RAW: &str = "raw";
/// What a letter holds of a record at most: an item has 400 KB, and a record may have two of them.
const MAX_BODY_BYTES: usize = 350 * 1024;
/// Letters that are read at once: up to 350 KB each, and a call returns 1 MB.
const PAGE: i32 = 100;
/// What it holds of a reason.
const MAX_REASON_CHARACTERS: usize = 1_000;

impl Store {
    /// Some of the letters behind a key or the first ones, and the key behind which there are more. One that makes no sense is
    /// left out and logged.
    ///
    /// # Errors
    /// Where the store gives no answer.
    pub async fn dead_letters(&self, after: Option<&str>) -> Result<(Vec<Letter>, Option<String>), StoreError> {
        let (items, next) = self.items_behind(self.local(), PARTITION, after, PAGE).await?;
        let read = |item: &Item| {
            let letter = of_item(item);
            if letter.is_none() {
                tracing::error!(key = ops::sort_key(item), "an item among the dead letters is none");
            }
            letter
        };
        Ok((items.iter().filter_map(read).collect(), next))
    }

    /// Forgets a letter; one that is not there is forgotten already.
    ///
    /// # Errors
    /// Where the store gives no answer.
    pub async fn drop_dead_letter(&self, letter: &Letter) -> Result<(), StoreError> {
        self.delete_unchanged(ops::key(PARTITION, &letter.key()), None).await
    }

    /// Writes a letter; the same one again changes nothing of importance.
    pub(super) async fn put_letter(&self, letter: &Letter) -> Result<(), StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(self.local())
            .set_item(Some(to_item(letter)))
            .return_consumed_capacity(INDEXES);
        self.call("PutItem", request.send()).await.map(|_| ())
    }
}

fn to_item(letter: &Letter) -> Item {
    let mut item = ops::key(PARTITION, &letter.key());
    let mut put = |name: &str, text: &str| item.insert(name.to_owned(), item::string(text));
    put(SINK, letter.sink.as_str());
    put(SHARD, letter.shard.as_str());
    put(KIND, letter.kind.as_str());
    put(REASON, &letter.reason.chars().take(MAX_REASON_CHARACTERS).collect::<String>());
    put(WRITTEN, &letter.written.to_string());
    if let Some(sequence) = &letter.sequence {
        put(SEQUENCE, sequence.as_str());
    }
    // What is too large is left out: the key, which the reason's shard and sequence lead to, is still there.
    let record = letter.record.as_ref().and_then(|record| serde_json::to_string(record).ok());
    if let Some(record) = record.filter(|record| record.len() <= MAX_BODY_BYTES) {
        put(RECORD, &record);
    }
    if let Some(raw) = letter.raw.as_ref().filter(|raw| raw.len() <= MAX_BODY_BYTES) {
        put(RAW, raw);
    }
    item
}

fn of_item(item: &Item) -> Option<Letter> {
    let sequence = ops::text(item, SEQUENCE).and_then(Sequence::parse);
    let written = ops::text(item, WRITTEN)?.parse().ok()?;
    let record = ops::text(item, RECORD).and_then(|text| serde_json::from_str::<Record>(text).ok());
    let raw = ops::text(item, RAW);
    // What an earlier version could not read a later one may.
    let again = || Images::of_raw(raw?)?.record(sequence.clone()?, written).ok();
    Some(Letter {
        sink: SinkName::parse(ops::text(item, SINK)?)?,
        shard: ShardId::new(ops::text(item, SHARD)?),
        kind: LetterKind::parse(ops::text(item, KIND)?)?,
        reason: ops::text(item, REASON).unwrap_or_default().to_owned(),
        written,
        record: record.or_else(again),
        raw: raw.map(str::to_owned),
        sequence,
    })
}

impl Images {
    fn of_raw(text: &str) -> Option<Self> {
        let body: Value = serde_json::from_str(text).ok()?;
        let image = |name: &str| match body.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(image) => of_json_map(image).map(Some),
        };
        let expired = body.get("expired").and_then(Value::as_bool).unwrap_or_default();
        Some(Self { keys: image("keys")??, old: image("old")?, new: image("new")?, expired })
    }
}

fn of_json_map(value: &Value) -> Option<Item> {
    value.as_object()?.iter().map(|(name, value)| Some((name.clone(), of_json(value)?))).collect()
}

/// An attribute of one of the types that an echo has.
fn of_json(value: &Value) -> Option<AttributeValue> {
    let (kind, value) = value.as_object()?.iter().next()?;
    match kind.as_str() {
        "S" => value.as_str().map(item::string),
        "N" => value.as_str().map(item::number),
        "BOOL" => value.as_bool().map(AttributeValue::Bool),
        "NULL" => value.as_bool().map(AttributeValue::Null),
        "L" => value.as_array()?.iter().map(of_json).collect::<Option<_>>().map(AttributeValue::L),
        "M" => of_json_map(value).map(AttributeValue::M),
        _ => None,
    }
}

/// A record as it came, in DynamoDB's JSON.
pub(super) fn raw(images: &Images) -> String {
    let item = |item: &Item| Value::Object(item.iter().map(|(name, value)| (name.clone(), to_json(value))).collect());
    let body = json!({
        "keys": item(&images.keys),
        "old": images.old.as_ref().map(item),
        "new": images.new.as_ref().map(item),
        "expired": images.expired,
    });
    body.to_string()
}

fn to_json(value: &AttributeValue) -> Value {
    let bytes = |blob: &Blob| Value::from(echoes_shared::hex::lower(blob.as_ref()));
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(digits) => json!({ "N": digits }),
        AttributeValue::Bool(truth) => json!({ "BOOL": truth }),
        AttributeValue::Null(is) => json!({ "NULL": is }),
        AttributeValue::Ss(set) => json!({ "SS": set }),
        AttributeValue::Ns(set) => json!({ "NS": set }),
        AttributeValue::L(list) => json!({ "L": list.iter().map(to_json).collect::<Vec<_>>() }),
        AttributeValue::M(map) => {
            let map: Map<_, _> = map.iter().map(|(name, value)| (name.clone(), to_json(value))).collect();
            json!({ "M": map })
        }
        AttributeValue::B(blob) => json!({ "B": bytes(blob) }),
        AttributeValue::Bs(set) => json!({ "BS": set.iter().map(bytes).collect::<Vec<_>>() }),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use echoes_shared::Timestamp;
    use echoes_shared::keys::schema;

    fn letter(raw: Option<String>) -> Letter {
        Letter {
            sink: SinkName::Search,
            shard: ShardId::new("shardId-1"),
            sequence: Sequence::parse("100000000000000000000"),
            kind: LetterKind::Damaged,
            reason: "why".to_owned(),
            written: Timestamp::from_millis(1_795_000_000_000),
            record: None,
            raw,
        }
    }

    #[test]
    fn what_can_be_read_later_is_read_from_the_letter() {
        let id = "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20".parse().unwrap();
        let mut images =
            Images { keys: item::base_key("ana", id), old: None, new: Some(Item::new()), expired: false };
        let damaged = letter(Some(raw(&images)));
        assert_eq!(of_item(&to_item(&damaged)), Some(damaged));

        let tombstone = [
            (item::DELETED_AT, item::string("2026-11-22T22:59:53.372Z")),
            (schema::TTL, item::number(1_795_000_000)),
            ("map", AttributeValue::M([("list".to_owned(), AttributeValue::L(vec![item::string("x")]))].into())),
        ];
        images.new = Some(tombstone.map(|(name, value)| (name.to_owned(), value)).into());
        let readable = of_item(&to_item(&letter(Some(raw(&images))))).unwrap();
        let record = readable.record.unwrap();
        assert_eq!((record.echo, record.hash.as_str(), &record.old), (id, "ana", &None));
        assert!(record.new_echo().is_none() && record.new.is_some());
    }

    #[test]
    fn what_is_too_large_is_left_out() {
        let large = letter(Some("x".repeat(MAX_BODY_BYTES + 1)));
        let item = to_item(&large);
        assert!(!item.contains_key(RAW));
        assert_eq!(of_item(&item), Some(Letter { raw: None, ..large }));
    }
}
