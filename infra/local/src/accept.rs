//! The accept loop that the hand-made servers share.

use std::future::Future;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The pause when no connection can be accepted and none is open that could end: out of file descriptors, most likely.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves every connection of `listener` with `serve`, for ever. Dropping the future closes the port and drops the
/// connections.
pub async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                // Answers are small and written whole: waiting to fill a segment only delays them.
                if stream.set_nodelay(true).is_ok() {
                    connections.spawn(serve(stream));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
