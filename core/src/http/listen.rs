//! Accepts connections: HTTP/1.1 only, so many at a time, each for as long as its caller does its part.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::patience::{Patience, Patient};
use super::{Api, conversation};

/// How long a caller may keep a connection without doing its part.
const PATIENCE: Patience = Patience { writing: Duration::from_secs(20), silence: Duration::from_secs(60) };
/// How long accepting pauses after it failed, as it does when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `api` on at most `max_connections` connections until `stop` is told, then finishes what has begun.
pub async fn serve(listener: TcpListener, api: Api, max_connections: usize, mut stop: watch::Receiver<bool>) {
    let connections = Arc::new(Semaphore::new(max_connections));
    loop {
        let (stream, permit) = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            // An error means that the sender is gone, which is a stop as well.
            _ = stop.wait_for(|stopped| *stopped) => break,
        };
        let (api, stop) = (api.clone(), stop.clone());
        tokio::spawn(async move {
            // A caller who goes away or speaks no HTTP is an everyday matter and nobody's fault.
            if let Err(error) = conversation::hold(Patient::new(stream, PATIENCE), &api, stop).await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    // All permits are back when the last connection has ended.
    let all = u32::try_from(max_connections).unwrap_or(u32::MAX);
    drop(connections.acquire_many(all).await);
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
