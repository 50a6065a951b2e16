//! One connection from its first byte to its last: requests one after another, of which those that memory answers are answered here,
//! from buffers that the connection keeps, and all others by hyper.

use std::io::{self, IoSlice};
use std::mem::{self, MaybeUninit};

use bytes::{Buf as _, BytesMut};
use futures_util::future::FusedFuture as _;
use httparse::{Request, Status};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;

use super::Api;
use super::date::Date;
use super::exchange;
use super::page::Page;
use super::stop::Stop;

/// Bytes that are read at a time: more than the head of any read that the edge sends.
const INBOX_BYTES: usize = 8 * 1_024;
/// Bytes of the head of an answer from memory, about twice as many as usual.
const OUTBOX_BYTES: usize = 1_024;
/// Headers of a request that may be answered from memory.
const MAX_HEADERS: usize = 64;

/// Answers what comes on `stream` until its other end has no more, or `stop` is told.
pub(super) async fn hold<S>(stream: S, api: &Api, stop: watch::Receiver<bool>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stop = Stop::new(stop);
    let mut conversation = Conversation::new(stream);
    while !stop.is_terminated() {
        match conversation.look(api, stop.is_said()) {
            Look::Answered(page) => conversation.send(&page).await?,
            Look::Incomplete => {
                let read = tokio::select! {
                    biased;
                    read = conversation.stream.read_buf(&mut conversation.inbox) => read?,
                    () = &mut stop => 0,
                };
                if read == 0 {
                    break;
                }
            }
            Look::Other => {
                if !conversation.exchange(api, &mut stop).await? {
                    return Ok(());
                }
            }
        }
    }
    conversation.stream.shutdown().await
}

/// What has been read so far is
#[expect(clippy::large_enum_variant, reason = "there is one at a time, on the stack, and most are the large one")]
enum Look {
    /// a request that memory has answered so; the head of the answer is in the outbox.
    Answered(Page),
    /// nothing, or the beginning of a head.
    Incomplete,
    /// something else.
    Other,
}

struct Conversation<S> {
    stream: S,
    /// What has been read and not been answered.
    inbox: BytesMut,
    /// How much of that is known to hold no whole head.
    partial_bytes: usize,
    outbox: Vec<u8>,
    date: Date,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    fn new(stream: S) -> Self {
        let inbox = BytesMut::with_capacity(INBOX_BYTES);
        Self { stream, inbox, partial_bytes: 0, outbox: Vec::with_capacity(OUTBOX_BYTES), date: Date::default() }
    }

    /// Looks at what has been read, and answers it if memory can. The last request is hyper's, which says to the caller, who may never
    /// pause, that it is.
    fn look(&mut self, api: &Api, is_last: bool) -> Look {
        let Some(express) = &api.express else { return Look::Other };
        if self.inbox.is_empty() {
            return Look::Incomplete;
        }
        let partial_bytes = mem::take(&mut self.partial_bytes);
        let has_room = self.inbox.len() < INBOX_BYTES;
        if has_room && partial_bytes > 0 && !self.ends_behind(partial_bytes) {
            self.partial_bytes = self.inbox.len();
            return Look::Incomplete;
        }
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut request = Request::new(&mut []);
        let head_bytes = match request.parse_with_uninit_headers(&self.inbox, &mut headers) {
            Ok(Status::Complete(head_bytes)) => head_bytes,
            Ok(Status::Partial) if has_room => {
                self.partial_bytes = self.inbox.len();
                return Look::Incomplete;
            }
            // hyper has the words for what is no head, or too long a one.
            Ok(Status::Partial) | Err(_) => return Look::Other,
        };
        if is_last {
            return Look::Other;
        }
        self.outbox.clear();
        let Some(page) = express.answer(&request, &mut self.date, &mut self.outbox) else { return Look::Other };
        self.inbox.advance(head_bytes);
        Look::Answered(page)
    }

    /// Whether there is an empty line, the end of a head, of which something lies behind the first so many bytes. A head that comes in
    /// small pieces is not parsed anew with each.
    fn ends_behind(&self, bytes: usize) -> bool {
        const EMPTY_LINE: &[u8] = b"\n\r\n";
        let new = self.inbox.get(bytes.saturating_sub(EMPTY_LINE.len() - 1)..).unwrap_or_default();
        [EMPTY_LINE, b"\n\n"].iter().any(|empty| memchr::memmem::find(new, empty).is_some())
    }

    /// Writes the head that is in the outbox, and the body.
    async fn send(&mut self, page: &Page) -> io::Result<()> {
        let [first, second] = page.body();
        let mut slices = [self.outbox.as_slice(), first, second].map(IoSlice::new);
        let mut left = slices.as_mut_slice();
        while left.iter().any(|slice| !slice.is_empty()) {
            match self.stream.write_vectored(left).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => IoSlice::advance_slices(&mut left, written),
            }
        }
        // Nothing is read into a buffer of which little is left.
        self.inbox.reserve(INBOX_BYTES - self.inbox.len().min(INBOX_BYTES));
        Ok(())
    }

    /// Has hyper answer one request or more. Whether the connection goes on after that.
    async fn exchange(&mut self, api: &Api, stop: &mut Stop) -> io::Result<bool> {
        let before = mem::take(&mut self.inbox).freeze();
        let unread = exchange::serve(&mut self.stream, before, api.routes.clone(), stop).await;
        let Some(unread) = unread.map_err(io::Error::other)? else { return Ok(false) };
        self.inbox.reserve(INBOX_BYTES);
        self.inbox.extend_from_slice(&unread);
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
