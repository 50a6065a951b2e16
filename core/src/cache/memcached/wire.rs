//! Memcached's text protocol, as little of it as a cache needs: `get` and `set`, with every length bounded before it is read.
//!
//! No crate is used for it. `async-memcached` 0.9 has no bound on what it reads and parses all of it again with every read, so a
//! server that streams values without an end held a thread for minutes and took a gigabyte, whatever deadline was set.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::MAX_VALUE_BYTES;

/// The longest line that makes sense: a name of 250 bytes and three numbers, or an error in words.
const MAX_LINE_BYTES: u64 = 1_024;

/// A connection to one server.
#[derive(Debug)]
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    /// Whether every command so far was answered to its end.
    in_step: bool,
}

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// It broke off.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is nothing that Memcached would answer.
    #[error("it answered {0}")]
    Nonsense(&'static str),
    /// The server answered in order that it does not want to.
    #[error("it refused")]
    Refused,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), in_step: true })
    }

    /// Whether the next bytes that come would answer the next command. A command whose future was dropped half-way, or that
    /// failed, leaves a connection that is not; and so does an answer with something after it.
    pub(super) fn is_in_step(&self) -> bool {
        self.in_step && self.stream.buffer().is_empty()
    }

    /// The bytes under a name, none where there are none.
    pub(super) async fn get(&mut self, name: &str) -> Result<Option<Bytes>, WireError> {
        self.in_step = false;
        self.stream.write_all(format!("get {name}\r\n").as_bytes()).await?;
        let line = self.line().await?;
        let value = match line.as_slice() {
            b"END" => None,
            line => Some(self.value(name, line).await?),
        };
        self.in_step = true;
        Ok(value)
    }

    /// What follows `VALUE <name> <flags> <bytes>`.
    async fn value(&mut self, name: &str, line: &[u8]) -> Result<Bytes, WireError> {
        let length = length_of(name, line).ok_or_else(|| self.other(line))?;
        if length > MAX_VALUE_BYTES {
            return Err(WireError::Nonsense("more than it can hold"));
        }
        let mut value = vec![0; length + 2];
        self.stream.read_exact(&mut value).await?;
        if !value.ends_with(b"\r\n") || self.line().await? != b"END" {
            return Err(WireError::Nonsense("a value of another length"));
        }
        value.truncate(length);
        Ok(value.into())
    }

    /// Keeps bytes for so many seconds.
    pub(super) async fn set(&mut self, name: &str, value: &[u8], seconds: u64) -> Result<(), WireError> {
        self.in_step = false;
        let head = format!("set {name} 0 {seconds} {}\r\n", value.len());
        // One call to the system where that takes it, and no copy.
        self.stream.write_all_buf(&mut Buf::chain(head.as_bytes(), value).chain(&b"\r\n"[..])).await?;
        match self.line().await?.as_slice() {
            b"STORED" => {
                self.in_step = true;
                Ok(())
            }
            line => Err(self.other(line)),
        }
    }

    /// An answer that is neither a value nor what was hoped for.
    fn other(&mut self, line: &[u8]) -> WireError {
        if line == b"NOT_STORED" || line.starts_with(b"SERVER_ERROR ") {
            self.in_step = true;
            return WireError::Refused;
        }
        WireError::Nonsense("nothing that makes sense")
    }

    /// One line without its end.
    async fn line(&mut self) -> Result<Vec<u8>, WireError> {
        let mut line = Vec::new();
        (&mut self.stream).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(line.to_vec()),
            None if line.ends_with(b"\n") || line.len() as u64 == MAX_LINE_BYTES => {
                Err(WireError::Nonsense("no line"))
            }
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}

/// The length that `VALUE <name> <flags> <bytes>` gives, where it is about this name.
fn length_of(name: &str, line: &[u8]) -> Option<usize> {
    let mut words = str::from_utf8(line).ok()?.split(' ');
    let named = words.next() == Some("VALUE") && words.next() == Some(name);
    let (_flags, length) = (words.next()?.parse::<u32>().ok()?, words.next()?.parse().ok()?);
    (named && words.next().is_none()).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_value_of_the_name_has_a_length() {
        assert_eq!(length_of("a", b"VALUE a 0 12"), Some(12));
        for line in [
            "",
            "VALUE",
            "VALUE a",
            "VALUE a 0",
            "VALUE b 0 1",
            "VALUE a 0 1 2",
            "VALUE a 0 -1",
            "VALUE a x 1",
            "END",
        ] {
            assert_eq!(length_of("a", line.as_bytes()), None, "{line}");
        }
        assert_eq!(length_of("a", b"VALUE a 0 99999999999999999999999"), None);
        assert_eq!(length_of("a", b"VALUE a 0 1\xff"), None);
    }
}
