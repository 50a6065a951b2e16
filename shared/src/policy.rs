//! Every number that both halves agree on, each once and with the line it comes from.

use crate::emotion::Emotion;

/// Regions a request may try, the first included (issue: *three regions and 2 s in all*).
pub const REGION_ATTEMPTS: usize = 3;
/// Milliseconds that all attempts of one request may take together.
pub const REQUEST_DEADLINE_MILLIS: u64 = 2_000;
/// Milliseconds that an attempt gets of an untouched deadline. A region that takes longer is left for the next one.
pub const ATTEMPT_MILLIS: u64 = REQUEST_DEADLINE_MILLIS / REGION_ATTEMPTS as u64;
/// Attempts among which the edge divides a batch's deadline: with one share for each region, the first could not do much.
pub const BATCH_SHARES: usize = 2;
/// Milliseconds after which a core answers a batch with what is done: before the edge leaves it, with time for the way between
/// them. So an operation that hangs, as behind a hot partition, costs neither the others nor the region's good name.
pub const BATCH_DEADLINE_MILLIS: u64 = 850;
/// The same for the timelines of several people.
pub const TIMELINES_DEADLINE_MILLIS: u64 = 500;

/// Items of a page when the caller names no `limit` (contract, *feed, recent, timeline*).
pub const DEFAULT_LIMIT: u8 = 20;
/// Items of a page at most (contract; seed: `get_echoes_by_emotion(emotion, limit=100)`).
pub const MAX_LIMIT: u8 = 100;

/// The emotions whose feeds are always kept warm (seed, line 267: `popular_emotions`).
pub const WARM_EMOTIONS: [Emotion; 5] =
    [Emotion::Happy, Emotion::Calm, Emotion::Excited, Emotion::Peaceful, Emotion::Energetic];
/// Seconds after which they are warmed again at the latest (seed, line 277: `setex(cache_key, 1800, …)`).
pub const WARM_SECONDS: u64 = 1_800;

/// Bytes of a request body at most (contract: 64 KiB).
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Bytes of a batch's body at most (contract: 1 MiB).
pub const MAX_BATCH_BODY_BYTES: usize = 1024 * 1024;
/// Operations of one batch at most (contract, *`POST /v1/echoes/batch`*).
pub const MAX_BATCH_OPERATIONS: usize = 100;
/// Bytes that the edge adds at most to a batch for each create that came without a key: `"key":"…",`.
pub const BATCH_KEY_BYTES: usize = 48;
/// People of one `GET /v1/timelines` at most (contract).
pub const MAX_TIMELINE_PEOPLE: usize = 50;
/// Bytes of a request's path and query at most; either half refuses longer ones.
pub const MAX_TARGET_BYTES: usize = 4 * 1024;
/// The same of `GET /v1/timelines`: as many names as it may have, each as long as it may be, every character escaped.
pub const MAX_TIMELINES_TARGET_BYTES: usize = MAX_TIMELINE_PEOPLE * (3 * MAX_USER_ID_CHARS + 3) + 256;
/// The same of `GET /v1/search`, so that a text that is far too long is named as such: as much as the platform takes.
/// <https://developers.cloudflare.com/workers/platform/limits/#request-and-response-limits>
pub const MAX_SEARCH_TARGET_BYTES: usize = 16 * 1024;
/// Characters of a search's `q` at most.
pub const MAX_SEARCH_CHARS: usize = 256;
/// Results that a search by relevance shows at most, over all of its pages: what comes later is found by a better question.
pub const MAX_RELEVANT_RESULTS: u16 = 1_000;
/// Kilometres around a place that a search covers where it does not say.
pub const DEFAULT_RADIUS_KM: f64 = 10.0;
/// Kilometres around a place that a search may cover at most.
pub const MAX_RADIUS_KM: f64 = 500.0;
/// Bytes of a core's answer at most: a hundred echoes, each as long as a create and edits may make it, are shorter.
pub const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Hours that analytics show where the caller does not say since when: a day.
pub const ANALYTICS_HOURS: u64 = 24;
/// The same for days: a month.
pub const ANALYTICS_DAYS: u64 = 30;
/// Hours that one request for analytics may span at most: the longest month. Each of its days is one query of the store.
pub const MAX_ANALYTICS_HOURS: u64 = 31 * 24;
/// Days that it may span at most: the longest year. Each of its months is one query.
pub const MAX_ANALYTICS_DAYS: u64 = 366;

/// Characters of a userId at most (contract, *Bodies*).
pub const MAX_USER_ID_CHARS: usize = 128;
/// Tags of an echo at most.
pub const MAX_TAGS: usize = 10;
/// Characters of one tag at most.
pub const MAX_TAG_CHARS: usize = 32;
/// Characters of a transcript at most.
pub const MAX_TRANSCRIPT_CHARS: usize = 5_000;
/// Characters of a detected mood at most.
pub const MAX_MOOD_CHARS: usize = 32;
/// Pairs of metadata at most.
pub const MAX_METADATA_PAIRS: usize = 20;
/// Characters of a metadata key at most.
pub const MAX_METADATA_KEY_CHARS: usize = 64;
/// Characters of a metadata value at most.
pub const MAX_METADATA_VALUE_CHARS: usize = 256;
/// Bytes of an audio URL at most; S3's keys end at 1,024 bytes and bucket names at 63.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
pub const MAX_S3_URL_BYTES: usize = 5 + 63 + 1 + 1_024;
/// Bytes of an echo's JSON at most: each character may be escaped with six bytes, and the rest is names, numbers and fixed words.
/// It is more than [`MAX_BODY_BYTES`], since edits may set one long field after another.
const LONGEST_ECHO_BYTES: usize = 6
    * (MAX_USER_ID_CHARS
        + MAX_S3_URL_BYTES
        + MAX_TAGS * MAX_TAG_CHARS
        + MAX_TRANSCRIPT_CHARS
        + MAX_MOOD_CHARS
        + MAX_METADATA_PAIRS * (MAX_METADATA_KEY_CHARS + MAX_METADATA_VALUE_CHARS))
    + 1_024;
