//! Echoes as a service of two years has them, and their items as somebody without our store would write them.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use echoes_shared::keys::{self, schema};
use echoes_shared::{Echo, Emotion, IdempotencyKey, NewEcho, Region, Timestamp, UserId};
use futures_util::{StreamExt as _, stream};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Requests in flight, ours and the peers'.
pub const CONCURRENCY: usize = 16;
const CHUNK: usize = 25;
const SEED: u64 = 20_261_123;
const DAY_MILLIS: u64 = 86_400_000;

pub fn now() -> Timestamp {
    "2026-11-22T22:59:53.372Z".parse().unwrap()
}

/// One echo to be written.
#[derive(Clone)]
pub struct Sample {
    pub user: UserId,
    pub key: IdempotencyKey,
    pub content: NewEcho,
}

impl Sample {
    pub fn echo(&self) -> Echo {
        Echo::create(self.user.clone(), self.key, self.content.clone(), Region::EuWest1)
    }
}

/// `count` echoes of the last two years, a third of them happy, about 600 bytes each; the same for the same `prefix`.
pub fn samples(prefix: &str, count: usize) -> Vec<Sample> {
    samples_within(730 * DAY_MILLIS, prefix, count)
}

/// The same, of the last few seconds: what people post now.
pub fn fresh_samples(prefix: &str, count: usize) -> Vec<Sample> {
    samples_within(4_000, prefix, count)
}

fn samples_within(millis: u64, prefix: &str, count: usize) -> Vec<Sample> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED + prefix.len() as u64);
    (0..count)
        .map(|_| {
            let emotion = if random.random_ratio(1, 3) {
                Emotion::Happy
            } else {
                Emotion::ALL[random.random_range(0..Emotion::ALL.len())]
            };
            let mut bits = [0; 10];
            random.fill_bytes(&mut bits);
            let at = now().minus_millis(random.random_range(0..millis));
            // A few hundred echoes each, whatever the size of the table.
            let person = random.random_range(0..count.div_ceil(200));
            Sample {
                user: format!("{prefix}-{person}").parse().unwrap(),
                key: IdempotencyKey::mint(at, &bits),
                content: NewEcho {
                    emotion,
                    s3_url: None,
                    location: echoes_shared::Location::new(51.5, -0.12),
                    tags: Some(vec!["rain".into(), "evening".into()]),
                    transcript: Some("It rained all day and then the sun came out. ".repeat(5)),
                    detected_mood: Some("joyful".into()),
                    metadata: Some([("device".into(), "phone".into())].into()),
                    days_to_live: None,
                },
            }
        })
        .collect()
}

/// The item of an echo, written by hand: what the peers store, with the same attributes as ours.
pub fn item(sample: &Sample) -> HashMap<String, AttributeValue> {
    let echo = sample.echo();
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let mut item: HashMap<String, AttributeValue> = [
        (schema::USER_ID, text(echo.user_id.as_str())),
        (schema::TIMESTAMP, text(&keys::sort_key(echo.echo_id))),
        (schema::EMOTION, text(echo.emotion.as_str())),
        (schema::RANDOM, text(echo.emotion.as_str())),
        (schema::LOT, text(&keys::lot(echo.echo_id))),
        (schema::ECHO_ID, text(&echo.echo_id.to_string())),
        (schema::EMOTION_TIMESTAMP, text(&keys::emotion_sort_key(echo.emotion, echo.echo_id))),
        ("transcript", text(echo.transcript.as_deref().unwrap_or_default())),
        ("detectedMood", text(echo.detected_mood.as_deref().unwrap_or_default())),
        ("tags", AttributeValue::L(echo.tags.iter().flatten().map(|tag| text(tag)).collect())),
        ("version", AttributeValue::N("1".into())),
        ("origin", text(echo.origin.as_str())),
        ("updatedAt", text(&echo.updated_at.to_string())),
        ("contentHash", text(&sample.content.content_hash())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(month) = keys::recent_key(echo.timestamp, now()) {
        item.insert(schema::RECENT.to_owned(), AttributeValue::S(month));
    }
    if let Some(place) = echo.location {
        let degrees = [("lat", place.lat), ("lng", place.lng)];
        let map = degrees.map(|(name, value)| (name.to_owned(), AttributeValue::N(value.to_string())));
        item.insert("location".to_owned(), AttributeValue::M(map.into()));
    }
    let device = ("device".to_owned(), text("phone"));
    item.insert("metadata".to_owned(), AttributeValue::M([device].into()));
    item
}

/// Writes the samples by bare BatchWriteItem calls of 25, several at a time.
pub async fn bare_batches(client: &Client, table: &str, samples: &[Sample]) {
    stream::iter(samples.chunks(CHUNK))
        .for_each_concurrent(CONCURRENCY, async |chunk| {
            let put = |sample: &Sample| {
                let put = PutRequest::builder().set_item(Some(item(sample))).build().unwrap();
                WriteRequest::builder().put_request(put).build()
            };
            let mut requests: Option<Vec<_>> = Some(chunk.iter().map(put).collect());
            while let Some(batch) = requests.take() {
                let output = client.batch_write_item().request_items(table, batch).send().await.unwrap();
                requests = output.unprocessed_items.and_then(|mut rest| rest.remove(table));
            }
        })
        .await;
}
