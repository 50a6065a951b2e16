//! What stands around the decisions: a clock of whole seconds, a store, two processes, Redis, Memcached, messages.

use std::time::Duration;

use bytes::Bytes;

use crate::cache::envelope::Envelope;
use crate::cache::flights::Order;
use crate::cache::lifetimes::millis;
use crate::cache::memory::Times;
use crate::cache::redis::{Begin, Lease, Look, Stamp};
use crate::cache::walk::{self, Ask, Fill, Freshness, Right, Walk};
use crate::cache::{Key, Lifetimes};

const KEY: Key = Key::Recent;
const SECOND: u64 = 1_000;
/// Seconds before which the index has a write, and after which a flight has ended, and a process has found a Redis that is back.
const SETTLE: u64 = 2;
const FLIGHT: u64 = 2;
const RECONNECT: u64 = 1;
/// Seconds for which memory shows a value, stale or not.
const MEMORY: u64 = 2;

fn lifetimes() -> Lifetimes {
    Lifetimes {
        memory: Duration::from_secs(1),
        memory_stale: Duration::from_secs(MEMORY - 1),
        settle: Duration::from_secs(SETTLE),
        ..Lifetimes::default()
    }
}

/// A rule whose absence must be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    /// Redis keeps a fill only under the generation of now.
    FillsAreRefused,
    /// A value counts only with the stamp of now.
    StampsAreCompared,
    /// A stamp has the life of Redis in it.
    LivesDiffer,
    /// What is loaded under a young generation is brief, and so is what is loaded just after a local invalidation.
    YoungIsBrief,
    /// A flight that an invalidation took out of the order keeps nothing.
    FlightsAreDetached,
    /// A write invalidates memory after it told Redis, too.
    MemoryIsForgottenTwice,
    /// What Redis lost before a connection counts as just changed.
    LivesBeginYoung,
    /// Nobody reads a Redis that has not been told what is remembered for it.
    ToldBeforeRead,
}

impl Rule {
    pub(super) const ALL: &[Self] = &[
        Self::FillsAreRefused,
        Self::StampsAreCompared,
        Self::LivesDiffer,
        Self::YoungIsBrief,
        Self::FlightsAreDetached,
        Self::MemoryIsForgottenTwice,
        Self::LivesBeginYoung,
        Self::ToldBeforeRead,
    ];
}

/// How much happens in a world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Of each process.
    pub reads: [u8; 2],
    /// Of the first process.
    pub writes: u8,
    pub misfortunes: u8,
    pub seconds: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Event {
    Second,
    /// The index has all writes.
    Index,
    /// A reader comes to this process.
    Read(usize),
    /// A process's flight, its first or second, takes a step.
    Fly(usize, usize),
    /// The first process's writer takes a step.
    Write,
    /// The second process hears what is on its way to it, or never will.
    Hear,
    Lose,
    /// The first process finds Redis and tells it what it remembered.
    Tell,
    /// A replica has all that Redis has.
    Replicate,
    /// Misfortunes: everything is lost; the replica takes over; nobody reaches Redis. And its end.
    Flush,
    Failover,
    Leave,
    Return,
}

