//! What stands around the decisions: a clock of whole seconds, a store, two processes, and what is known of every write.

use std::time::Duration;

use bytes::Bytes;

use super::flight::Flight;
use super::rule::{Budget, Event, Fault, Rule};
use super::server::Server;
use crate::cache::flights::Order;
use crate::cache::lifetimes::millis;
use crate::cache::memory::Times;
use crate::cache::redis::Stamp;
use crate::cache::walk::Right;
use crate::cache::{Key, Lifetimes};

pub(super) const KEY: Key = Key::Recent;
pub(super) const SECOND: u64 = 1_000;
/// Seconds before which the index has a write.
pub(super) const SETTLE: u64 = 2;
/// Seconds for which memory shows a value, fresh and then stale.
pub(super) const MEMORY: u64 = 5;
const FRESH: u64 = 3;
/// Seconds before which a load has ended, and in which a process reads the count of untold writes.
const LOAD: u64 = 1;
const FOLLOW: u64 = 2;
/// Seconds before which the stream has told of a write.
const STREAM: u64 = 3;

pub(super) fn lifetimes() -> Lifetimes {
    Lifetimes {
        memory: Duration::from_secs(FRESH),
        memory_stale: Duration::from_secs(MEMORY - FRESH),
        settle: Duration::from_secs(SETTLE),
        ..Lifetimes::default()
    }
}

/// A value: the number of the last write that was in it.
pub(super) type Version = u8;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Process {
    pub order: Order<()>,
    pub memory: Option<(Version, Times)>,
    pub flights: Vec<Flight>,
    pub reads: u8,
    /// Since when it reaches Redis.
    pub connected: Option<u64>,
    /// Whether it hears messages.
    pub listens: bool,
    /// The count of untold writes, as far as it knows, and since when.
    pub known: u8,
    pub news: Option<u64>,
}

impl Process {
    /// Before anything has happened no time need pass.
    fn has_begun(&self) -> bool {
        self.memory.is_some() || !self.flights.is_empty() || self.connected.is_none()
    }
}

/// What judges readers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Written {
    /// Whether Redis knows.
    pub told: bool,
    pub acknowledged: Option<u64>,
    /// Since when the second process knows.
    pub heard: Option<u64>,
    /// Whether only its own process can know.
    pub uncounted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub now: u64,
    pub index: Version,
    pub indexed_before: u64,
    pub server: Server,
    pub memcached: Option<Bytes>,
    pub processes: [Process; 2],
    /// The writer's steps done.
    pub step: u8,
    pub writes: u8,
    pub written: Vec<Written>,
    /// By when the stream tells of what the store has taken, where anything is left to tell.
    pub streamed_before: Option<u64>,
    /// When something last happened after which the indexes or Redis may be behind: then what was known before it may be seen
    /// as late as what has become known with it.
    pub disturbed: u64,
    /// Whether the first process remembers what Redis was not told.
    pub remembers: bool,
    /// In the store, and by when everybody knows it.
    pub count: u8,
    pub followed_before: u64,
    pub message: bool,
    pub faults: Vec<Fault>,
    pub streams: bool,
    pub last_second: u64,
    pub broken: Option<Rule>,
}

impl World {
    pub(super) fn new(budget: Budget, broken: Option<Rule>) -> Self {
        // It has been going on for long: a generation of long ago, under which the present value lies everywhere.
        let now = 100;
        let process = |reads| Process { reads, connected: Some(0), listens: true, ..Process::default() };
        let mut world = Self {
            now,
            index: 0,
            indexed_before: 0,
            server: Server::default(),
            memcached: None,
            processes: budget.flights.map(process),
            step: 0,
            writes: budget.writes,
            written: Vec::new(),
            streamed_before: None,
            disturbed: 0,
            remembers: false,
            count: 0,
            followed_before: 0,
            message: false,
            faults: budget.faults.to_vec(),
            streams: budget.streams,
            last_second: now + budget.seconds,
            broken,
        };
        world.server.data.generation = Some((0, 0));
        let stamp: Stamp = world.stamp(0).unwrap();
        let right = Right { stamp, begun_at_millis: now * SECOND, settling_millis: None, lease: None };
        let value = right.envelope(3_600_000, false, 0, Bytes::from_static(&[0])).encode();
        if budget.filled {
            world.memcached = Some(value.clone());
            world.server.data.value = Some(value);
        }
        world.server.copy = world.server.data.clone();
        world
    }

    pub(super) fn breaks(&self, rule: Rule) -> bool {
        self.broken == Some(rule)
    }

