//! Accepts connections: HTTP/1.1 only, so many at a time, each with so long to send a request's head.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::Service;

use super::patience::Patient;

/// How long a connection may be silent or slow before a request's head is complete. It also ends idle ones.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a caller may take nothing of what is written to it.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);
/// How long accepting pauses after it failed, as it does when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `service` on at most `max_connections` connections until `stop` is told, then finishes what has begun.
pub async fn serve<S>(listener: TcpListener, service: S, max_connections: usize, mut stop: watch::Receiver<bool>)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let connections = Arc::new(Semaphore::new(max_connections));
    let open = GracefulShutdown::new();
    loop {
        let (stream, permit) = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            // An error means that the sender is gone, which is a stop as well.
            _ = stop.wait_for(|stopped| *stopped) => break,
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(Patient::new(stream, WRITE_PATIENCE)), Calls(service.clone()));
        let connection = open.watch(connection);
        tokio::spawn(async move {
            // A caller who goes away or speaks no HTTP is an everyday matter and nobody's fault.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    open.shutdown().await;
}

/// A service as a connection calls it: at once. So a request that is answered at once is gone before the connection looks for the
/// next one, and that is read into the same buffer.
struct Calls<S>(S);

impl<S> hyper::service::Service<Request<Incoming>> for Calls<S>
where
    S: Service<Request<Incoming>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: Request<Incoming>) -> S::Future {
        // Ours are always ready.
        self.0.clone().call(request)
    }
}

async fn accept(listener: &TcpListener, connections: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    // The semaphore is never closed.
    let Ok(permit) = Arc::clone(connections).acquire_owned().await else { return pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are written whole, so waiting for more to send only makes them late.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection ended early");
                }
                return (stream, permit);
            }
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
