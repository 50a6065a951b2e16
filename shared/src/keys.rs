//! The keys of the three tables, as text. Only this module knows their separators.

use crate::emotion::Emotion;
use crate::id::{EchoId, UserId};
use crate::policy::RECENT_DAYS;
use crate::timestamp::{Month, TEXT_BYTES, Timestamp};

/// Between the parts of a key. No person's name, emotion or time contains it.
pub const SEPARATOR: char = '#';

/// Attribute and index names of `EchoesTable` (design, *Keys*).
pub mod schema {
    /// Base hash key.
    pub const USER_ID: &str = "userId";
    /// Base range key, and the range key of two indexes.
    pub const TIMESTAMP: &str = "timestamp";
    /// Hash key of `emotion-timestamp-index`.
    pub const EMOTION: &str = "emotion";
    /// Hash key of `echoId-index`.
    pub const ECHO_ID: &str = "echoId";
    /// Range key of `userId-emotion-index`.
    pub const EMOTION_TIMESTAMP: &str = "emotionTimestamp";
    /// Hash key of the sparse `recent-index`.
    pub const RECENT: &str = "recent";
    /// The attribute that DynamoDB's time to live reads.
    pub const TTL: &str = "ttl";
    /// Feeds, newest first.
    pub const EMOTION_INDEX: &str = "emotion-timestamp-index";
    /// One echo by its id.
    pub const ECHO_ID_INDEX: &str = "echoId-index";
    /// One person's echoes of one emotion.
    pub const USER_EMOTION_INDEX: &str = "userId-emotion-index";
    /// Everything younger than 90 days.
    pub const RECENT_INDEX: &str = "recent-index";
    /// Hash key of `random-index`: the plain emotion, whatever the number of shards.
    pub const RANDOM: &str = "random";
    /// Range key of `random-index`: see [`super::lot`].
    pub const LOT: &str = "lot";
    /// One emotion's echoes in an order that has nothing to do with time or person: what random draws read.
    pub const RANDOM_INDEX: &str = "random-index";
    /// Hash key of `EchoesOps` and `EchoesLocal`.
    pub const PARTITION_KEY: &str = "pk";
    /// Range key of `EchoesOps` and `EchoesLocal`.
    pub const SORT_KEY: &str = "sk";
}

/// The range key of an echo: its timestamp and its id, so that two echoes of one millisecond do not collide
/// (facts.md, trap 3) and the order of keys is the order of time.
pub fn sort_key(echo: EchoId) -> String {
    format!("{}{SEPARATOR}{echo}", echo.timestamp())
}

/// The width of an echo's range key: a time, the separator, an id.
const SORT_KEY_BYTES: usize = TEXT_BYTES + 1 + 36;

/// The echo that a range key names.
pub fn echo_of_sort_key(key: &str) -> Option<EchoId> {
    key.get(TEXT_BYTES..)?.strip_prefix(SEPARATOR)?.parse().ok()
}

/// A range key just below an echo's: all keys have one width, so those below it are all up to here.
pub fn below_sort_key(echo: EchoId) -> String {
    let mut key = sort_key(echo);
    // The last character is a digit of the id; its predecessor and the greatest character of ASCII stand below it and above
    // every other key that does.
    if let Some(last) = key.pop() {
        let before = u8::try_from(last).unwrap_or_default().saturating_sub(1);
        key.extend([char::from(before), '~']);
    }
    key
}

/// The base hash key of a bucket: `ana#202611`.
pub fn bucket_key(user: &UserId, month: Month) -> String {
    format!("{user}{SEPARATOR}{}", month.compact())
}

/// The hash key of one shard: `happy` is the first, `happy#3` the fourth; the same for the months of `recent-index`.
pub fn shard_key(plain: &str, shard: u16) -> String {
    if shard == 0 { plain.to_owned() } else { format!("{plain}{SEPARATOR}{shard}") }
}

/// The shard of an echo among so many: by its id's last bits, which are a hash's.
pub fn shard_of(echo: EchoId, shards: u16) -> u16 {
    let [.., high, low] = *echo.as_bytes();
    u16::from_be_bytes([high, low]) % shards.max(1)
}

/// Bits of a lot.
pub const LOT_BITS: u32 = 60;

/// An echo's place in `random-index`: the last 60 bits of its id, which are a hash's.
pub fn lot_number(echo: EchoId) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *echo.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) & ((1 << LOT_BITS) - 1)
}

/// The range key of `random-index` for a lot: 15 hexadecimal digits, so that the order of keys is the order of numbers.
pub fn lot_key(lot: u64) -> String {
    format!("{lot:015x}")
}

/// The range key of `random-index` for an echo.
pub fn lot(echo: EchoId) -> String {
    lot_key(lot_number(echo))
}

/// A range key above those of all echoes up to a time, and below the others'.
pub fn above_sort_keys(up_to: Timestamp) -> String {
    // The separator is followed by a hexadecimal digit, which stands below `~`.
    format!("{up_to}{SEPARATOR}~")
}

/// The range key of a tombstone's record in `EchoesLocal`: when it was put, and the base key under which it lies. The order of
/// these keys is the order of time.
pub fn tombstone_key(deleted_at: Timestamp, hash: &str, echo: EchoId) -> String {
    format!("{deleted_at}{SEPARATOR}{hash}{SEPARATOR}{}", sort_key(echo))
}

