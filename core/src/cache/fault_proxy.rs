//! A way to a server that can be broken on purpose, for tests of the tiers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What happens on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Everything passes.
    Pass,
    /// Connections are reset, those that are there and those that come.
    Refuse,
    /// Connections are taken and nothing passes, until the mode is another: then what was held passes.
    Hang,
    /// The first half of an answer passes, then the connection is reset.
    ResetMidAnswer,
    /// Each answer comes so much later.
    Delay(Duration),
    /// As many bytes as the answer had, and none of its.
    Garbage,
}

/// The proxy; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct FaultProxy {
    pub(super) address: SocketAddr,
    way: watch::Sender<(SocketAddr, Mode)>,
    accepting: AbortHandle,
}

impl FaultProxy {
    /// Stands before `backend`, on a port of its own.
    pub(super) async fn before(backend: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, seen) = watch::channel((backend, Mode::Pass));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                client.set_zero_linger().unwrap();
                tokio::spawn(connection(client, seen.clone()));
            }
        });
        Self { address, way, accepting: accepting.abort_handle() }
    }

    /// From now on this happens, to all connections.
    pub(super) fn set(&self, mode: Mode) {
        self.way.send_modify(|way| way.1 = mode);
    }

    /// New connections lead there.
    pub(super) fn aim(&self, backend: SocketAddr) {
        self.way.send_modify(|way| way.0 = backend);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Ends with the connection's reset, whoever ends it.
async fn connection(mut client: TcpStream, mut way: watch::Receiver<(SocketAddr, Mode)>) -> Option<()> {
    if way.wait_for(|(_, mode)| *mode != Mode::Hang).await.ok()?.1 == Mode::Refuse {
        return None;
    }
    let backend = way.borrow().0;
    let mut server = TcpStream::connect(backend).await.ok()?;
    let (mut question, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            changed = way.changed() => changed.ok()?,
            length = client.read(&mut question) => {
                let length = length.ok().filter(|length| *length > 0)?;
                way.wait_for(|(_, mode)| *mode != Mode::Hang).await.ok()?;
                server.write_all(&question[..length]).await.ok()?;
            }
            length = server.read(&mut answer) => {
                let length = length.ok().filter(|length| *length > 0)?;
                let mode = way.wait_for(|(_, mode)| *mode != Mode::Hang).await.ok()?.1;
                match mode {
                    Mode::Pass | Mode::Refuse | Mode::Hang => client.write_all(&answer[..length]).await.ok()?,
                    Mode::Delay(time) => {
                        tokio::time::sleep(time).await;
                        client.write_all(&answer[..length]).await.ok()?;
                    }
                    Mode::ResetMidAnswer => {
                        client.write_all(&answer[..length / 2]).await.ok()?;
                        return None;
                    }
                    Mode::Garbage => client.write_all(&vec![0xA5; length]).await.ok()?,
                }
            }
        }
        if way.borrow().1 == Mode::Refuse {
            return None;
        }
    }
}
