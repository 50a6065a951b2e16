//! Which servers there are, and how each is run.

use std::fmt;
use std::path::Path;

/// A program of a `--full` stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The second tier, and the generations of all keys. One for a region.
    Redis,
    /// The third tier. Two for a region, so that keys are spread.
    Memcached,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::Redis, Self::Memcached];

    /// The program, and the Debian package that brings it.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Memcached => "memcached",
        }
    }

    /// Its arguments: bound to 127.0.0.1 and in memory, keeping nothing when it ends. `folder` is where a Redis that is
    /// told to save would put its snapshot, from which it then starts again.
    #[must_use]
    pub fn args(self, port: u16, folder: &Path) -> Vec<String> {
        let port = port.to_string();
        let folder = folder.display().to_string();
        let args: &[&str] = match self {
            Self::Redis => &[
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
                &folder,
                "--maxmemory",
                "64mb",
                "--maxmemory-policy",
                "allkeys-lru",
                "--loglevel",
                "warning",
            ],
            // -U 0: no UDP. -u: whom it becomes when root starts it, which it would refuse otherwise.
            Self::Memcached => &["-l", "127.0.0.1", "-p", &port, "-U", "0", "-m", "32", "-t", "1", "-u", "nobody"],
        };
        args.iter().map(|&arg| arg.to_owned()).collect()
    }

    /// What to ask a server to see that it answers, and how its answer begins.
    pub(super) const fn greeting(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Redis => (b"PING\r\n", b"+PONG"),
            Self::Memcached => (b"version\r\n", b"VERSION"),
        }
    }
}

impl fmt::Display for Kind {
    /// As the control API and `stack.json` call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Memcached => "memcached",
        })
    }
}