    pub(super) fn truth(&self) -> Version {
        u8::try_from(self.written.len()).unwrap()
    }

    /// What can happen next.
    pub(super) fn possible(&self) -> Vec<Event> {
        let mut events = Vec::new();
        if !self.lives(0) && !self.lives(1) {
            return events;
        }
        let mut when = |possible: bool, event| events.extend(possible.then_some(event));
        for (number, process) in self.processes.iter().enumerate() {
            let fresh = process.memory.is_some_and(|(_, times)| self.now * SECOND < times.refresh_at);
            let alone = process.order.flight(&KEY).is_none();
            when(process.reads > 0 && process.flights.len() < 2 && alone && !fresh, Event::Read(number));
            (0..process.flights.len()).for_each(|flight| when(true, Event::Fly(number, flight)));
            let matters = self.lives(number) || number == 0 && self.remembers;
            when(process.connected.is_none() && matters, Event::Reconnect(number));
        }
        let second = &self.processes[1];
        when(self.step > 0 || self.writes > 0, Event::Write);
        when(self.step == 0 && self.streamed_before.is_some(), Event::Stream);
        when(self.index < self.truth(), Event::Index);
        when(self.message, Event::Hear);
        when(second.connected.is_some() && !second.listens, Event::Gap);
        when(second.known < self.count && !self.breaks(Rule::CountIsFollowed), Event::Follow);
        when(self.remembers && self.processes[0].connected.is_some(), Event::Tell);
        let restores = self.faults.contains(&Fault::Restore);
        when(restores && !self.server.copied && self.server.data != self.server.copy, Event::Copy);
        for fault in &self.faults {
            let possible = match fault {
                Fault::Lose => self.message,
                Fault::Cut(process) => {
                    let matters = self.asks(*process) || *process == 0 && self.writes > 0;
                    self.processes[*process].connected.is_some() && matters
                }
                Fault::Uncounted => self.step == 2,
                Fault::Die => self.may_die(),
                Fault::Flush | Fault::Restore => self.asks(0) || self.asks(1),
            };
            when(possible, Event::Fail(*fault));
        }
        when(self.time_may_pass(), Event::Second);
        events
    }

    /// What takes no time is done before time passes; a message is heard at once, or never.
    fn time_may_pass(&self) -> bool {
        let loads = |flight: &Flight| flight.loading_for(self.now).is_some_and(|seconds| seconds < LOAD);
        let indexed = self.index == self.truth() || self.now + 1 < self.indexed_before;
        let breaks = self.breaks(Rule::CountIsFollowed);
        let followed = breaks || self.processes[1].known == self.count || self.now + 1 < self.followed_before;
        let flights = self.processes.iter().flat_map(|process| &process.flights).all(loads);
        let streamed = self.streamed_before.is_none_or(|at| self.now + 1 < at);
        let begun = !self.written.is_empty() || self.processes.iter().any(Process::has_begun);
        begun
            && self.now < self.last_second
            && self.step == 0
            && !self.message
            && indexed
            && followed
            && streamed
            && flights
    }

