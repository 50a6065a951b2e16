//! What a region does next for one person's erasure: a pure function of what all regions say.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use echoes_shared::policy::{ERASURE_SETTLE_SECONDS, REQUEST_DEADLINE_MILLIS};
use echoes_shared::{Region, Timestamp, hex};

use super::record::{Agreed, Finding, Record, Seen, Walk};
use super::tally::Tally;

/// Milliseconds for which a create's key is fresh: one of these is not looked up, and nearly all are.
pub(super) const FRESH_KEY_MILLIS: u64 = 5_000;
/// Milliseconds that a create may take from the look at its key to the end of its write; the edge has given up after two seconds.
const IN_FLIGHT_MILLIS: u64 = 5_000;
const _: () = assert!(IN_FLIGHT_MILLIS > 2 * REQUEST_DEADLINE_MILLIS);
/// Milliseconds after which the region that took the request buries for a region that has not set to work.
const STAND_IN_MILLIS: u64 = 60_000;
/// And for any region, however hard that works.
const STAND_IN_FOR_ALL_MILLIS: u64 = 60 * 60 * 1_000;
/// Milliseconds between two walks while regions differ: at least, and at most.
const LEAST_INTERVAL_MILLIS: u64 = 1_000;
const MOST_INTERVAL_MILLIS: u64 = 5 * 60 * 1_000;
/// Milliseconds between a walk and the next that news from another region brings about.
const NEWS_INTERVAL_MILLIS: u64 = 300;
const SETTLE_MILLIS: u64 = ERASURE_SETTLE_SECONDS * 1_000;

/// One person's erasure as one region sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Erasure<'a> {
    /// The region that sees it.
    pub own: Region,
    /// The regions that must confirm.
    pub regions: &'a [Region],
    /// What each says, as far as that has come here.
    pub records: &'a BTreeMap<Region, Record>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing for now.
    Rest,
    /// Note the request, and forget what was done for an earlier one.
    See(Seen),
    /// Go on with this walk.
    Walk(Walk),
    /// Note that all regions found the same.
    Agree(Agreed),
    /// Say that it is done.
    Finish(Timestamp),
    /// Take it from the list of those that run: every region says that it is done.
    Close(Timestamp),
}

/// The origins whose echoes a region buries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Duty {
    origins: Vec<Region>,
    /// And those of any region that is not one of these, which nobody else would.
    strangers_to: Option<Vec<Region>>,
}

impl Duty {
    /// Every echo: once an erasure is done, whoever finds one buries it.
    pub(super) fn all() -> Self {
        Self { origins: Region::ALL.to_vec(), strangers_to: None }
    }

    /// Whether the region buries echoes of this origin.
    pub(super) fn includes(&self, origin: Region) -> bool {
        let stranger = self.strangers_to.as_ref().is_some_and(|known| !known.contains(&origin));
        stranger || self.origins.contains(&origin)
    }
}

impl<'a> Erasure<'a> {
    /// The time up to which the person is erased, and the region that took the request; the latest where there are several.
    pub(super) fn request(&self) -> Option<(Timestamp, Region)> {
        let requests = self.records.iter().filter_map(|(region, record)| Some((record.requested?, *region)));
        requests.max()
    }

    /// Whether it is done, as far as is known here. Every region may be believed: it has waited on its own clock.
    pub(super) fn is_done(&self, up_to: Timestamp) -> bool {
        self.records.values().any(|record| record.done >= Some(up_to))
    }

    /// What this region does next.
    pub(super) fn next(&self, now: Timestamp) -> Step {
        let Some((up_to, _)) = self.request() else { return Step::Rest };
        let empty = Record::default();
        let own = self.records.get(&self.own).unwrap_or(&empty);
        if own.done >= Some(up_to) {
            let all = self.regions.iter().all(|region| self.record(*region).is_some_and(|r| r.done >= Some(up_to)));
            return if all { Step::Close(up_to) } else { Step::Rest };
        }
        if self.is_done(up_to) {
            return Step::Finish(up_to);
        }
        let Some(seen) = own.seen.filter(|seen| seen.up_to == up_to) else {
            return Step::See(Seen { up_to, at: now });
        };
        if let Some(walk) = own.walk.as_ref().filter(|walk| walk.up_to == up_to) {
            return Step::Walk(walk.clone());
        }
        let Some(finding) = finding_of(own, up_to) else { return self.new_walk(up_to, now) };
        match self.agreement(up_to) {
            Some(tally) => match own.agreed {
                Some(agreed) if agreed.up_to == up_to && agreed.tally == tally => {
                    if now.millis_since(agreed.at) >= SETTLE_MILLIS { Step::Finish(up_to) } else { Step::Rest }
                }
                _ => Step::Agree(Agreed { up_to, tally, at: now }),
            },
            None if self.is_due(finding, seen, now) => self.new_walk(up_to, now),
            None => Step::Rest,
        }
    }