/// Bytes of a stored echo's line at most, such as an export's. Every echo that a create and edits can make is shorter, so that
/// what was exported can be imported.
pub const MAX_STORED_ECHO_BYTES: usize = 128 * 1024;
/// Days an echo may ask to live at most (contract, `daysToLive`).
pub const MAX_DAYS_TO_LIVE: u16 = 3_650;

/// Milliseconds that an `Idempotency-Key` may lie in the past (contract: 24 hours).
pub const KEY_MAX_AGE_MILLIS: u64 = 24 * 60 * 60 * 1_000;
/// Milliseconds that an `Idempotency-Key` may lie in the future (contract: 5 minutes).
pub const KEY_MAX_AHEAD_MILLIS: u64 = 5 * 60 * 1_000;

/// Days that an echo stays in `recent-index` (seed: `timedelta(days=90)`).
pub const RECENT_DAYS: u32 = 90;
/// Days that a tombstone stays in its echo's place (design, *Keys*).
pub const TOMBSTONE_DAYS: u32 = 7;

/// Echoes after which a person's new ones go to a bucket for each month (design, *Keys*; issue: *past 1,000 echoes*).
pub const HOT_PERSON_ECHOES: u64 = 1_000;
/// Days before a bucket's month begins, at least, when its marker is written: every region has heard of it by then.
pub const BUCKET_NOTICE_DAYS: u32 = 7;
/// Shards of one emotion, or of the recent list, at most. One shard takes 1,000 writes a second (facts, trap 9), and the
/// service is built for six.
pub const MAX_SHARDS: u16 = 64;

/// Seconds for which a core's memory may show what was changed, where it could not be told: a load may begin while the indexes are
/// two behind, and what it brings is fresh for five, and shown for five more while it is refreshed (design, *Caching*).
pub const CORE_MEMORY_SECONDS: u64 = 12;
/// Seconds after the last region's confirmation until an erasure is done: what a core that could not be told may still show, and
/// a healthy edge after it (design: *within 65 s at a healthy edge*), is gone by then.
pub const ERASURE_SETTLE_SECONDS: u64 =
    CORE_MEMORY_SECONDS + EDGE_FRESH_SECONDS as u64 + EDGE_STALE_WHILE_REVALIDATE_SECONDS as u64;

/// Seconds that the edge serves a cached answer as fresh (design, *Caching*).
pub const EDGE_FRESH_SECONDS: u32 = 5;
/// Seconds after that during which it is served while it is refreshed.
pub const EDGE_STALE_WHILE_REVALIDATE_SECONDS: u32 = 60;
/// Seconds that a feed may be served while no region answers: one day.
pub const EDGE_FEED_STALE_IF_ERROR_SECONDS: u32 = 24 * 60 * 60;
/// Seconds that anything else may be served while no region answers: five minutes.
pub const EDGE_STALE_IF_ERROR_SECONDS: u32 = 5 * 60;

/// Milliseconds after which a listener that was cut off comes back (`retry` of the event stream).
pub const LIVE_RETRY_MILLIS: u64 = 2_000;
/// Seconds after which a listener to whom nothing was sent is sent a comment (contract: *a comment every 15 s*).
pub const LIVE_BEAT_SECONDS: u64 = 15;

/// Seconds that the two clocks of a signed call may differ (facts, *SigV4 verification*; AWS allows the same).
pub const SIGNATURE_SKEW_SECONDS: u64 = 5 * 60;

// The grace in which stale answers are refreshed ends before the time in which they may replace an error.
const _: () = assert!(EDGE_FRESH_SECONDS < EDGE_STALE_WHILE_REVALIDATE_SECONDS);
const _: () = assert!(EDGE_STALE_WHILE_REVALIDATE_SECONDS < EDGE_STALE_IF_ERROR_SECONDS);
const _: () = assert!(BATCH_DEADLINE_MILLIS < REQUEST_DEADLINE_MILLIS / BATCH_SHARES as u64);
const _: () = assert!(TIMELINES_DEADLINE_MILLIS < ATTEMPT_MILLIS);
const _: () = assert!(DEFAULT_LIMIT <= MAX_LIMIT);
const _: () = assert!(LONGEST_ECHO_BYTES < MAX_STORED_ECHO_BYTES);
const _: () = assert!(LONGEST_ECHO_BYTES * (MAX_LIMIT as usize) < MAX_ANSWER_BYTES);
const _: () = assert!(LONGEST_ECHO_BYTES * MAX_BATCH_OPERATIONS < MAX_ANSWER_BYTES);