/// What a key of [`tombstone_key`] says. A bucket's hash key contains the separator; what stands before and after it has a
/// fixed width.
pub fn of_tombstone_key(key: &str) -> Option<(Timestamp, &str, EchoId)> {
    let (deleted_at, rest) = key.split_at_checked(TEXT_BYTES)?;
    let hash_bytes = rest.len().checked_sub(SORT_KEY_BYTES)?;
    let (hash, range) = rest.split_at_checked(hash_bytes)?;
    let hash = hash.strip_prefix(SEPARATOR)?.strip_suffix(SEPARATOR)?;
    Some((deleted_at.parse().ok()?, hash, echo_of_sort_key(range)?))
}

/// The range key of `userId-emotion-index`.
pub fn emotion_sort_key(emotion: Emotion, echo: EchoId) -> String {
    format!("{}{}", emotion_prefix(emotion), sort_key(echo))
}

/// What all of one emotion's range keys of `userId-emotion-index` begin with.
pub fn emotion_prefix(emotion: Emotion) -> String {
    format!("{emotion}{SEPARATOR}")
}

/// The part of a key before its first separator: the person of `person#202611`, the emotion of `happy#3`.
pub fn without_suffix(key: &str) -> &str {
    key.split_once(SEPARATOR).map_or(key, |(plain, _)| plain)
}

/// The hash key of `recent-index` for an echo of this time, or `None` for one already too old to be in it.
pub fn recent_key(at: Timestamp, now: Timestamp) -> Option<String> {
    (at >= recent_horizon(now)).then(|| at.month().dashed())
}

/// The oldest time that `recent-index` shows.
pub fn recent_horizon(now: Timestamp) -> Timestamp {
    now.minus_days(RECENT_DAYS)
}

/// The hash keys of `recent-index` to read, newest first: every month that the last 90 days touch, and the month of
/// an id that lies up to five minutes ahead.
pub fn recent_months(now: Timestamp) -> impl Iterator<Item = Month> {
    let newest = now.plus_millis(crate::policy::KEY_MAX_AHEAD_MILLIS).month();
    let oldest = recent_horizon(now).month();
    std::iter::successors(Some(newest), |month| Some(month.previous())).take_while(move |month| *month >= oldest)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn echo() -> EchoId {
        "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20".parse().unwrap()
    }

    #[test]
    fn keys_read_back() {
        let key = sort_key(echo());
        assert_eq!(key, "2025-11-24T02:46:24.558Z#019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20");
        assert_eq!(echo_of_sort_key(&key), Some(echo()));
        assert_eq!(echo_of_sort_key("2025-11-24T03:07:29.070Z"), None);
        assert_eq!(emotion_sort_key(Emotion::Sad, echo()), format!("sad#{key}"));
        assert_eq!(without_suffix("happy#3"), "happy");
        assert_eq!(without_suffix("ana"), "ana");
        assert_eq!(bucket_key(&"ana".parse().unwrap(), echo().timestamp().month()), "ana#202511");
        assert_eq!((lot(echo()).as_str(), lot_number(echo())), ("d550b6f5f3b1a20", 0xd55_0b6f_5f3b_1a20));
        assert_eq!((shard_key("happy", 0), shard_key("happy", 3)), ("happy".into(), "happy#3".into()));
    }

    #[test]
    fn a_tombstones_key_reads_back() {
        let deleted_at = Timestamp::from_millis(1_795_388_393_372);
        for hash in ["ana", "ana#202511", "a|b@c"] {
            let key = tombstone_key(deleted_at, hash, echo());
            assert_eq!(of_tombstone_key(&key), Some((deleted_at, hash, echo())), "{key}");
            assert!(key > deleted_at.to_string() && key < deleted_at.plus_millis(1).to_string());
        }
        for strange in ["", "2026-11-22T22:59:53.372Z", &sort_key(echo()), &format!("é{}", sort_key(echo()))] {
            assert_eq!(of_tombstone_key(strange), None, "{strange}");
        }
    }

    #[test]
    fn nothing_lies_between_a_key_and_the_one_below_it() {
        let id = |text: &str| text.parse::<EchoId>().unwrap();
        let below = below_sort_key(echo());
        assert!(below < sort_key(echo()));
        assert!(below > sort_key(id("019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a1f")));
        let letter = id("019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a2a");
        assert!(below_sort_key(letter) > sort_key(id("019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a29")));
        assert!(below_sort_key(letter) < sort_key(letter));
    }

    #[test]
    fn a_time_divides_the_echoes() {
        let above = above_sort_keys(echo().timestamp());
        assert!(sort_key(echo()) < above);
        let next: EchoId = "019ab3c1-5a2f-7000-8000-000000000000".parse().unwrap();
        assert_eq!(next.timestamp().millis_since(echo().timestamp()), 1);
        assert!(above < sort_key(next));
    }

    #[test]
    fn an_echo_has_one_shard_of_each_number() {
        assert_eq!(shard_of(echo(), 1), 0);
        assert_eq!(shard_of(echo(), 8), 0x1a20 % 8);
        assert!(shard_of(echo(), 7) < 7);
    }

    #[test]
    fn recent_months_cover_ninety_days() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let months = |now: &str| recent_months(at(now)).map(Month::dashed).collect::<Vec<_>>();
        assert_eq!(months("2026-11-22T00:00:00.000Z"), ["2026-11", "2026-10", "2026-09", "2026-08"]);
        assert_eq!(months("2026-01-31T23:59:00.000Z"), ["2026-02", "2026-01", "2025-12", "2025-11"]);
        assert_eq!(recent_key(at("2026-08-01T00:00:00.000Z"), at("2026-11-22T00:00:00.000Z")), None);
    }
}