    /// What a finished walk comes to.
    pub(super) fn conclude(&self, walk: &Walk, now: Timestamp) -> Finding {
        let own = self.record(self.own);
        let seen = own.and_then(|own| own.seen).filter(|seen| seen.up_to == walk.up_to);
        let mut finding = Finding {
            up_to: walk.up_to,
            tally: walk.tally,
            sure: seen.is_some_and(|seen| is_sure(seen, walk.began_at)),
            peers: walk.peers.clone(),
            looked_at: now,
            changed_at: now,
        };
        if let Some(last) = own.and_then(|own| finding_of(own, walk.up_to))
            && (last.tally, &last.peers) == (finding.tally, &finding.peers)
        {
            finding.changed_at = last.changed_at;
        }
        finding
    }

    /// Whose echoes this region buries: its own, so that every echo gets one tombstone. The region that took the request
    /// stands in for others: for one that has not set to work, or has done its part while its echoes still live here; in the end
    /// for all. Two tombstones for one echo do no harm but their price.
    pub(super) fn duty(&self, now: Timestamp) -> Duty {
        let mut duty = Duty { origins: vec![self.own], strangers_to: None };
        let Some((up_to, taker)) = self.request() else { return duty };
        if taker != self.own {
            return duty;
        }
        duty.strangers_to = Some(self.regions.to_vec());
        let seen = self.record(self.own).and_then(|own| own.seen).filter(|seen| seen.up_to == up_to);
        let waited_millis = seen.map_or(0, |seen| now.millis_since(seen.at));
        let is_at_work = |region: Region| {
            self.record(region).is_some_and(|record| {
                record.seen.is_some_and(|seen| seen.up_to == up_to) && finding_of(record, up_to).is_none()
            })
        };
        duty.origins.extend(self.regions.iter().copied().filter(|region| match waited_millis {
            STAND_IN_FOR_ALL_MILLIS.. => true,
            STAND_IN_MILLIS.. => !is_at_work(*region),
            _ => false,
        }));
        duty
    }

    fn record(&self, region: Region) -> Option<&'a Record> {
        self.records.get(&region)
    }

    fn new_walk(&self, up_to: Timestamp, now: Timestamp) -> Step {
        Step::Walk(Walk::new(up_to, self.peers(up_to), now))
    }

    /// What all regions found, if that is the same, nothing lives, and all are sure.
    fn agreement(&self, up_to: Timestamp) -> Option<Tally> {
        let mut findings = self.regions.iter().map(|&region| finding_of(self.record(region)?, up_to));
        let first = findings.next()??;
        let agrees = |finding: &Finding| finding.sure && finding.tally == first.tally;
        let all = agrees(first) && findings.all(|finding| finding.is_some_and(agrees));
        (all && first.tally.living == 0).then_some(first.tally)
    }

    /// Whether a look is due: one that is sure; or, where something lives or a region found something else, soon after news from
    /// there, else in growing intervals.
    fn is_due(&self, last: &Finding, seen: Seen, now: Timestamp) -> bool {
        if !last.sure && is_sure(seen, now) {
            return true;
        }
        let differs = |region: &Region| {
            self.record(*region)
                .and_then(|record| finding_of(record, last.up_to))
                .is_some_and(|theirs| theirs.tally != last.tally)
        };
        if last.tally.living == 0 && !self.regions.iter().any(differs) {
            return false;
        }
        let since_millis = now.millis_since(last.looked_at);
        let news = self.peers(last.up_to) != last.peers;
        let interval_millis = last.looked_at.millis_since(last.changed_at) / 2;
        let interval_millis = interval_millis.clamp(LEAST_INTERVAL_MILLIS, MOST_INTERVAL_MILLIS);
        since_millis >= interval_millis || news && since_millis >= NEWS_INTERVAL_MILLIS
    }

    /// What the other regions have found, in short; how sure they are does not matter.
    fn peers(&self, up_to: Timestamp) -> String {
        const BYTES: usize = 8;
        let mut hash = Sha256::new();
        for (region, record) in self.records.iter().filter(|(region, _)| **region != self.own) {
            if let Some(Finding { tally: Tally { graves, sum, living }, .. }) = finding_of(record, up_to) {
                hash.update(format!("{region} {graves} {sum} {living};").as_bytes());
            }
        }
        let digest = hash.finalize();
        hex::lower(digest.get(..BYTES).unwrap_or_default())
    }
}

/// Whether no create of up to that time can end in this region any more: all keys of then have lost their freshness, by the very
/// clock that creates are measured by, every look since has met the request, and what began before either has ended.
fn is_sure(seen: Seen, at: Timestamp) -> bool {
    at >= seen.up_to.plus_millis(FRESH_KEY_MILLIS + IN_FLIGHT_MILLIS) && at >= seen.at.plus_millis(IN_FLIGHT_MILLIS)
}

fn finding_of(record: &Record, up_to: Timestamp) -> Option<&Finding> {
    record.finding.as_ref().filter(|finding| finding.up_to == up_to)
}
