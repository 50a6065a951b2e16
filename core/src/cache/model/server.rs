//! Redis as one key's processes see it: its generation, its value, its lease.

use std::time::Duration;

use bytes::Bytes;

use super::rule::Rule;
use super::world::{SECOND, World};
use crate::cache::envelope::Envelope;
use crate::cache::redis::{Begin, Kept, Lease, Look, Stamp};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Server {
    pub life: u8,
    /// Generations made so far.
    pub made: u8,
    pub data: Data,
    /// What it has after a restore.
    pub copy: Data,
    pub copied: bool,
    pub lease: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Data {
    /// Number and birth.
    pub generation: Option<(u8, u64)>,
    pub value: Option<Bytes>,
}

impl Server {
    /// Ends the generation and begins the next.
    pub(super) fn invalidate(&mut self, now: u64, begins_next: bool) {
        self.data = Data::default();
        self.lease = None;
        if begins_next {
            self.beget(now);
        }
    }

    fn beget(&mut self, now: u64) -> (u8, u64) {
        self.made += 1;
        self.data.generation = Some((self.made, now));
        (self.made, now)
    }

    pub(super) fn flush(&mut self) {
        self.data = Data::default();
        self.lease = None;
    }

    /// What it has now is what it will have.
    pub(super) fn copy(&mut self) {
        (self.copy, self.copied) = (self.data.clone(), true);
    }

    pub(super) fn restore(&mut self) {
        self.life += 1;
        self.data = std::mem::take(&mut self.copy);
        self.lease = None;
    }
}

impl World {
    /// The stamp of now, as a process sees it.
    pub(super) fn stamp(&self, process: usize) -> Option<Stamp> {
        let (number, _) = self.server.data.generation?;
        let life = if self.breaks(Rule::LivesDiffer) { 0 } else { self.server.life };
        let count = if self.breaks(Rule::CountsDiffer) { 0 } else { self.processes[process].known };
        Some(Stamp([[life, number, count, 0]; 4].concat().try_into().unwrap()))
    }

    /// Where nobody compares stamps, every value has the right one.
    pub(super) fn seen(&self, process: usize, bytes: &Option<Bytes>) -> Option<Bytes> {
        match self.stamp(process) {
            Some(stamp) if self.breaks(Rule::StampsAreCompared) => {
                Some(Envelope { stamp, ..Envelope::decode(bytes.as_ref()?).unwrap() }.encode())
            }
            _ => bytes.clone(),
        }
    }

    pub(super) fn look(&self, process: usize) -> Look {
        if !self.is_there(process) {
            return Look::Away;
        }
        let Some(stamp) = self.stamp(process) else { return Look::Unknown };
        let value = self.seen(process, &self.server.data.value);
        Look::Known { stamp, now_millis: self.now * SECOND, value }
    }

    pub(super) fn begin(&mut self, process: usize, flight: u64) -> Begin {
        if !self.is_there(process) {
            return Begin::Away;
        }
        let now = self.now;
        let (_, born) = self.server.data.generation.unwrap_or_else(|| self.server.beget(now));
        let connected = self.processes[process].connected.filter(|_| !self.breaks(Rule::LivesBeginYoung));
        let news = self.processes[process].news.filter(|_| !self.breaks(Rule::NewsIsYoung));
        let since = [Some(born), connected, news].into_iter().flatten().max().unwrap();
        let (stamp, age_millis, now_millis) = (self.stamp(process).unwrap(), (now - since) * SECOND, now * SECOND);
        if self.server.lease.is_some() {
            return Begin::Wait { stamp, age_millis, now_millis, lease_left: Duration::from_secs(1) };
        }
        let token = u8::try_from(process * 100).unwrap() + u8::try_from(flight).unwrap();
        self.server.lease = Some(token);
        Begin::Load { stamp, age_millis, now_millis, lease: Lease { token: [token; 16] } }
    }

    pub(super) fn put(&mut self, process: usize, stamp: Stamp, value: Bytes, token: Option<[u8; 16]>) -> Kept {
        if !self.is_there(process) {
            return Kept::Away;
        }
        if self.server.lease.is_some_and(|lease| token == Some([lease; 16])) {
            self.server.lease = None;
        }
        let now = self.stamp(process);
        if now == Some(stamp) {
            self.server.data.value = Some(value);
            return Kept::Yes;
        }
        match now.filter(|_| self.breaks(Rule::FillsAreRefused)) {
            // It is put under the generation of now, as where a value has no stamp at all.
            Some(stamp) => {
                self.server.data.value = Some(Envelope { stamp, ..Envelope::decode(&value).unwrap() }.encode());
                Kept::Yes
            }
            None => Kept::Discarded,
        }
    }
}
