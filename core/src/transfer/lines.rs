//! Reads lines of a file or a stream and makes echoes of them, on a thread of its own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::thread;

use echoes_shared::policy::MAX_STORED_ECHO_BYTES;
use echoes_shared::problem::FieldError;
use echoes_shared::{EchoId, Timestamp, validate};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::store::NewItem;

/// Bytes of a source that its fingerprint covers.
const HEAD_BYTES: usize = 64 * 1024;
/// Lines handed over together.
const BATCH_LINES: usize = 100;
/// Batches that wait to be taken: enough that the table never waits for the reader.
const BATCHES_AHEAD: usize = 4;

/// One line of the source.
#[derive(Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// Bytes of the source up to its end.
    pub end_bytes: u64,
    /// What it says.
    pub content: Content,
}

/// What a line says.
#[derive(Debug)]
pub enum Content {
    /// Nothing.
    Blank,
    /// An echo to store.
    Echo(Box<NewItem>),
    /// An echo whose time is over.
    Expired,
    /// No echo: everything that is wrong, each named by its field.
    Faulty(Vec<FieldError>),
}

impl Line {
    /// The echo to store, if it is one.
    pub fn echo_id(&self) -> Option<EchoId> {
        match &self.content {
            Content::Echo(new) => Some(new.echo.echo_id),
            _ => None,
        }
    }
}

/// Where to begin: all that precedes is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Start {
    /// Lines before.
    pub lines: u64,
    /// Bytes before.
    pub bytes: u64,
}

/// Tells one source from another without reading all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fingerprint {
    /// The length of a file; a stream's is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// SHA-256 of the first 64 KiB, in lower-case hex.
    pub head_sha256: String,
}

/// A file or a stream of lines.
#[derive(Debug)]
pub struct Source {
    input: Input,
    head: Vec<u8>,
    bytes: Option<u64>,
}

#[derive(Debug)]
enum Input {
    File(File),
    Stdin(io::Stdin),
}

impl Source {
    /// Opens a file.
    pub fn file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let bytes = metadata.is_file().then_some(metadata.len());
        Self::over(Input::File(file), bytes)
    }

    /// Standard input.
    pub fn stdin() -> io::Result<Self> {
        Self::over(Input::Stdin(io::stdin()), None)
    }

    fn over(mut input: Input, bytes: Option<u64>) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        input.reader().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        Ok(Self { input, head, bytes })
    }

    /// The length, where it is known.
    pub const fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// What tells this source from another.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint { bytes: self.bytes, head_sha256: echoes_shared::hex::lower(&Sha256::digest(&self.head)) }
    }

    /// The lines from `start` on, in order, in batches that are never empty. The channel ends with the source, or after an
    /// error.
    pub fn lines(self, start: Start, clock: fn() -> Timestamp) -> mpsc::Receiver<io::Result<Vec<Line>>> {
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        // Not one of the runtime's blocking threads: a program that ends must not wait for a silent standard input.
        thread::spawn(move || {
            let result = self.skipped_to(start.bytes).and_then(|reader| read(reader, start, clock, &sender));
            if let Err(error) = result {
                // Nobody listens any more: the import has ended for another reason.
                let _ = sender.blocking_send(Err(error));
            }
        });
        receiver
    }

    fn skipped_to(self, bytes: u64) -> io::Result<BufReader<Box<dyn Read + Send>>> {
        let Self { mut input, head, bytes: length } = self;
        let reader: Box<dyn Read + Send> = match (&mut input, length) {
            (Input::File(file), Some(_)) => {
                file.seek(SeekFrom::Start(bytes))?;
                input.into_reader()
            }
            _ => {
                let mut all = Cursor::new(head).chain(input.into_reader());
                let skipped = io::copy(&mut all.by_ref().take(bytes), &mut io::sink())?;
                if skipped < bytes {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "ends before where to go on"));
                }
                Box::new(all)
            }
        };
        Ok(BufReader::with_capacity(HEAD_BYTES, reader))
    }
}

