//! Echoes to be found.

use echoes_core::search::{Document, Index, Query};
use echoes_shared::query::SearchQuery;
use echoes_shared::{Echo, Emotion, IdempotencyKey, NewEcho, Region, Timestamp};

/// When it is.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

/// Echo `number`, newer than those of lower ones.
pub fn echo(number: u64, transcript: &str) -> Echo {
    let key = IdempotencyKey::mint(NOW.minus_days(1).plus_millis(number), &[7; 10]);
    let content = NewEcho {
        emotion: Emotion::Calm,
        s3_url: None,
        location: None,
        tags: None,
        transcript: Some(transcript.to_owned()),
        detected_mood: None,
        metadata: None,
        days_to_live: None,
    };
    Echo { ttl: None, ..Echo::create("ana".parse().unwrap(), key, content, Region::EuWest1) }
}

/// The same as the index is given it.
pub fn document(number: u64, transcript: &str) -> Document {
    Document::lives(echo(number, transcript))
}

/// Words, the newest first; all where there are none.
pub fn ask(words: &str) -> Query {
    let text = if words.is_empty() { "limit=100".to_owned() } else { format!("limit=100&sort=time&q={words}") };
    Query::of(&SearchQuery::parse(Some(&text)).unwrap()).unwrap()
}

/// What is found of all that was applied, the newest first.
pub async fn found(index: &dyn Index, words: &str) -> Vec<Echo> {
    index.refresh().await.unwrap();
    let hits = index.search(&ask(words), NOW).await.unwrap();
    hits.hits.into_iter().map(|hit| *hit.echo).collect()
}