/// A value: the number of the last write that was in it.
type Version = u8;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Flight {
    number: u64,
    began: u64,
    gone: bool,
    walk: Walk<Version>,
    next: Next,
    /// What its reader, and whoever joined, must be shown at least.
    own: Version,
    joined: Version,
    settled: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Next {
    Ask(Ask<Version>),
    Keep(Option<Right>, Version, u64),
    Land(Version, Freshness, bool, u64),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Process {
    order: Order<()>,
    memory: Option<(Version, Times)>,
    flights: Vec<Flight>,
    reads: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Redis {
    away: bool,
    life: u8,
    connected: u64,
    /// Number and birth.
    generation: Option<(u8, u64)>,
    value: Option<Bytes>,
    lease: Option<u8>,
}

impl Redis {
    fn stamp(&self, broken: Option<Rule>) -> Option<Stamp> {
        let life = if broken == Some(Rule::LivesDiffer) { 0 } else { self.life };
        self.generation.map(|(number, _)| Stamp([[life, number]; 8].concat().try_into().unwrap()))
    }
}

/// What is known of a write for judging readers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Acknowledged {
    at: u64,
    heard: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    now: u64,
    truth: Version,
    index: Version,
    written: u64,
    redis: Redis,
    replica: (Option<(u8, u64)>, Option<Bytes>),
    generations: u8,
    memcached: Option<Bytes>,
    processes: [Process; 2],
    /// The writer's steps done: stored, forgotten, told.
    writer: u8,
    writes: u8,
    remembered: bool,
    /// When Redis was last there without having been told.
    exposed: u64,
    message: Option<Version>,
    acknowledged: Vec<Acknowledged>,
    misfortunes: u8,
    last_second: u64,
    broken: Option<Rule>,
}

impl World {
    pub(super) fn new(budget: Budget, broken: Option<Rule>) -> Self {
        let process = |reads| Process { reads, ..Process::default() };
        // It has been going on for long: a generation of long ago, under which the present value lies everywhere.
        let redis = Redis { generation: Some((0, 0)), ..Redis::default() };
        let stamp = redis.stamp(broken).unwrap();
        let now = 100;
        let right = Right { stamp, begun_at_millis: now * SECOND, settling_millis: None, lease: None };
        let value = right.envelope(3_600_000, false, 0, Bytes::from_static(&[0])).encode();
        Self {
            now,
            truth: 0,
            index: 0,
            written: 0,
            redis: Redis { value: Some(value.clone()), ..redis },
            replica: (Some((0, 0)), Some(value.clone())),
            generations: 0,
            memcached: Some(value),
            processes: budget.reads.map(process),
            writer: 0,
            writes: budget.writes,
            remembered: false,
            exposed: 0,
            message: None,
            acknowledged: Vec::new(),
            misfortunes: budget.misfortunes,
            last_second: now + u64::from(budget.seconds),
            broken,
        }
    }

    fn breaks(&self, rule: Rule) -> bool {
        self.broken == Some(rule)
    }

    /// What can happen next.
    pub(super) fn possible(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut when = |possible: bool, event| events.extend(possible.then_some(event));
        let flies = |process: usize, flight: usize| self.processes[process].flights.len() > flight;
        for process in 0..2 {
            let Process { flights, reads, .. } = &self.processes[process];
            when(*reads > 0 && flights.len() < 2, Event::Read(process));
            (0..2).for_each(|flight| when(flies(process, flight), Event::Fly(process, flight)));
        }
        when(self.writer > 0 || self.writes > 0, Event::Write);
        when(self.index < self.truth, Event::Index);
        when(self.message.is_some(), Event::Hear);
        when(self.message.is_some(), Event::Lose);
        when(self.remembered && !self.redis.away, Event::Tell);
        let changed = (self.redis.generation, self.redis.value.clone()) != self.replica;
        when(self.misfortunes > 0 && !self.redis.away && changed, Event::Replicate);
        for misfortune in [Event::Flush, Event::Failover, Event::Leave] {
            when(self.misfortunes > 0 && !self.redis.away, misfortune);
        }
        when(self.redis.away, Event::Return);
        when(self.time_may_pass(), Event::Second);
        events
    }

    fn time_may_pass(&self) -> bool {
        let anything = self.processes.iter().any(|process| process.reads > 0 || !process.flights.is_empty());
        let index = self.index == self.truth || self.now + 1 < self.written + SETTLE;
        let flying = |flight: &Flight| self.now < flight.began + FLIGHT;
        let flights = self.processes.iter().flat_map(|process| &process.flights).all(flying);
        let told = !self.remembered || self.redis.away || self.now < self.redis.connected + RECONNECT;
        anything && self.now < self.last_second && index && flights && told
    }

    /// Lets it happen. An error is a lie that was told.
    pub(super) fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Second => self.now += 1,
            Event::Index => self.index = self.truth,
            Event::Read(process) => return self.read(process),
            Event::Fly(process, flight) => return self.fly(process, flight),
            Event::Write => self.write(),
            Event::Hear => self.hear(),
            Event::Lose => self.message = None,
            Event::Tell => self.tell(),
            Event::Replicate => self.replica = (self.redis.generation, self.redis.value.clone()),
            Event::Flush => {
                self.misfortunes -= 1;
                (self.redis.generation, self.redis.value, self.redis.lease) = (None, None, None);
            }
            Event::Failover => {
                self.misfortunes -= 1;
                self.redis.life += 1;
                self.redis.connected = self.now;
                (self.redis.generation, self.redis.value) = self.replica.clone();
                self.redis.lease = None;
            }
            Event::Leave => {
                self.misfortunes -= 1;
                self.redis.away = true;
            }
            Event::Return => {
                self.redis.away = false;
                self.redis.connected = self.now;
            }
        }
        if self.remembered && !self.redis.away {
            self.exposed = self.now;
        }
        Ok(())
    }

    fn forget(&mut self, process: usize) {
        let (now, settle) = (self.now * SECOND, millis(lifetimes().settle));
        let broken = self.breaks(Rule::FlightsAreDetached);
        let process = &mut self.processes[process];
        process.memory = None;
        if !broken {
            process.order.forget(&KEY, now, settle);
            // Nobody joins it from now on.
            process.flights.iter_mut().for_each(|flight| flight.gone = true);
        }
    }

    fn write(&mut self) {
        match self.writer {
            0 => {
                self.writes -= 1;
                self.truth += 1;
                self.written = self.now;
            }
            1 => self.forget(0),
            2 if self.redis.away => self.remembered = true,
            2 => self.tell(),
            _ => {
                if !self.breaks(Rule::MemoryIsForgottenTwice) {
                    self.forget(0);
                }
                self.acknowledged.push(Acknowledged { at: self.now, heard: None });
            }
        }
        self.writer = (self.writer + 1) % 4;
    }

    /// Ends the generation, then publishes.
    fn tell(&mut self) {
        self.generations += 1;
        self.redis.generation = Some((self.generations, self.now));
        (self.redis.value, self.redis.lease) = (None, None);
        self.remembered = false;
        self.message = Some(self.truth);
    }

    fn hear(&mut self) {
        let Some(version) = self.message.take() else { return };
        self.forget(1);
        let now = self.now;
        let heard = self.acknowledged.iter_mut().take(usize::from(version)).filter(|write| write.heard.is_none());
        heard.for_each(|write| write.heard = Some(now));
    }

    /// The oldest that a reader who comes to this process now may be shown.
    fn needed(&self, process: usize) -> Version {
        let since = |at: u64, seconds: u64| self.now >= at + seconds;
        let due = |write: &Acknowledged| {
            let told = process == 0 || write.heard.is_some_and(|heard| since(heard, SETTLE));
            let lost = since(write.at.max(self.exposed), SETTLE + FLIGHT + MEMORY);
            told && since(write.at, SETTLE) || lost
        };
        let due = self.acknowledged.iter().rposition(due);
        due.map_or(0, |write| u8::try_from(write + 1).unwrap())
    }

    fn read(&mut self, number: usize) -> Result<(), String> {
        let needed = self.needed(number);
        let now = self.now * SECOND;
        let process = &mut self.processes[number];
        process.reads -= 1;
        if let Some((version, times)) = process.memory.filter(|(_, times)| now < times.stale_until) {
            judge(version, needed, "memory")?;
            if now < times.refresh_at {
                return Ok(());
            }
        } else if let Some(flight) = process.flights.iter_mut().find(|flight| !flight.gone) {
            flight.joined = flight.joined.max(needed);
            return Ok(());
        }
        if process.order.flight(&KEY).is_some() {
            return Ok(());
        }
        let settled = process.order.settled_millis_ago(&KEY, now, millis(lifetimes().settle));
        let number = process.order.begin(&KEY, ()).unwrap();
        let walk = Walk::new(true, Duration::ZERO, settled);
        let next = Next::Ask(Ask::Look);
        let began = self.now;
        process.flights.push(Flight { number, began, gone: false, walk, next, own: needed, joined: needed, settled });
        Ok(())
    }

    fn fly(&mut self, process: usize, number: usize) -> Result<(), String> {
        let mut flight = self.processes[process].flights.remove(number);
        let next = match flight.next.clone() {
            Next::Ask(ask) => self.ask(process, &mut flight, ask),
            Next::Keep(right, version, began) => self.keep(process, &flight, right, version, began),
            Next::Land(version, fresh, discarded, at) => {
                let millis = fresh.millis.saturating_sub((self.now - at) * SECOND);
                let fresh = Freshness { millis, ..fresh };
                return self.land(process, &flight, version, fresh, discarded);
            }
        };
        flight.next = next;
        self.processes[process].flights.insert(number, flight);
        Ok(())
    }

    /// Whether this process has a connection.
    fn is_there(&self, process: usize) -> bool {
        let untold = process == 0 && self.remembered && !self.breaks(Rule::ToldBeforeRead);
        !self.redis.away && !untold
    }

    fn ask(&mut self, process: usize, flight: &mut Flight, ask: Ask<Version>) -> Next {
        let lifetimes = lifetimes();
        let open = |envelope: &Envelope| Ok(envelope.payload[0]);
        let ask = match ask {
            Ask::Look => flight.walk.looked(self.look(process), &lifetimes, open).0,
            Ask::Fetch => {
                let bytes = self.memcached.clone().map(|bytes| self.with_stamp(bytes));
                flight.walk.fetched(bytes.as_ref(), &lifetimes, open).0
            }
            Ask::Promote { envelope, .. } => {
                let kept = self.put(process, envelope.stamp, envelope.encode(), None);
                flight.walk.promoted(kept == Some(false))
            }
            Ask::Begin => flight.walk.begun(self.begin(process, flight.number), &lifetimes),
            Ask::Wait(_) => Ask::Look,
            Ask::Load(right) => return Next::Keep(right, self.index, self.now),
            Ask::Show(found) => return Next::Land(found.value, found.fresh, false, self.now),
        };
        Next::Ask(ask)
    }

    /// Where nobody compares stamps, every value has the right one.
    fn with_stamp(&self, bytes: Bytes) -> Bytes {
        match self.redis.stamp(self.broken) {
            Some(stamp) if self.breaks(Rule::StampsAreCompared) => {
                Envelope { stamp, ..Envelope::decode(&bytes).unwrap() }.encode()
            }
            _ => bytes,
        }
    }

    fn look(&self, process: usize) -> Look {
        if !self.is_there(process) {
            return Look::Away;
        }
        let Some(stamp) = self.redis.stamp(self.broken) else { return Look::Unknown };
        let value = self.redis.value.clone().map(|bytes| self.with_stamp(bytes));
        Look::Known { stamp, now_millis: self.now * SECOND, value }
    }

    fn begin(&mut self, process: usize, flight: u64) -> Begin {
        if !self.is_there(process) {
            return Begin::Away;
        }
        if self.redis.generation.is_none() {
            self.generations += 1;
            self.redis.generation = Some((self.generations, self.now));
        }
        let born = self.redis.generation.map_or(0, |(_, born)| born);
        let connected = if self.breaks(Rule::LivesBeginYoung) { 0 } else { self.redis.connected };
        let age_millis = (self.now - born.max(connected)) * SECOND;
        let (stamp, now_millis) = (self.redis.stamp(self.broken).unwrap(), self.now * SECOND);
        if self.redis.lease.is_some() {
            return Begin::Wait { stamp, age_millis, now_millis, lease_left: Duration::from_secs(FLIGHT) };
        }
        let token = u8::try_from(process * 100).unwrap() + u8::try_from(flight).unwrap();
        self.redis.lease = Some(token);
        Begin::Load { stamp, age_millis, now_millis, lease: Lease { token: [token; 16] } }
    }

    /// Whether Redis keeps it; nothing where it is away.
    fn put(&mut self, process: usize, stamp: Stamp, value: Bytes, token: Option<[u8; 16]>) -> Option<bool> {
        if !self.is_there(process) {
            return None;
        }
        if self.redis.lease.is_some_and(|lease| token == Some([lease; 16])) {
            self.redis.lease = None;
        }
        let same = self.redis.stamp(self.broken) == Some(stamp);
        if same {
            self.redis.value = Some(value);
        } else if self.breaks(Rule::FillsAreRefused) {
            // It is put under the generation of now, as where a value has no stamp at all.
            let now = self.redis.stamp(self.broken);
            self.redis.value = now.map(|stamp| Envelope { stamp, ..Envelope::decode(&value).unwrap() }.encode());
            return Some(true);
        }
        Some(same)
    }

    fn keep(&mut self, process: usize, flight: &Flight, right: Option<Right>, version: Version, began: u64) -> Next {
        let took = (self.now - began) * SECOND;
        let settling = walk::settling_millis(right.as_ref(), flight.settled);
        let settling = settling.filter(|_| !self.breaks(Rule::YoungIsBrief));
        let fill = Fill::new(&lifetimes(), settling, took, false);
        let Some(right) = right else { return Next::Land(version, fill.memory, false, self.now) };
        let envelope = |millis| right.envelope(millis, fill.memory.brief, 0, Bytes::from(vec![version])).encode();
        let kept = self.put(process, right.stamp, envelope(fill.redis_millis), right.lease);
        if kept == Some(true) && !fill.memory.brief {
            self.memcached = Some(envelope(fill.memcached_millis));
        }
        Next::Land(version, fill.memory, kept == Some(false), self.now)
    }

    fn land(
        &mut self,
        process: usize,
        flight: &Flight,
        version: Version,
        fresh: Freshness,
        discarded: bool,
    ) -> Result<(), String> {
        let now = self.now * SECOND;
        let times = Times::new(&lifetimes(), now, fresh, false, 0.0);
        let process = &mut self.processes[process];
        let counts = process.order.end(&KEY, flight.number) && !discarded && fresh.millis > 0;
        if counts {
            process.memory = Some((version, times));
            return judge(version, flight.joined, "a flight");
        }
        if discarded {
            process.order.forget(&KEY, now, millis(lifetimes().settle));
            process.memory = None;
            process.flights.iter_mut().for_each(|flight| flight.gone = true);
        }
        // Whoever joined goes round again.
        judge(version, flight.own, "a load of its own")
    }
}

fn judge(shown: Version, needed: Version, by: &str) -> Result<(), String> {
    if shown >= needed { Ok(()) } else { Err(format!("{by} showed version {shown} where {needed} was due")) }
}
