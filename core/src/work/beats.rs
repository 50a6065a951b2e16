//! The job that beats for its region, and looks how long the other regions' beats take to arrive.
//!
//! A beat says when it was sent; who sees it for the first time knows how long it took, as far as the two clocks agree and to the
//! second or so between two looks. A region that no beat of another reaches is cut off: it counts the silence. Of the other regions
//! the nearest counts: what reaches none of them would be lost with the region, and one that is cut off says nothing of the rest.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echoes_shared::status::Lags;
use echoes_shared::{Region, Timestamp};

use super::Again;
use crate::store::{Beat, Store, StoreError};
use crate::stream::Progress;

/// Between two beats of a region, at least.
const BEAT_MILLIS: u64 = 10_000;
/// Between two looks at the others.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// What a beat may be late by though nothing is wrong: two looks, and what the store takes.
const LATE_MILLIS: u64 = 3_000;
/// For how long a process that knows nothing of the stream leaves the beat to one that does.
const LEFT_MILLIS: u64 = 2 * BEAT_MILLIS;

/// This region's beats.
#[derive(Debug)]
pub(super) struct Beats {
    store: Store,
    stream: Progress,
    /// This process.
    me: String,
    watch: Mutex<Watch>,
}

impl Beats {
    pub(super) fn new(store: Store, stream: Progress) -> Self {
        Self { store, stream, me: format!("{:016x}", rand::random::<u64>()), watch: Mutex::default() }
    }

    /// One look, and a beat where it is time.
    pub(super) async fn pass(&self, now: Timestamp) -> Result<Again, StoreError> {
        let beats = self.store.beats().await?;
        let stream_millis = self.stream.lag().map(|lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX));
        let beat = {
            let mut watch = self.watch();
            watch.look(&beats, self.store.region(), now);
            let due = watch.is_due(now) && (stream_millis.is_some() || !self.is_left(&beats, now));
            due.then(|| Lags { replication_millis: watch.lag_millis(now), stream_millis })
        };
        if let Some(lags) = beat {
            self.store.beat(now, lags, &self.me).await?;
            self.watch().beaten = Some(now);
        }
        Ok(Again::Later)
    }

    /// It guards times, which are whole even where a holder panicked.
    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another process of this region beats, and knows more.
    fn is_left(&self, beats: &[Beat], now: Timestamp) -> bool {
        let own = beats.iter().find(|beat| beat.region == self.store.region());
        own.is_some_and(|beat| beat.by != self.me && now.millis().abs_diff(beat.at.millis()) < LEFT_MILLIS)
    }
}

/// What a process has seen of the other regions' beats.
#[derive(Debug, Default)]
struct Watch {
    since: Option<Timestamp>,
    beaten: Option<Timestamp>,
    others: BTreeMap<Region, Seen>,
}

/// The last beat of another region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    at: Timestamp,
    /// How long it took; not known of one that was there before the first look.
    took_millis: Option<u64>,
}

impl Watch {
    fn look(&mut self, beats: &[Beat], here: Region, now: Timestamp) {
        let is_first = self.since.is_none();
        self.since.get_or_insert(now);
        for beat in beats.iter().filter(|beat| beat.region != here) {
            let seen = self.others.get(&beat.region);
            // A look at an older replica of the item shows what was seen before.
            if seen.is_none_or(|seen| seen.at < beat.at) {
                let took_millis = (!is_first).then(|| now.millis_since(beat.at));
                self.others.insert(beat.region, Seen { at: beat.at, took_millis });
            }
        }
    }

    /// Either way round: a clock that was set back does not put it off.
    fn is_due(&self, now: Timestamp) -> bool {
        self.beaten.is_none_or(|last| now.millis().abs_diff(last.millis()) >= BEAT_MILLIS)
    }

    /// How far this region is behind the nearest other one; none before anything is known.
    fn lag_millis(&self, now: Timestamp) -> Option<u64> {
        let since = self.since?;
        let lag = |seen: &Seen| {
            let silent = now.millis_since(seen.at.max(since)).saturating_sub(BEAT_MILLIS + LATE_MILLIS);
            seen.took_millis.max(Some(silent).filter(|silent| *silent > 0))
        };
        self.others.values().filter_map(lag).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_795_388_393_372 + seconds * 1_000)
    }

    fn beat(region: Region, sent: u64) -> Beat {
        Beat { region, at: at(sent), lags: Lags::default(), by: String::new() }
    }

    const HERE: Region = Region::EuWest1;

    #[test]
    fn a_beat_tells_how_long_it_took_when_it_is_seen_first() {
        let mut watch = Watch::default();
        let mut look = |beats: &[Beat], now: u64| {
            watch.look(beats, HERE, at(now));
            watch.lag_millis(at(now))
        };
        assert_eq!(look(&[], 0), None);
        let mut watch = Watch::default();
        let mut look = |beats: &[Beat], now: u64| {
            watch.look(beats, HERE, at(now));
            watch.lag_millis(at(now))
        };
        let old = [beat(Region::UsEast1, 0), beat(HERE, 0)];
        assert_eq!(look(&old, 900), None, "it may have been there for long");
        assert_eq!(look(&old, 905), None);
        let new = [beat(Region::UsEast1, 905), beat(Region::ApSoutheast1, 903)];
        assert_eq!(look(&new, 907), Some(2_000), "the nearest");
        assert_eq!(look(&new, 910), Some(2_000), "it was seen before");
        assert_eq!(look(&old, 911), Some(2_000), "what is older is no news");
        let one_is_silent = [beat(Region::UsEast1, 905), beat(Region::ApSoutheast1, 1_000)];
        assert_eq!(look(&one_is_silent, 1_001), Some(1_000), "one that is cut off says nothing of the rest");
        assert_eq!(look(&one_is_silent, 1_100), Some(100_000 - BEAT_MILLIS - LATE_MILLIS), "now all are silent");
        assert_eq!(look(&[beat(Region::UsEast1, 1_101)], 1_100), Some(0), "its clock is ahead");
    }

    #[test]
    fn a_region_beats_every_ten_seconds_whatever_its_clock_does() {
        let mut watch = Watch::default();
        assert!(watch.is_due(at(100)));
        watch.beaten = Some(at(100));
        assert_eq!([99, 100, 109, 110, 60].map(|now| watch.is_due(at(now))), [false, false, false, true, true]);
    }
}
