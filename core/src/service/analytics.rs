//! Counts: of each emotion, over time, of one person. They are read from the counters, which the streams keep.

mod kept;

use echoes_shared::query::{AnalyticsQuery, Bucket};
use echoes_shared::{Emotion, Timestamp, UserId};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Serialize, Serializer};

use super::{Service, ServiceError};
use crate::store::{Counter, Counters, Tally, day_of};

pub(super) use kept::Kept;

/// Groups of counters that one request reads at a time. A request asks for 32 at most.
const READS_AT_A_TIME: usize = 8;

/// The body of `GET /v1/emotions`: the vocabulary, with counts where they are known.
#[derive(Debug, Serialize)]
pub struct EmotionList {
    emotions: Vec<EmotionEntry>,
}

#[derive(Debug, Serialize)]
struct EmotionEntry {
    emotion: Emotion,
    #[serde(skip_serializing_if = "Option::is_none")]
    echoes: Option<u64>,
}

/// The body of `GET /v1/analytics/emotions`: buckets by start and then by emotion's name; those without echoes are left out.
#[derive(Debug, Serialize)]
pub struct EmotionBuckets {
    buckets: Vec<BucketEntry>,
}

#[derive(Debug, PartialEq, Serialize)]
struct BucketEntry {
    #[serde(serialize_with = "to_the_second")]
    start: Timestamp,
    emotion: Emotion,
    echoes: u64,
}

/// A body of counts, and whether the store was asked for it; else it came from memory.
#[derive(Debug)]
pub struct Counted<T> {
    /// The body.
    pub body: T,
    /// Whether the store was asked.
    pub from_store: bool,
}

/// `2026-11-22T22:00:00Z`: a bucket begins with a second.
fn to_the_second<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = at.to_string();
    text.truncate("2026-11-22T22:00:00".len());
    text.push('Z');
    serializer.serialize_str(&text)
}

impl EmotionList {
    fn of(tally: Option<&Tally>) -> Self {
        let entry = |&emotion: &Emotion| EmotionEntry { emotion, echoes: tally.map(|tally| tally.echoes(emotion)) };
        Self { emotions: Emotion::ALL.iter().map(entry).collect() }
    }
}

impl EmotionBuckets {
    /// What these counters count between two times.
    fn of<'a>(
        counters: impl Iterator<Item = (&'a Counter, &'a Tally)>,
        query: &AnalyticsQuery,
        now: Timestamp,
    ) -> Self {
        let (first, end) = query.span(now);
        let mut buckets = Vec::new();
        for (counter, tally) in counters {
            let (Counter::Hour(start) | Counter::Day(start)) = counter else { continue };
            let asked = |emotion: &Emotion| query.emotion.is_none_or(|only| only == *emotion);
            if (first..end).contains(start) {
                let counts = tally.living.keys().filter(|emotion| asked(emotion));
                let entry = |emotion: &Emotion| BucketEntry {
                    start: *start,
                    emotion: *emotion,
                    echoes: tally.echoes(*emotion),
                };
                buckets.extend(counts.map(entry).filter(|entry| entry.echoes > 0));
            }
        }
        buckets.sort_by_key(|entry| (entry.start, entry.emotion.as_str()));
        Self { buckets }
    }
}

/// The groups of counters that hold the buckets between two times.
fn groups(query: &AnalyticsQuery, now: Timestamp) -> Vec<Counters> {
    let (first, end) = query.span(now);
    match query.bucket {
        Bucket::Hour => {
            let days = std::iter::successors(Some(day_of(first)), |day| Some(day.plus_days(1)));
            days.take_while(|day| *day < end).map(Counters::HoursOf).collect()
        }
        Bucket::Day => {
            let months = std::iter::successors(Some(first.month()), |month| Some(month.next()));
            months.take_while(|month| month.start() < end).map(Counters::DaysOf).collect()
        }
    }
}

impl Service {
    /// Every emotion of the vocabulary, with what is known of its number of echoes: this never fails, and hardly waits.
    pub async fn emotions(&self) -> Counted<EmotionList> {
        match self.counts.read_soon(&self.store, Counters::All).await {
            Some(Counted { body, from_store }) => {
                Counted { body: EmotionList::of(body.get(&Counter::All)), from_store }
            }
            None => Counted { body: EmotionList::of(None), from_store: false },
        }
    }

    /// Every emotion of the vocabulary, with how many echoes of it one person has.
    pub async fn emotions_of(&self, user: UserId) -> Result<EmotionList, ServiceError> {
        let counters = self.store.counters(&Counters::Person(user.clone())).await?;
        Ok(EmotionList::of(Some(counters.get(&Counter::Person(user)).unwrap_or(&Tally::default()))))
    }

    /// How many echoes of each emotion were created in each hour or day, and live.
    pub async fn analytics(
        &self,
        query: &AnalyticsQuery,
        now: Timestamp,
    ) -> Result<Counted<EmotionBuckets>, ServiceError> {
        let reads = groups(query, now).into_iter().map(|group| self.counts.read(&self.store, group));
        let groups: Vec<_> = stream::iter(reads).buffer_unordered(READS_AT_A_TIME).try_collect().await?;
        let body = EmotionBuckets::of(groups.iter().flat_map(|group| group.body.iter()), query, now);
        Ok(Counted { body, from_store: groups.iter().any(|group| group.from_store) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn buckets_are_sorted_and_none_is_empty() {
        let tally = |counts: &[(Emotion, i64)]| Tally { living: counts.iter().copied().collect(), created: 9 };
        let hour = |text| Counter::hour_of(at(text));
        let counters = [
            (hour("2026-11-22T23:00:00.000Z"), tally(&[(Emotion::Sad, 9)])),
            (
                hour("2026-11-22T22:00:00.000Z"),
                tally(&[(Emotion::Sad, 1), (Emotion::Happy, 12), (Emotion::Angry, -1)]),
            ),
            (hour("2026-11-22T21:00:00.000Z"), tally(&[(Emotion::Calm, 2)])),
            (hour("2026-11-22T20:00:00.000Z"), tally(&[(Emotion::Calm, 3)])),
        ];
        let now = at("2026-11-22T22:59:53.372Z");
        let body = |query: &str| {
            let query = AnalyticsQuery::parse(Some(query), now).unwrap();
            let counters = counters.iter().map(|(counter, tally)| (counter, tally));
            serde_json::to_string(&EmotionBuckets::of(counters, &query, now)).unwrap()
        };
        let expected = concat!(
            r#"{"buckets":[{"start":"2026-11-22T21:00:00Z","emotion":"calm","echoes":2},"#,
            r#"{"start":"2026-11-22T22:00:00Z","emotion":"happy","echoes":12},"#,
            r#"{"start":"2026-11-22T22:00:00Z","emotion":"sad","echoes":1}]}"#
        );
        assert_eq!(body("from=2026-11-22T21:00:00Z"), expected);
        assert_eq!(body("from=2026-11-22T22:00:00Z&emotion=calm"), r#"{"buckets":[]}"#);
    }

    #[test]
    fn a_span_is_read_in_days_or_months() {
        let now = at("2026-11-01T00:30:00.000Z");
        let partitions = |query: &str| groups(&AnalyticsQuery::parse(Some(query), now).unwrap(), now).len();
        assert_eq!(partitions(""), 2);
        assert_eq!(partitions("from=2026-10-01"), 32);
        assert_eq!(partitions("bucket=day"), 2);
        assert_eq!(partitions("bucket=day&from=2025-11-01"), 13);
    }
}
