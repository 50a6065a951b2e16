//! The front of a region's engine: the fixed port that cores and tests speak to.
//!
//! It passes calls on to the engine's private port, holds the region's gate for those that may write, and can be
//! closed (the port refuses and open connections drop) or throttled without the engine's noticing.

mod operation;
mod proxy;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::accept::accept;
use crate::replica::Replica;
use proxy::Proxy;

/// How long a client may take to send a request's headers on an open connection, idle time included.
const HEADER_TIMEOUT: Duration = Duration::from_secs(300);

/// How many calls a region's engine has at a time. It carries out one after the other, each on a thread of the runtime
/// that blocks meanwhile; the second is there so that it never waits for work.
pub const ENGINE_CALLS: usize = 2;

/// The front of one region. Dropping it closes the port.
pub struct Front {
    region: Arc<Replica>,
    address: SocketAddr,
    serving: Mutex<Option<Serving>>,
}

/// The accepting task with its connections: aborting it drops them all.
struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Front {
    /// Opens the front at `address`; port 0 takes a free one, which it keeps.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn open(region: Arc<Replica>, address: SocketAddr) -> anyhow::Result<Self> {
        let listener = bind(address).await?;
        let address = listener.local_addr()?;
        let serving = serve(&region, listener)?;
        Ok(Self { region, address, serving: Mutex::new(Some(serving)) })
    }

    /// Where it listens, or did before it was closed.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and drops every connection; answers when both is done. Calls under way may or may not have
    /// been carried out, as when a real service goes away.
    pub async fn close(&self) {
        let serving = self.serving.lock().await.take();
        if let Some(mut serving) = serving {
            serving.0.abort();
            // An aborted task has dropped its listener and connections once it can be joined.
            let _ended = (&mut serving.0).await;
        }
    }

    /// Opens the port again; nothing happens when it is open.
    ///
    /// # Errors
    /// When something else has taken the port.
    pub async fn reopen(&self) -> anyhow::Result<()> {
        let mut serving = self.serving.lock().await;
        if serving.is_none() {
            *serving = Some(serve(&self.region, bind(self.address).await?)?);
        }
        Ok(())
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))
}

fn serve(region: &Arc<Replica>, listener: TcpListener) -> anyhow::Result<Serving> {
    let proxy = Proxy::new(region.clone())?;
    let serving = accept(listener, move |stream| {
        let proxy = proxy.clone();
        async move {
            let service = service_fn(move |request| proxy.clone().answer(request));
            // An error here is a client that went away: nothing to report.
            let _served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    });
    Ok(Serving(tokio::spawn(serving)))
}