    /// Lets it happen. An error is a lie that was told.
    pub(super) fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Second => self.now += 1,
            Event::Index => self.index = self.truth(),
            Event::Read(process) => self.read(process),
            Event::Fly(process, flight) => self.fly(process, flight)?,
            Event::Write => self.write(),
            Event::Stream => self.stream(),
            Event::Hear => self.hear(),
            Event::Gap => self.gap(),
            Event::Follow => self.follow(1),
            Event::Reconnect(process) => {
                self.processes[process].connected = Some(self.now);
                if process == 0 && self.remembers && !self.breaks(Rule::ToldBeforeRead) {
                    self.tell();
                }
            }
            Event::Tell => self.tell(),
            Event::Copy => self.server.copy(),
            Event::Fail(fault) => self.fail(fault),
        }
        self.judge_memory()?;
        self.forget_differences();
        Ok(())
    }

    fn fail(&mut self, fault: Fault) {
        self.faults.retain(|other| *other != fault);
        match fault {
            Fault::Lose => self.message = false,
            Fault::Flush => {
                self.server.flush();
                self.disturbed = self.now;
            }
            Fault::Restore => {
                self.server.restore();
                let now = self.now;
                self.disturbed = now;
                self.processes.iter_mut().filter_map(|process| process.connected.as_mut()).for_each(|at| *at = now);
                self.interrupt(1);
            }
            Fault::Cut(process) => {
                self.processes[process].connected = None;
                self.interrupt(process);
            }
            Fault::Uncounted => {
                self.written.last_mut().unwrap().uncounted = true;
                self.step += 1;
            }
            Fault::Die => self.die(),
        }
    }

    fn interrupt(&mut self, process: usize) {
        self.processes[process].listens = false;
        self.message &= process == 0;
    }

    /// Whether this process has a connection.
    pub(super) fn is_there(&self, process: usize) -> bool {
        let untold = process == 0 && self.remembers && !self.breaks(Rule::ToldBeforeRead);
        self.processes[process].connected.is_some() && !untold
    }

    pub(super) fn forget(&mut self, process: usize) {
        let (now, settle) = (self.now * SECOND, millis(lifetimes().settle));
        let process = &mut self.processes[process];
        process.memory = None;
        process.order.forget(&KEY, now, settle);
    }

    fn doubt(&mut self, process: usize) {
        let process = &mut self.processes[process];
        process.memory = None;
        process.flights.iter_mut().for_each(|flight| flight.doubted = true);
    }

    fn write(&mut self) {
        self.step += 1;
        match self.step {
            1 => {
                self.writes -= 1;
                self.written.push(Written::default());
                self.indexed_before = self.now + SETTLE;
                self.streamed_before = self.streams.then_some(self.now + STREAM);
                self.forget(0);
            }
            2 if self.is_there(0) => {
                self.tell();
                self.step += 1;
            }
            2 => self.remembers = true,
            3 if !self.breaks(Rule::UntoldIsCounted) => {
                self.count += 1;
                self.followed_before = self.now + FOLLOW;
                self.follow(0);
            }
            3 => {}
            _ => {
                if !self.breaks(Rule::MemoryIsForgottenTwice) {
                    self.forget(0);
                }
                self.step = 0;
                self.acknowledge();
            }
        }
    }

    /// Everybody knows of all that was written, or will.
    pub(super) fn acknowledge(&mut self) {
        let now = self.now;
        self.disturbed = now;
        self.written.iter_mut().for_each(|write| _ = write.acknowledged.get_or_insert(now));
    }

    /// Ends the generation and publishes.
    fn tell(&mut self) {
        self.server.invalidate(self.now, !self.breaks(Rule::BirthIsChange));
        self.remembers = false;
        self.message = self.processes[1].listens;
        self.written.iter_mut().for_each(|write| write.told = true);
    }

    fn hear(&mut self) {
        self.message = false;
        if !self.breaks(Rule::MessagesAreHeard) {
            self.forget(1);
        }
        self.second_knows();
    }

    fn gap(&mut self) {
        self.processes[1].listens = true;
        if !self.breaks(Rule::GapIsDoubt) {
            self.doubt(1);
        }
        self.second_knows();
    }

    fn second_knows(&mut self) {
        let now = self.now;
        self.disturbed = now;
        let news = self.written.iter_mut().filter(|write| write.told && write.heard.is_none());
        news.for_each(|write| write.heard = Some(now));
    }

    pub(super) fn follow(&mut self, process: usize) {
        self.processes[process].known = self.count;
        self.processes[process].news = Some(self.now);
        self.disturbed = self.now;
        if !self.breaks(Rule::NewsIsDoubt) {
            self.doubt(process);
        }
    }

    /// The oldest that a reader who comes to this process now may be shown.
    pub(super) fn needed(&self, process: usize) -> Version {
        let since = |at: u64, seconds: u64| self.now >= at + seconds;
        let due = |write: &Written| {
            let Some(at) = write.acknowledged else { return false };
            let known = if process == 0 { Some(at) } else { write.heard.map(|heard| heard.max(at)) };
            let settled = since(self.disturbed, SETTLE);
            known.is_some_and(|known| settled || since(known, 2 * SETTLE)) || !write.uncounted && since(at, MEMORY)
        };
        self.written.iter().rposition(due).map_or(0, |write| u8::try_from(write + 1).unwrap())
    }

    /// Whoever comes now is shown what memory has.
    fn judge_memory(&self) -> Result<(), String> {
        for (number, process) in self.processes.iter().enumerate() {
            let shown = process.memory.filter(|(_, times)| self.now * SECOND < times.stale_until);
            shown.map_or(Ok(()), |(version, _)| judge(version, self.needed(number), "memory"))?;
        }
        Ok(())
    }
}

pub(super) fn judge(shown: Version, needed: Version, by: &str) -> Result<(), String> {
    if shown >= needed { Ok(()) } else { Err(format!("{by} showed version {shown} where {needed} was due")) }
}
