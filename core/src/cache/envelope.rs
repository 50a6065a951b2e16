//! How a value lies in Redis and Memcached: a version, a checksum, the stamp of its generation, its age, then the value.

use bytes::Bytes;

use super::redis::Stamp;

/// The first bytes of every value of ours; the last is the version of what follows. A core of another version sees no value.
const MAGIC: [u8; 4] = *b"ECH\x02";
/// Magic, checksum, stamp, two times, flags, kind.
const HEADER_BYTES: usize = 4 + 4 + 16 + 8 + 8 + 1 + 1;
/// The flag of a value that is not shown past its freshness.
const BRIEF: u8 = 1;
/// A value filled so much later than now, by the same Redis's clock, was not filled by this Redis: it is no value.
const MAX_AHEAD_MILLIS: u64 = 5_000;

/// A value of a shared tier and what it says of itself. Times are milliseconds since the epoch by Redis's clock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Envelope {
    /// The generation under which it was loaded.
    pub stamp: Stamp,
    /// When its load began.
    pub filled_at_millis: u64,
    /// When its life in this tier ends.
    pub fresh_until_millis: u64,
    /// Whether it must not be shown past that: an absence, or a list that was read while the store's indexes settled.
    pub brief: bool,
    /// What the payload is; see [`super::Value::decode`].
    pub kind: u8,
    /// The value.
    pub payload: Bytes,
}

impl Envelope {
    pub(super) fn encode(&self) -> Bytes {
        let mut rest = Vec::with_capacity(HEADER_BYTES + self.payload.len());
        rest.extend_from_slice(&MAGIC);
        rest.extend_from_slice(&[0; 4]);
        rest.extend_from_slice(&self.stamp.0);
        rest.extend_from_slice(&self.filled_at_millis.to_be_bytes());
        rest.extend_from_slice(&self.fresh_until_millis.to_be_bytes());
        rest.push(if self.brief { BRIEF } else { 0 });
        rest.push(self.kind);
        rest.extend_from_slice(&self.payload);
        let checksum = checksum(&rest);
        for (byte, of) in rest.iter_mut().skip(MAGIC.len()).zip(checksum) {
            *byte = of;
        }
        rest.into()
    }

    /// Nothing for what another version wrote, and for what was cut or changed on its way.
    pub(super) fn decode(bytes: &Bytes) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (sum, rest) = rest.split_first_chunk()?;
        if *magic != MAGIC || *sum != checksum(bytes) {
            return None;
        }
        let (stamp, rest) = rest.split_first_chunk()?;
        let (filled_at, rest) = rest.split_first_chunk()?;
        let (fresh_until, rest) = rest.split_first_chunk()?;
        let (&[flags, kind], payload) = rest.split_first_chunk()?;
        Some(Self {
            stamp: Stamp(*stamp),
            filled_at_millis: u64::from_be_bytes(*filled_at),
            fresh_until_millis: u64::from_be_bytes(*fresh_until),
            brief: flags & BRIEF != 0,
            kind,
            payload: bytes.slice_ref(payload),
        })
    }

    /// How long it may still be shown in a tier that shows values of this age at most: nothing where its time is over, or has
    /// not come.
    pub(super) fn left_millis(&self, now_millis: u64, oldest_millis: u64) -> Option<u64> {
        if self.filled_at_millis > now_millis.saturating_add(MAX_AHEAD_MILLIS) {
            return None;
        }
        let oldest = oldest_millis.checked_sub(now_millis.saturating_sub(self.filled_at_millis))?;
        let left = self.fresh_until_millis.checked_sub(now_millis)?.min(oldest);
        (left > 0).then_some(left)
    }
}

/// Of all that follows it.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(MAGIC.len() + 4..).unwrap_or_default());
    hasher.finalize().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            stamp: Stamp([7; 16]),
            filled_at_millis: 1_000_000,
            fresh_until_millis: 1_003_000,
            brief: true,
            kind: 2,
            payload: Bytes::from_static(b"{\"echoId\":1}"),
        }
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let bytes = envelope().encode();
        assert_eq!(Envelope::decode(&bytes), Some(envelope()));
        for length in 0..bytes.len() {
            assert_eq!(Envelope::decode(&bytes.slice(..length)), None, "cut to {length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Envelope::decode(&flipped.into()), None, "bit {bit} flipped");
        }
        assert_eq!(Envelope::decode(&Bytes::from_static(b"<html>")), None);
        let longer = [bytes.as_ref(), b"\0"].concat();
        assert_eq!(Envelope::decode(&longer.into()), None);
    }

    #[test]
    fn a_value_is_shown_within_its_time_alone() {
        let envelope = envelope();
        assert_eq!(envelope.left_millis(1_001_000, 10_000), Some(2_000));
        assert_eq!(envelope.left_millis(1_001_000, 1_500), Some(500));
        assert_eq!(envelope.left_millis(1_001_000, 1_000), None);
        assert_eq!(envelope.left_millis(1_003_000, 10_000), None);
        assert_eq!(envelope.left_millis(1_000_000 - MAX_AHEAD_MILLIS, 10_000), Some(8_000));
        assert_eq!(envelope.left_millis(1_000_000 - MAX_AHEAD_MILLIS - 1, 10_000), None, "from the future");
        assert_eq!(envelope.left_millis(u64::MAX, 10_000), None);
    }
}
