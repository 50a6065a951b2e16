//! One exchange over one connection: bytes out, an HTTP/1.1 answer in. Strict about framing, since that is tested too.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::response::Response;

/// How long after the end of an answer that has no body one is waited for all the same.
const STRAY: Duration = Duration::from_millis(100);

/// The host and port of a base URL.
pub fn authority(base: &str) -> &str {
    base.strip_prefix("http://").unwrap_or_else(|| panic!("{base} is no http URL")).trim_end_matches('/')
}

/// Sends `bytes` and reads the answer to a request of this method.
pub fn exchange(base: &str, bytes: &[u8], method: &str, patience: Duration) -> Result<Response, String> {
    let begun = Instant::now();
    let stream = connect(base, patience)?;
    // A server may answer and close before it has read everything; then its answer is what counts.
    let sent = (&stream).write_all(bytes);
    match read(&stream, Vec::new(), method, begun, patience) {
        Ok(response) => Ok(response),
        Err(error) => match sent {
            Ok(()) => Err(error),
            Err(cause) => Err(format!("{error} (and sending failed: {cause})")),
        },
    }
}

/// Reads the answer to a request of this method that was sent already.
pub fn answer(stream: &TcpStream, method: &str) -> Result<Response, String> {
    const PATIENCE: Duration = Duration::from_secs(5);
    stream.set_read_timeout(Some(PATIENCE)).expect("timeouts");
    rest(stream, Vec::new(), method, PATIENCE)
}

/// Reads the rest of an answer of which so much has come.
pub(crate) fn rest(
    stream: &TcpStream,
    received: Vec<u8>,
    method: &str,
    patience: Duration,
) -> Result<Response, String> {
    read(stream, received, method, Instant::now(), patience)
}

/// Sends `bytes`, closes the sending half, and gives whatever comes back until the end or `patience`.
pub fn exchange_raw(base: &str, bytes: &[u8], patience: Duration) -> Vec<u8> {
    let stream = connect(base, patience).unwrap_or_else(|error| panic!("{error}"));
    let _ = (&stream).write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = (&stream).read_to_end(&mut answer);
    answer
}

pub(crate) fn connect(base: &str, patience: Duration) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(authority(base)).map_err(|error| format!("cannot connect to {base}: {error}"))?;
    stream
        .set_read_timeout(Some(patience))
        .and_then(|()| stream.set_write_timeout(Some(patience)))
        .expect("timeouts");
    stream.set_nodelay(true).expect("nodelay");
    Ok(stream)
}

fn read(
    stream: &TcpStream,
    mut received: Vec<u8>,
    method: &str,
    begun: Instant,
    patience: Duration,
) -> Result<Response, String> {
    let mut reader = stream;
    let mut more = |received: &mut Vec<u8>| -> Result<bool, String> {
        let mut piece = [0; 16 * 1_024];
        if begun.elapsed() > patience {
            return Err("the answer took too long".to_owned());
        }
        match reader.read(&mut piece) {
            Ok(0) => Ok(false),
            Ok(count) => {
                received.extend_from_slice(&piece[..count]);
                Ok(true)
            }
            Err(error) => Err(format!("no answer: {error}, after {} bytes", received.len())),
        }
    };
    let head_end = loop {
        if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if !more(&mut received)? {
            return Err(format!("closed without a whole answer: {:?}", String::from_utf8_lossy(&received)));
        }
    };
    let mut response = head(&received[..head_end])?;
    let mut body = received.split_off(head_end);
    if method == "HEAD" || matches!(response.status, 204 | 304) {
        // There must be no body; a stray one would be the next answer's beginning.
        stream.set_read_timeout(Some(STRAY)).expect("timeouts");
        while more(&mut body).unwrap_or(false) {}
        response.body = body;
    } else if response.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        while !unchunk(&mut body, |chunk| response.body.extend_from_slice(chunk))? {
            if !more(&mut body)? {
                return Err("closed in the middle of a chunk".to_owned());
            }
        }
    } else if let Some(length) = response.header("content-length") {
        let length: usize = length.parse().map_err(|_| format!("content-length is {length:?}"))?;
        while body.len() < length {
            if !more(&mut body)? {
                return Err(format!("closed after {} of {length} bytes", body.len()));
            }
        }
        body.truncate(length);
        response.body = body;
    } else {
        while more(&mut body)? {}
        response.body = body;
    }
    response.took = begun.elapsed();
    Ok(response)
}

pub(crate) fn head(bytes: &[u8]) -> Result<Response, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the head is not UTF-8".to_owned())?;
    let mut lines = text.trim_end().split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| format!("no status line: {status_line:?}"))?;
    let pair =
        |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let headers =
        lines.map(|line| pair(line).ok_or_else(|| format!("no header: {line:?}"))).collect::<Result<_, _>>()?;
    Ok(Response { asked: String::new(), status, headers, body: Vec::new(), took: Duration::ZERO })
}

/// Takes the whole chunks off the beginning of what was received; answers whether the last has come.
pub(crate) fn unchunk(received: &mut Vec<u8>, mut take: impl FnMut(&[u8])) -> Result<bool, String> {
    while let Some(line_end) = received.windows(2).position(|window| window == b"\r\n") {
        let line = String::from_utf8_lossy(&received[..line_end]).into_owned();
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
        let size = size.map_err(|_| format!("no chunk size: {line:?}"))?;
        let (begin, end) = (line_end + 2, line_end + 2 + size);
        if received.len() < end + 2 {
            return Ok(false);
        }
        take(&received[begin..end]);
        received.drain(..end + 2);
        if size == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
