//! Everything that was acknowledged, and when; and what a read may therefore not show.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

/// What is told reaches every process of the region within this, while nothing is broken (design: *within 2 s in its region*).
pub const TOLD: Duration = Duration::from_secs(2);
/// What could not be told: the lag of the indexes, and the lifetime of a value in memory, 5 s fresh and 5 s stale.
pub const UNTOLD: Duration = Duration::from_secs(echoes_shared::policy::CORE_MEMORY_SECONDS);

/// One life of one core: a process that was killed and started again is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    pub core: usize,
    pub life: u32,
}

/// An acknowledged write.
#[derive(Debug, Clone, Copy)]
struct Written {
    at: Instant,
    by: Life,
}

/// One echo as its writer knows it.
#[derive(Debug)]
struct Known {
    user: String,
    created: Written,
    /// Acknowledged versions with their moments.
    versions: Vec<(u64, Written)>,
    /// When its delete was first sent: from then on it may be absent.
    ending: Option<Instant>,
    deleted: Option<Written>,
}

/// The acknowledged writes, and the times in which something was broken.
#[derive(Debug, Default)]
pub struct History {
    echoes: Mutex<HashMap<String, Known>>,
    faults: Mutex<Vec<(Instant, Option<Instant>)>>,
}

/// A read: sent when, to which process, and what it asked for.
#[derive(Debug)]
pub struct Read<'a> {
    pub sent: Instant,
    pub by: Life,
    pub what: What<'a>,
}

#[derive(Debug)]
pub enum What<'a> {
    /// All echoes that there are: no list is longer than a page.
    Everything,
    Timeline(&'a str),
    One(&'a str),
}

impl History {
    pub fn created(&self, id: &str, user: &str, by: Life) {
        let created = Written { at: Instant::now(), by };
        let known =
            Known { user: user.to_owned(), created, versions: vec![(1, created)], ending: None, deleted: None };
        self.echoes.lock().unwrap().entry(id.to_owned()).or_insert(known);
    }

    pub fn edited(&self, id: &str, version: u64, by: Life) {
        let written = Written { at: Instant::now(), by };
        self.echoes.lock().unwrap().get_mut(id).unwrap().versions.push((version, written));
    }

    pub fn ending(&self, id: &str) {
        self.echoes.lock().unwrap().get_mut(id).unwrap().ending = Some(Instant::now());
    }

    pub fn deleted(&self, id: &str, by: Life) {
        self.echoes.lock().unwrap().get_mut(id).unwrap().deleted = Some(Written { at: Instant::now(), by });
    }

    /// Something is broken from now until [`Self::mended`].
    pub fn broken(&self) {
        self.faults.lock().unwrap().push((Instant::now(), None));
    }

    /// All is whole again; what was away needs moments to be noticed.
    pub fn mended(&self, noticed_within: Duration) {
        if let Some((_, until)) = self.faults.lock().unwrap().last_mut() {
            *until = Some(Instant::now() + noticed_within);
        }
    }

    /// How long after a write a read of another process may show what was before.
    fn bound(&self, written: Written, read: &Read<'_>) -> Duration {
        if written.by == read.by {
            return Duration::ZERO;
        }
        let (from, to) = (written.at - Duration::from_millis(500), written.at + TOLD);
        let faults = self.faults.lock().unwrap();
        let near = faults.iter().any(|(began, ended)| *began < to && ended.is_none_or(|ended| ended > from));
        if near { UNTOLD } else { TOLD }
    }

    fn is_due(&self, written: Written, read: &Read<'_>) -> bool {
        read.sent > written.at + self.bound(written, read)
    }

    /// What is wrong with an answer: older than is allowed.
    pub fn judge(&self, read: &Read<'_>, shown: &[Value], cache_status: &str) -> Vec<String> {
        let echoes = self.echoes.lock().unwrap();
        let mut wrong = Vec::new();
        let mut say = |what: String| wrong.push(format!("{what} at {:?} [{cache_status}]", read.by));
        let mut seen = HashMap::new();
        for echo in shown {
            let id = echo["echoId"].as_str().unwrap();
            let version = echo["version"].as_u64().unwrap();
            assert!(seen.insert(id, version).is_none(), "{id} is shown twice");
            // An echo whose create has not been acknowledged yet may be there.
            let Some(known) = echoes.get(id) else { continue };
            if let Some(deleted) = known.deleted
                && self.is_due(deleted, read)
            {
                let age = read.sent - deleted.at;
                say(format!("{id}, deleted {age:?} before at {:?}, is shown", deleted.by));
            }
            let due = known.versions.iter().filter(|(_, written)| self.is_due(*written, read)).map(|(due, _)| *due);
            if let Some(due) = due.max()
                && version < due
            {
                say(format!("{id} is shown as version {version}, and {due} was due"));
            }
        }
        for (id, known) in echoes.iter() {
            let asked = match read.what {
                What::Everything => true,
                What::Timeline(user) => known.user == user,
                What::One(one) => id == one,
            };
            if asked && known.ending.is_none() && !seen.contains_key(id.as_str()) && self.is_due(known.created, read)
            {
                say(format!("{id}, created {:?} before, is not shown", read.sent - known.created.at));
            }
        }
        wrong
    }
}