impl Input {
    fn reader(&mut self) -> &mut dyn Read {
        match self {
            Self::File(file) => file,
            Self::Stdin(stdin) => stdin,
        }
    }

    fn into_reader(self) -> Box<dyn Read + Send> {
        match self {
            Self::File(file) => Box::new(file),
            Self::Stdin(stdin) => Box::new(stdin),
        }
    }
}

/// Reads to the end, or until nobody listens.
fn read(
    mut reader: BufReader<impl Read>,
    start: Start,
    clock: fn() -> Timestamp,
    sender: &mpsc::Sender<io::Result<Vec<Line>>>,
) -> io::Result<()> {
    let (mut number, mut end_bytes) = (start.lines, start.bytes);
    let mut text = Vec::new();
    let mut batch = Vec::with_capacity(BATCH_LINES);
    loop {
        text.clear();
        let taken = read_line(&mut reader, &mut text)?;
        if taken > 0 {
            number += 1;
            end_bytes += taken;
            batch.push(Line { number, end_bytes, content: understand(&text, clock()) });
        }
        // What is read does not wait for what is not there yet.
        let full = batch.len() >= BATCH_LINES || taken == 0 || reader.buffer().is_empty();
        if full && !batch.is_empty() && sender.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
            return Ok(());
        }
        if taken == 0 {
            return Ok(());
        }
    }
}

/// Reads one line into `text` and answers how many bytes it took, none at the end. Of a line that is too long only as much
/// is kept as shows it.
fn read_line(reader: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<u64> {
    let mut taken = 0;
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let part = end.and_then(|end| buffer.get(..end)).unwrap_or(buffer);
        let room = (MAX_STORED_ECHO_BYTES + 1).saturating_sub(text.len());
        text.extend_from_slice(part.get(..room).unwrap_or(part));
        let consumed = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(consumed);
        taken += consumed as u64;
        if end.is_some() || consumed == 0 {
            return Ok(taken);
        }
    }
}

fn understand(text: &[u8], now: Timestamp) -> Content {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Content::Blank;
    }
    match validate::stored_echo(text, now) {
        Ok(echo) if echo.lives_at(now) => Content::Echo(Box::new(NewItem::restored(echo))),
        Ok(_) => Content::Expired,
        Err(errors) => Content::Faulty(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T22:59:53.372Z".parse().unwrap()
    }

    fn all(text: &str, start: Start) -> Vec<Line> {
        let (sender, mut receiver) = mpsc::channel(100);
        let reader = BufReader::with_capacity(7, Cursor::new(text.as_bytes().to_vec()));
        read(reader, start, now, &sender).unwrap();
        drop(sender);
        let mut lines = Vec::new();
        while let Ok(batch) = receiver.try_recv() {
            lines.extend(batch.unwrap());
        }
        lines
    }

    fn fault(line: &Line) -> &str {
        match &line.content {
            Content::Faulty(errors) => &errors[0].detail,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_know_their_number_and_end() {
        let lines = all("\n  \r\n{}\nno newline", Start { lines: 10, bytes: 100 });
        let ends: Vec<_> = lines.iter().map(|line| (line.number, line.end_bytes)).collect();
        assert_eq!(ends, [(11, 101), (12, 105), (13, 108), (14, 118)]);
        assert!(matches!(lines[1].content, Content::Blank));
        assert_eq!(fault(&lines[2]), "is required");
        assert!(fault(&lines[3]).starts_with("is not JSON"));
        assert!(all("", Start::default()).is_empty());
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let text = format!("{}\n{{}}\n", "x".repeat(10 * MAX_STORED_ECHO_BYTES));
        let lines = all(&text, Start::default());
        assert_eq!(fault(&lines[0]), "must be at most 131072 bytes");
        assert_eq!(lines[1].end_bytes, text.len() as u64);
        let mut kept = Vec::new();
        read_line(&mut text.as_bytes(), &mut kept).unwrap();
        assert_eq!(kept.len(), MAX_STORED_ECHO_BYTES + 1);
    }
}
