//! Requests that go the ordinary way: hyper reads them and writes their answers, until a moment comes at which the connection can be
//! taken back.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FusedFuture as _, poll_fn};
use futures_util::{FutureExt as _, TryFutureExt as _};
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::Service as _;

use super::stop::Stop;

/// Has hyper serve what comes on `stream`, which begins with `before`. Gives back what has been read of the next request once an answer
/// is complete, or nothing where the connection has come to its end and is shut down, as it is soon after `stop`.
pub(super) async fn serve<S>(
    stream: &mut S,
    before: Bytes,
    routes: Router,
    stop: &mut Stop,
) -> hyper::Result<Option<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let progress = Progress::default();
    let wire = Wire { before, stream, progress: progress.clone() };
    let calls = Calls { routes, progress: progress.clone(), is_last: stop.is_said() };
    // Who takes no part in the conversation is noticed below, in the stream.
    let mut hyper = http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(wire), calls);
    let ended = poll_fn(|context| {
        let mut polled = hyper.poll_unpin(context);
        // Asked afterwards, so that what had been read before is answered.
        if polled.is_pending() && !progress.is(OVER) && !stop.is_terminated() && stop.poll_unpin(context).is_ready() {
            Pin::new(&mut hyper).graceful_shutdown();
            polled = hyper.poll_unpin(context);
        }
        match polled {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if progress.is(OVER) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    if let Some(ended) = ended.await {
        return ended.map(|()| None);
    }
    let parts = hyper.into_parts();
    let unread = parts.io.into_inner().before;
    Ok(Some(if unread.is_empty() { parts.read_buf } else { [parts.read_buf, unread].concat().into() }))
}

/// No request; or one from which the connection cannot be taken back, since it has a body, of which something may lie unread; or
/// hyper says something that nobody asked for, as it does of what is no request.
const WAITING: u32 = 0;
/// A request without a body, whose answer is not complete.
const ANSWERING: u32 = 1;
/// Its answer has been given to hyper to the end.
const ENDED: u32 = 2;
/// And has been written: hyper now waits for the next request, of which it has read some bytes or none.
const OVER: u32 = 3;
/// Steps of a request.
const STEPS: u32 = 4;

/// How far the latest request is: its number, counted round and round, times the steps, and its step.
#[derive(Debug, Clone, Default)]
struct Progress(Arc<AtomicU32>);

impl Progress {
    fn is(&self, step: u32) -> bool {
        self.0.load(Ordering::Acquire) % STEPS == step
    }

    /// The next request is at this step. Returns what marks it.
    fn begins_at(&self, step: u32) -> u32 {
        let number = self.0.load(Ordering::Acquire) / STEPS + 1;
        let mark = number.wrapping_mul(STEPS) + step;
        self.0.store(mark, Ordering::Release);
        mark
    }

    /// The latest request goes from one step to another, unless it is elsewhere.
    fn goes(&self, from: u32, to: u32) {
        let at = self.0.load(Ordering::Acquire);
        if at % STEPS == from {
            self.0.store(at - from + to, Ordering::Release);
        }
    }
}

/// The routes, as hyper calls them.
struct Calls {
    routes: Router,
    progress: Progress,
    /// Whether the caller is told that the connection ends: hyper ends it then.
    is_last: bool,
}

impl hyper::service::Service<Request<Incoming>> for Calls {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let has_body = !request.body().is_end_stream();
        let mark = self.progress.begins_at(if has_body { WAITING } else { ANSWERING });
        let ends = Ends { progress: self.progress.clone(), mark };
        let is_last = self.is_last;
        // A router is always ready.
        let answered = self.routes.clone().call(request);
        let answered = answered.map_ok(move |mut response| {
            if is_last {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response.map(|body| Answer { body, _ends: ends })
        });
        answered.boxed()
    }
}

/// The body of an answer, by which its end is noticed: hyper drops it when it has taken the last of it.
struct Answer {
    body: Body,
    _ends: Ends,
}

struct Ends {
    progress: Progress,
    /// The mark of the request that is answered.
    mark: u32,
}

impl Drop for Ends {
    fn drop(&mut self) {
        if self.progress.0.load(Ordering::Acquire) == self.mark {
            self.progress.goes(ANSWERING, ENDED);
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The stream, as hyper reads and writes it.
struct Wire<'a, S> {
    /// What has been read before hyper came.
    before: Bytes,
    stream: &'a mut S,
    progress: Progress,
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            return Pin::new(&mut *self.stream).poll_read(context, into);
        }
        let fits = self.before.len().min(into.remaining());
        into.put_slice(&self.before.split_to(fits));
        Poll::Ready(Ok(()))
    }
}

/// hyper always tries to write before it waits with something to be written. So after an answer that is over, a write tells of more.
impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.progress.goes(OVER, WAITING);
        Pin::new(&mut *self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.progress.goes(OVER, WAITING);
        Pin::new(&mut *self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called once hyper has written all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut *self.stream).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.progress.goes(ENDED, OVER);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(context)
    }
}
