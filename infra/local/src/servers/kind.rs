//! Which servers there are, and what is to be known of each.

use std::fmt;
use std::time::Duration;

/// A program of a `--full` stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The second tier, and the generations of all keys. One for a region.
    Redis,
    /// The third tier. Two for a region, so that keys are spread.
    Memcached,
    /// The index. One for all regions, each with an index of its own: what befalls it befalls all.
    OpenSearch,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Redis, Self::Memcached, Self::OpenSearch];

    /// The program.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Memcached => "memcached",
            Self::OpenSearch => "java",
        }
    }

    /// The Debian package that brings it.
    #[must_use]
    pub const fn package(self) -> &'static str {
        match self {
            Self::Redis | Self::Memcached => self.program(),
            Self::OpenSearch => "default-jre-headless",
        }
    }

    /// What to ask a server to see that it answers, and how its answer begins.
    pub(super) const fn greeting(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Redis => (b"PING\r\n", b"+PONG"),
            Self::Memcached => (b"version\r\n", b"VERSION"),
            // 408 until it has found its indices again; one node is never better than yellow.
            Self::OpenSearch => (
                b"GET /_cluster/health?wait_for_status=yellow&timeout=1s HTTP/1.0\r\nhost: opensearch\r\n\r\n",
                b"HTTP/1.0 200 OK",
            ),
        }
    }

    /// How long a server may take until it answers.
    pub(super) const fn ready_within(self) -> Duration {
        match self {
            // They take some ten milliseconds.
            Self::Redis | Self::Memcached => Duration::from_secs(10),
            // It takes some ten seconds of a processor that nobody else wants.
            Self::OpenSearch => Duration::from_secs(120),
        }
    }

    /// How long a server may take to stop before it is killed: none has anything to save that it did not save at once.
    pub(super) const fn grace(self) -> Duration {
        match self {
            Self::Redis | Self::Memcached => Duration::from_secs(2),
            Self::OpenSearch => Duration::from_secs(5),
        }
    }
}

impl fmt::Display for Kind {
    /// As the control API and `stack.json` call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Memcached => "memcached",
            Self::OpenSearch => "opensearch",
        })
    }
}
