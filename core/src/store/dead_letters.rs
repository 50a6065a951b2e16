//! Dead letters, items of `EchoesLocal`: records of the stream that could not be applied, until an operator decides.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value, json};

use super::item::{self, Item};
use super::meter::INDEXES;
use super::stream::Images;
use super::{Store, StoreError, ops};
use crate::stream::Letter;

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
/// What it holds of a reason.
const MAX_REASON_CHARACTERS: usize = 1_000;

impl Store {
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
