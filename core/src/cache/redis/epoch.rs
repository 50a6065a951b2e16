//! Which life of which Redis an answer is from, and the stamp that a value must bear to count in it.

use std::time::Duration;

use ::redis::{Cmd, Pipeline};
use sha1::{Digest as _, Sha1};

use super::Stamp;

/// What names one life of one data set: `run_id` is new whenever a server starts, so a restart from a snapshot changes it,
/// and `master_replid` whenever a replica is promoted. Whatever was written before then bears stamps of another epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch([u8; 20]);

/// Why a server cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoEpoch {
    /// It follows another, and may be behind that.
    #[error("it is a replica")]
    Replica,
    /// It does not say which life this is, so what it holds can never be believed.
    #[error("INFO names no run_id or no master_replid")]
    Unnamed,
}

/// Asks for what [`Epoch::read`] needs.
pub(super) fn question(pipeline: &mut Pipeline) {
    for section in ["server", "replication"] {
        let mut info = Cmd::new();
        info.arg("INFO").arg(section);
        pipeline.add_command(info);
    }
}

impl Epoch {
    /// From the two sections of `INFO`.
    pub(super) fn read(server: &str, replication: &str) -> Result<Self, NoEpoch> {
        if field(replication, "role").is_none_or(|role| role != "master") {
            return Err(NoEpoch::Replica);
        }
        let (Some(run), Some(replication)) = (field(server, "run_id"), field(replication, "master_replid")) else {
            return Err(NoEpoch::Unnamed);
        };
        let mut hash = Sha1::new();
        hash.update(run);
        hash.update([0]);
        hash.update(replication);
        Ok(Self(hash.finalize().into()))
    }

    /// The same life after so many writes that it was not told of: what was kept before the last of them counts no more.
    pub(super) fn after(self, untold: u64) -> Self {
        let mut hash = Sha1::new();
        hash.update(self.0);
        hash.update(untold.to_be_bytes());
        Self(hash.finalize().into())
    }

    /// What is hashed before the generations: the epoch and the key, so that a value which got under another key, or an
    /// answer that got to another question, counts no more than one of another epoch.
    pub(super) fn preimage(&self, plain: &str) -> Vec<u8> {
        [&self.0, plain.as_bytes(), &[0]].concat()
    }

    /// The stamp of a key whose generations are these. SHA-1, because that is what a script in Redis can compute too;
    /// nobody gains from a collision, who could write generations could write values.
    pub(super) fn stamp(&self, plain: &str, everything: &[u8], generation: &[u8]) -> Stamp {
        let mut hash = Sha1::new();
        hash.update(self.preimage(plain));
        hash.update(everything);
        hash.update(generation);
        let mut stamp = [0; 16];
        for (to, from) in stamp.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Stamp(stamp)
    }
}

/// How long this life has lasted, at least: as long as the server, unless it was promoted or may have been. What it was told in
/// that time it has not lost, so a generation that is older is as old as it says.
pub(super) fn lived(server: &str, replication: &str) -> Duration {
    let never_promoted = field(replication, "master_replid2").is_some_and(|id| id.bytes().all(|digit| digit == b'0'));
    let uptime = field(server, "uptime_in_seconds").and_then(|seconds| seconds.parse().ok());
    // Redis counts the seconds of a clock that have begun: one more than have passed.
    Duration::from_secs(uptime.filter(|_| never_promoted).map_or(0, |seconds: u64| seconds.saturating_sub(1)))
}

/// `name:value` on a line of its own.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:aaaa\r\n";
    const MASTER: &str = "# Replication\r\nrole:master\r\nmaster_replid:bbbb\r\nmaster_replid2:cccc\r\n";

    #[test]
    fn every_life_has_its_own_epoch() {
        let epoch = Epoch::read(SERVER, MASTER).unwrap();
        assert_eq!(Ok(epoch), Epoch::read(SERVER, MASTER));
        assert_ne!(Ok(epoch), Epoch::read(&SERVER.replace("aaaa", "aaab"), MASTER));
        assert_ne!(Ok(epoch), Epoch::read(SERVER, &MASTER.replace("bbbb", "bbbc")));
    }

    #[test]
    fn a_life_is_as_long_as_its_server_unless_it_was_promoted() {
        let server = format!("{SERVER}uptime_in_seconds:7200\r\n");
        let first = MASTER.replace("cccc", &"0".repeat(40));
        assert_eq!(lived(&server, &first), Duration::from_secs(7_199));
        for (server, replication) in [(&*server, MASTER), (&server, "role:master\r\n"), (SERVER, &first), ("", "")] {
            assert_eq!(lived(server, replication), Duration::ZERO);
        }
    }

    #[test]
    fn a_replica_or_a_nameless_server_has_none() {
        assert_eq!(Epoch::read(SERVER, &MASTER.replace("master\r", "slave\r")), Err(NoEpoch::Replica));
        assert_eq!(Epoch::read(SERVER, ""), Err(NoEpoch::Replica));
        assert_eq!(Epoch::read("", MASTER), Err(NoEpoch::Unnamed));
        assert_eq!(Epoch::read(SERVER, "role:master\r\nmaster_replid:\r\n"), Err(NoEpoch::Unnamed));
    }

    #[test]
    fn a_stamp_depends_on_everything_that_may_change() {
        let epoch = Epoch::read(SERVER, MASTER).unwrap();
        let other = Epoch::read(&SERVER.replace("aaaa", "x"), MASTER).unwrap();
        let stamp = epoch.stamp("feed:happy", b"all", b"one");
        assert_eq!(stamp, epoch.stamp("feed:happy", b"all", b"one"));
        assert_ne!(stamp, other.stamp("feed:happy", b"all", b"one"));
        assert_ne!(stamp, epoch.stamp("feed:sad", b"all", b"one"));
        let [before, after] = [4, 5].map(|untold| epoch.after(untold).stamp("feed:happy", b"all", b"one"));
        assert!(stamp != before && before != after);
        assert_ne!(stamp, epoch.stamp("feed:happy", b"alm", b"one"));
        assert_ne!(stamp, epoch.stamp("feed:happy", b"all", b"two"));
    }
}
