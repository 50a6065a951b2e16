//! One Memcached server: a few connections, a deadline for every command, and a probe while it is away.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use deadpool::managed::{
    self, BuildError, Object, Pool, PoolConfig, PoolError, QueueMode, RecycleError, RecycleResult,
};
use rand::RngExt as _;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::health::{Failure, Health};
use super::wire::{Connection, WireError};

/// For one command, the wait for a connection included. A server of the same region answers in well under a millisecond.
pub(super) const COMMAND_DEADLINE: Duration = Duration::from_millis(30);
/// For the look-up of the name, the connection and one command.
const PROBE_DEADLINE: Duration = Duration::from_secs(1);
/// The pause before a probe is a random part of this, doubled with each that fails…
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// … up to this, so that a server that is back is used again within seconds.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Connections to one server: at half a millisecond a command, eight thousand commands a second.
const MAX_CONNECTIONS: usize = 4;
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// One server.
pub(super) struct Server {
    pool: Pool<Connector>,
    health: Health,
    /// The name that a probe asks for. Nothing lies there.
    probe: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("server", &self.pool.manager().server).field("health", &self.health).finish()
    }
}

/// Why there is no answer.
enum Trouble {
    Failed(Failure, String),
    /// The server is well and does not want to.
    Refused,
}

impl Server {
    /// A server that is away until it has answered a probe.
    pub(super) fn new(server: &str, probe: &str) -> Result<Arc<Self>, BuildError> {
        let connector = Connector { server: server.to_owned(), address: Mutex::default() };
        // The last one used is taken first, so that as few as are needed are kept busy.
        let config = PoolConfig { queue_mode: QueueMode::Lifo, ..PoolConfig::new(MAX_CONNECTIONS) };
        let pool = Pool::builder(connector).config(config).build()?;
        let server = Arc::new(Self { pool, health: Health::away(), probe: probe.to_owned() });
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(await_answer(Arc::downgrade(&server), Duration::ZERO));
        }
        Ok(server)
    }

    /// The bytes under a name; none where there are none, or the server is away or fails.
    pub(super) async fn get(self: &Arc<Self>, name: &str) -> Option<Bytes> {
        self.command(async || self.ask(name).await).await.flatten()
    }

    /// Keeps bytes for so many seconds, or does not.
    pub(super) async fn set(self: &Arc<Self>, name: &str, value: &[u8], seconds: u64) {
        self.command(async || {
            let mut connection = self.connection().await?;
            Ok(connection.set(name, value, seconds).await?)
        })
        .await;
    }

    /// Whether it is left out until a probe is answered.
    pub(super) fn is_away(&self) -> bool {
        self.health.is_away()
    }

    async fn ask(&self, name: &str) -> Result<Option<Bytes>, Trouble> {
        let mut connection = self.connection().await?;
        Ok(connection.get(name).await?)
    }

    /// Runs one command where the server is there, under the deadline, and notes how it went.
    async fn command<T>(self: &Arc<Self>, command: impl AsyncFnOnce() -> Result<T, Trouble>) -> Option<T> {
        if self.health.is_away() {
            return None;
        }
        let slow = || Trouble::Failed(Failure::Broken, format!("no answer within {COMMAND_DEADLINE:?}"));
        match timeout(COMMAND_DEADLINE, command()).await.unwrap_or_else(|_| Err(slow())) {
            Ok(answer) => {
                self.health.succeeded();
                Some(answer)
            }
            Err(Trouble::Refused) => None,
            Err(Trouble::Failed(failure, cause)) => {
                if self.health.failed(failure) {
                    tracing::warn!(server = self.pool.manager().server, cause, "a Memcached server is away");
                    tokio::spawn(await_answer(Arc::downgrade(self), FIRST_PAUSE));
                }
                None
            }
        }
    }

    async fn connection(&self) -> Result<Object<Connector>, Trouble> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => Trouble::Failed(Failure::Unreachable, error.to_string()),
            error => Trouble::Failed(Failure::Broken, error.to_string()),
        })
    }

    /// Whether the server answers, over a new connection to where its name leads now.
    async fn answers(&self) -> bool {
        self.pool.retain(|_, _| false);
        let answered = async {
            self.pool.manager().resolve().await.ok()?;
            self.ask(&self.probe).await.ok()
        };
        matches!(timeout(PROBE_DEADLINE, answered).await, Ok(Some(_)))
    }
}

/// Probes a server until it answers, or nobody needs it any more.
async fn await_answer(server: Weak<Server>, first_pause: Duration) {
    let mut longest = first_pause;
    loop {
        let pause = rand::rng().random_range(Duration::ZERO..=longest);
        tokio::time::sleep(pause).await;
        let Some(server) = server.upgrade() else { return };
        if server.answers().await {
            server.health.back();
            tracing::info!(server = server.pool.manager().server, "a Memcached server answers");
            return;
        }
        longest = (longest * 2).clamp(FIRST_PAUSE, MAX_PAUSE);
    }
}

impl From<WireError> for Trouble {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Refused => Self::Refused,
            error => Self::Failed(Failure::Broken, error.to_string()),
        }
    }
}

/// Makes connections to one server.
struct Connector {
    /// `host:port`
    server: String,
    /// Where that led when it was last looked up.
    address: Mutex<Option<SocketAddr>>,
}

impl Connector {
    /// Looks the name up and remembers the first of its addresses that takes a connection, so that no command waits for that.
    async fn resolve(&self) -> io::Result<()> {
        for address in tokio::net::lookup_host(&self.server).await?.take(MAX_ADDRESSES) {
            if Connection::open(address).await.is_ok() {
                *self.address.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
                return Ok(());
            }
        }
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

impl managed::Manager for Connector {
    type Type = Connection;
    type Error = io::Error;

    async fn create(&self) -> io::Result<Connection> {
        let address = *self.address.lock().unwrap_or_else(PoisonError::into_inner);
        Connection::open(address.ok_or(io::ErrorKind::NotFound)?).await
    }

    async fn recycle(&self, connection: &mut Connection, _: &managed::Metrics) -> RecycleResult<io::Error> {
        if connection.is_in_step() { Ok(()) } else { Err(RecycleError::message("it is out of step")) }
    }
}
