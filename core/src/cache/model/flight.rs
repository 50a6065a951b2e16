//! A flight of a process, step by step: each step is one that nothing interrupts.

use std::time::Duration;

use bytes::Bytes;

use super::rule::Rule;
use super::world::{KEY, SECOND, Version, World, judge, lifetimes};
use crate::cache::envelope::Envelope;
use crate::cache::lifetimes::millis;
use crate::cache::memory::Times;
use crate::cache::redis::Kept;
use crate::cache::walk::{Ask, Fill, Freshness, Right, Walk};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    number: u64,
    walk: Walk<Version>,
    next: Next,
    /// What its reader must be shown at least.
    own: Version,
    /// Whether something may have been missed since it began.
    pub doubted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Next {
    Ask(Ask<Version>),
    /// Loaded, at this time.
    Keep(Option<Right>, Version, u64),
    Land(Version, Freshness, bool),
}

impl Flight {
    /// How long its load has been going on; nothing where it does what takes no time.
    pub(super) fn loading_for(&self, now: u64) -> Option<u64> {
        match self.next {
            Next::Keep(_, _, began) => Some(now - began),
            Next::Ask(_) | Next::Land(..) => None,
        }
    }
}

impl World {
    /// A reader finds nothing fresh in memory, and nobody who loads.
    pub(super) fn read(&mut self, at: usize) {
        let own = self.needed(at);
        let now = self.now * SECOND;
        let process = &mut self.processes[at];
        process.reads -= 1;
        let settled = process.order.settled_millis_ago(&KEY, now, millis(lifetimes().settle));
        let number = process.order.begin(&KEY, ()).unwrap();
        let walk = Walk::new(true, Duration::ZERO, settled);
        let mut flight = Flight { number, walk, next: Next::Ask(Ask::Look), own, doubted: false };
        flight.next = self.ask(at, &mut flight, Ask::Look);
        self.processes[at].flights.push(flight);
    }

    pub(super) fn fly(&mut self, process: usize, number: usize) -> Result<(), String> {
        let mut flight = self.processes[process].flights.remove(number);
        let next = match flight.next.clone() {
            Next::Ask(ask) => self.answered(process, &mut flight, ask),
            Next::Keep(right, version, began) => self.keep(process, &mut flight, right, version, began),
            Next::Land(version, fresh, discarded) => return self.land(process, &flight, version, fresh, discarded),
        };
        flight.next = next;
        self.processes[process].flights.insert(number, flight);
        Ok(())
    }

    /// Goes on to the next step that it matters when others take theirs in between.
    ///
    /// What finds nothing leaves nothing behind, and is one step with what comes next: it might as well have asked later. So is
    /// the load with the wish to load: the later it reads, the newer is what it reads. And the first look with a flight's
    /// beginning, for the same reason.
    fn ask(&mut self, process: usize, flight: &mut Flight, mut ask: Ask<Version>) -> Next {
        let lifetimes = lifetimes();
        let open = |envelope: &Envelope| Ok(envelope.payload[0]);
        loop {
            ask = match ask {
                Ask::Look => flight.walk.looked(self.look(process), &lifetimes, open).0,
                Ask::Fetch => {
                    let bytes = self.seen(process, &self.memcached);
                    flight.walk.fetched(bytes.as_ref(), &lifetimes, open).0
                }
                Ask::Begin => flight.walk.begun(self.begin(process, flight.number), &lifetimes),
                Ask::Load(right) => return Next::Keep(right, self.index, self.now),
                Ask::Show(found) => return Next::Land(found.value, found.fresh, false),
                Ask::Promote { .. } | Ask::Wait(_) => return Next::Ask(ask),
            };
        }
    }

    fn answered(&mut self, process: usize, flight: &mut Flight, ask: Ask<Version>) -> Next {
        let next = match ask {
            Ask::Promote { envelope, .. } => {
                let kept = self.put(process, envelope.stamp, envelope.encode(), None);
                flight.walk.promoted(kept == Kept::Discarded)
            }
            Ask::Wait(_) => Ask::Look,
            other => other,
        };
        self.ask(process, flight, next)
    }

    fn fill(&self, flight: &Flight, right: Option<&Right>, began: u64) -> Fill {
        // Nothing but that Redis was away makes it as brief as this.
        let away = |millis: &u64| *millis == self::millis(lifetimes().memory);
        let settling = flight.walk.settling_millis(right, &lifetimes());
        let settling = settling.filter(|millis| {
            let rule = if away(millis) { Rule::AwayIsBrief } else { Rule::YoungIsBrief };
            !self.breaks(rule)
        });
        Fill::new(&lifetimes(), settling, (self.now - began) * SECOND, false)
    }

    fn keep(
        &mut self,
        process: usize,
        flight: &mut Flight,
        right: Option<Right>,
        version: Version,
        began: u64,
    ) -> Next {
        let fill = self.fill(flight, right.as_ref(), began);
        let Some(right) = right else { return Next::Land(version, fill.memory, false) };
        let envelope = |millis| right.envelope(millis, fill.memory.brief, 0, Bytes::from(vec![version])).encode();
        let kept = self.put(process, right.stamp, envelope(fill.redis_millis), right.lease);
        if kept == Kept::Yes && !fill.memory.brief {
            self.memcached = Some(envelope(fill.memcached_millis));
        }
        flight.walk.kept(kept);
        Next::Land(version, self.fill(flight, Some(&right), began).memory, kept == Kept::Discarded)
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
        // Whoever joined came at the latest just now.
        let joined = self.needed(process);
        let detaches = !self.breaks(Rule::FlightsAreDetached);
        let process = &mut self.processes[process];
        let attached = process.order.end(&KEY, flight.number) || !detaches;
        let counts = attached && !discarded && fresh.millis > 0;
        if counts {
            let times = Times::new(&lifetimes(), now, fresh, false, 0.0);
            process.memory = (!flight.doubted).then_some((version, times));
            judge(version, joined, "a flight")?;
        } else if discarded {
            process.order.forget(&KEY, now, millis(lifetimes().settle));
            process.memory = None;
        }
        judge(version, flight.own, "a load of its own")
    }
}
