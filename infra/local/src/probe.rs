//! Asks a part whether it is there: readiness of what runs outside this process.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::layout::loopback;

/// How long one question may take: a part that hangs is asked again.
const ATTEMPT: Duration = Duration::from_secs(2);
/// The pause between questions. A part outside this process announces nothing, so asking is all there is.
const PAUSE: Duration = Duration::from_millis(50);

/// The same for a server that starts within milliseconds.
const SHORT_PAUSE: Duration = Duration::from_millis(5);

/// The status that `GET url` answers with, or `None` when nothing answers in time.
pub async fn status(url: &Uri) -> Option<StatusCode> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let answer = timeout(ATTEMPT, client.get(url.clone())).await.ok()?;
    answer.ok().map(|response| response.status())
}

/// Asks until `accept` likes the status.
///
/// # Errors
/// When `limit` has passed; the message says what was waited for and what came last.
pub async fn wait_for(url: &str, accept: impl Fn(StatusCode) -> bool, limit: Duration) -> anyhow::Result<()> {
    let uri: Uri = url.parse()?;
    let deadline = Instant::now() + limit;
    let mut last = None;
    let asking = async {
        loop {
            last = status(&uri).await;
            if last.is_some_and(&accept) {
                return;
            }
            sleep(PAUSE).await;
        }
    };
    let in_time = timeout_at(deadline, asking).await.is_ok();
    let last = last.map_or_else(|| "nothing answered".to_owned(), |status| format!("the last answer was {status}"));
    anyhow::ensure!(in_time, "waited {} s for {url}: {last}", limit.as_secs());
    Ok(())
}

/// Asks the server on `port` of 127.0.0.1 until what it answers to `question` begins with `answer`.
///
/// # Errors
/// When `limit` has passed.
pub async fn wait_for_reply(port: u16, question: &[u8], answer: &[u8], limit: Duration) -> anyhow::Result<()> {
    let asking = async {
        while !matches!(timeout(ATTEMPT, reply(port, question, answer.len())).await, Ok(Ok(reply)) if reply == answer)
        {
            sleep(SHORT_PAUSE).await;
        }
    };
    let in_time = timeout(limit, asking).await.is_ok();
    anyhow::ensure!(in_time, "waited {} s for an answer on port {port}", limit.as_secs());
    Ok(())
}

async fn reply(port: u16, question: &[u8], reply_bytes: usize) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(loopback(port)).await?;
    stream.write_all(question).await?;
    let mut reply = vec![0; reply_bytes];
    stream.read_exact(&mut reply).await?;
    Ok(reply)
}
