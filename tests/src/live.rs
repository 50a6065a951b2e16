//! A stream of server-sent events, read as it comes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::exchange;
use crate::request::Request;
use crate::response::Response;

/// How long the beginning of an answer may take.
const HEAD: Duration = Duration::from_secs(5);

/// An open stream.
#[derive(Debug)]
pub struct Stream {
    /// The head of the answer, without a body.
    pub head: Response,
    /// The id that was sent last, as a browser would keep it.
    pub last: Option<String>,
    /// Comments that were sent.
    pub comments: Vec<String>,
    socket: TcpStream,
    /// What has come and is not read yet: chunks, then text.
    raw: Vec<u8>,
    text: String,
    ended: bool,
}

/// An event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its data.
    pub data: Value,
}

impl Event {
    /// The echo that it is about.
    pub fn echo_id(&self) -> &str {
        self.data["echoId"].as_str().unwrap_or_default()
    }
}

/// What came next.
#[derive(Debug)]
pub enum Next {
    /// An event.
    Event(Event),
    /// Nothing in time.
    Nothing,
    /// The end of the stream.
    End,
}

impl Stream {
    /// Asks `base` for a stream. An answer of another status than 200 has its whole body and is the error.
    pub fn open(base: &str, request: &Request) -> Result<Self, Box<Response>> {
        Self::try_open(base, request).unwrap_or_else(|error| panic!("{error}\nfor {base}{}", request.target))
    }

    fn try_open(base: &str, request: &Request) -> Result<Result<Self, Box<Response>>, String> {
        let mut socket = exchange::connect(base, HEAD)?;
        socket.write_all(&request.bytes(base)).map_err(|error| error.to_string())?;
        let mut raw = Vec::new();
        let begun = Instant::now();
        let end = loop {
            if let Some(at) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if begun.elapsed() > HEAD || !more(&mut socket, &mut raw).map_err(|error| error.to_string())? {
                return Err(format!("no head: {:?}", String::from_utf8_lossy(&raw)));
            }
        };
        let head = exchange::head(&raw[..end])?;
        if head.status != 200 {
            return exchange::rest(&socket, raw, "GET", HEAD).map(|response| Err(Box::new(response)));
        }
        let coding = head.header("transfer-encoding");
        assert!(coding == Some("chunked"), "expected a body without an end\n{head}");
        let raw = raw.split_off(end);
        let (last, comments, text) = (None, Vec::new(), String::new());
        let mut stream = Self { head, last, comments, socket, raw, text, ended: false };
        // What came together with the head.
        stream.unchunk();
        Ok(Ok(stream))
    }

    /// The next event within so long.
    pub fn next(&mut self, within: Duration) -> Next {
        let until = Instant::now() + within;
        loop {
            while let Some(at) = self.text.find("\n\n") {
                let rest = self.text.split_off(at + 2);
                let block = std::mem::replace(&mut self.text, rest);
                if let Some(event) = self.read(&block) {
                    return Next::Event(event);
                }
            }
            if self.ended {
                return Next::End;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Nothing;
            }
            self.socket.set_read_timeout(Some(left)).expect("timeouts");
            match more(&mut self.socket, &mut self.raw) {
                Ok(true) => self.unchunk(),
                // A connection that breaks ends a stream as well.
                Ok(false) => self.ended = true,
                Err(error)
                    if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                Err(_) => self.ended = true,
            }
        }
    }

    /// The next event of an echo, whatever others there are.
    #[track_caller]
    pub fn of(&mut self, kind: &str, echo_id: &str, within: Duration) -> Event {
        let until = Instant::now() + within;
        let mut others = Vec::new();
        loop {
            match self.next(until.saturating_duration_since(Instant::now())) {
                Next::Event(event) if event.kind == kind && event.echo_id() == echo_id => return event,
                Next::Event(event) => others.push(format!("{} {}", event.kind, event.echo_id())),
                other => {
                    panic!("no {kind} of {echo_id} in {within:?}, but {other:?} after {others:?}\n{}", self.head)
                }
            }
        }
    }

    /// Waits for the end, whatever comes before.
    #[track_caller]
    pub fn until_its_end(&mut self, within: Duration) {
        let until = Instant::now() + within;
        loop {
            match self.next(until.saturating_duration_since(Instant::now())) {
                Next::End => return,
                Next::Event(_) => {}
                Next::Nothing => panic!("expected the stream to end within {within:?}\n{}", self.head),
            }
        }
    }

    fn unchunk(&mut self) {
        let text = &mut self.text;
        let take = |chunk: &[u8]| {
            text.push_str(std::str::from_utf8(chunk).expect("events in UTF-8, cut between characters"));
        };
        self.ended |= exchange::unchunk(&mut self.raw, take).unwrap_or_else(|error| panic!("{error}"));
    }

    /// An event, if the block is one: with data.
    fn read(&mut self, block: &str) -> Option<Event> {
        let (mut kind, mut data) = (None, None);
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => self.comments.push(value.to_owned()),
                "id" => self.last = Some(value.to_owned()),
                "event" => kind = Some(value.to_owned()),
                "data" => assert!(data.replace(value.to_owned()).is_none(), "two lines of data: {block}"),
                "retry" => assert!(value.parse::<u64>().is_ok(), "{block}"),
                _ => panic!("a strange field in {block:?}"),
            }
        }
        let data = data?;
        let data =
            serde_json::from_str(&data).unwrap_or_else(|error| panic!("data that is not JSON ({error}): {data}"));
        Some(Event { id: self.last.clone().expect("an id"), kind: kind.expect("a kind"), data })
    }
}

fn more(socket: &mut TcpStream, into: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut piece = [0; 16 * 1_024];
    let count = socket.read(&mut piece)?;
    into.extend_from_slice(&piece[..count]);
    Ok(count > 0)
}
