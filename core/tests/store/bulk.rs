//! Many echoes quickly: copies of one item under other keys, without a create for each.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use echoes_shared::{EchoId, Emotion, keys};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::engine::Engine;

type Item = HashMap<String, AttributeValue>;

/// An echo to be copied to: its id, emotion and hash key.
pub struct Copy {
    pub id: EchoId,
    pub emotion: Emotion,
    pub hash: String,
}

/// Any item of a table of echoes.
pub async fn any_item(engine: &Engine, table: &str) -> Item {
    let found = engine.client().scan().table_name(table).limit(1).send().await.unwrap();
    found.items.unwrap_or_default().remove(0)
}

/// Writes copies of `item`. They are in the timelines and the feeds of their emotions, and in no other index.
pub async fn write(engine: &Engine, table: &str, item: &Item, copies: &[Copy]) {
    let client = engine.client();
    let batch = |copies: &[Copy]| {
        let requests = copies.iter().map(|copy| {
            let put = PutRequest::builder().set_item(Some(placed(item, copy))).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        });
        client.batch_write_item().request_items(table, requests.collect()).send()
    };
    let batches: Vec<_> = copies.chunks(25).map(batch).collect();
    let sent = stream::iter(batches).buffer_unordered(4).try_collect::<Vec<_>>();
    for answer in sent.await.unwrap() {
        assert!(answer.unprocessed_items.unwrap_or_default().is_empty());
    }
}

fn placed(item: &Item, copy: &Copy) -> Item {
    let mut item = item.clone();
    let mut put = |name: &str, value: String| item.insert(name.to_owned(), AttributeValue::S(value));
    put("userId", copy.hash.clone());
    put("timestamp", keys::sort_key(copy.id));
    put("emotion", copy.emotion.to_string());
    put("emotionTimestamp", keys::emotion_sort_key(copy.emotion, copy.id));
    put("updatedAt", copy.id.timestamp().to_string());
    for other in ["echoId", "random", "lot", "recent"] {
        item.remove(other);
    }
    item
}
