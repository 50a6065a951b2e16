//! One region's DynamoDB: the engine on a private port, its ledger, and the gate between clients and replication.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use dynoxide::Database;
use echoes_shared::Region;
use tokio::net::TcpListener;
use tokio::sync::{RwLock, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults::Faults;
use crate::layout::loopback;
use crate::ledger::Ledger;

/// One region's DynamoDB. Shared by its front, the replicator, housekeeping and the control API.
#[derive(Debug)]
pub struct Replica {
    /// Which one it is.
    pub name: Region,
    /// The ledger in the engine's file.
    pub ledger: Ledger,
    /// Held shared by every call that may change data and exclusively by the replicator while it compares stamps and
    /// applies a batch: comparing and applying is thus one step for clients. Whoever works on another thread moves an
    /// owned guard there, so that the work is never cut loose from its guard.
    pub gate: Arc<RwLock<()>>,
    database: DatabaseHandle,
    engine_address: SocketAddr,
    faults: watch::Sender<Faults>,
    writes: watch::Sender<u64>,
    applied: watch::Sender<u64>,
}

impl Replica {
    /// Opens the engine's file in `data_dir`, creating it when it is absent, and serves it on a private loopback port
    /// until `stop`.
    ///
    /// # Errors
    /// When the file cannot be opened or no port is to be had.
    pub async fn open(
        name: Region,
        data_dir: &Path,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> anyhow::Result<Arc<Self>> {
        let path = data_dir.join(format!("{name}.db"));
        let path_text = path.to_str().context("the state folder's path is not UTF-8")?;
        let database = Database::new(path_text).with_context(|| format!("opening {}", path.display()))?;
        // Sets `synchronous = NORMAL` on the engine's connection: one fsync for each checkpoint instead of one for
        // each write. A killed process still loses nothing; only a power cut could.
        database.disable_bulk_loading()?;
        let ledger =
            Ledger::open(&path, name).with_context(|| format!("opening the ledger in {}", path.display()))?;

        let listener = TcpListener::bind(loopback(0)).await?;
        let engine_address = listener.local_addr()?;
        let (served, stopped) = (database.clone(), stop.clone().cancelled_owned());
        tasks.spawn(async move {
            if let Err(error) = dynoxide::server::serve_with_shutdown(listener, served, stopped).await {
                tracing::error!(region = %name, error, "the engine's server stopped");
            }
        });
        Ok(Arc::new(Self {
            name,
            ledger,
            gate: Arc::new(RwLock::new(())),
            database: DatabaseHandle(database),
            engine_address,
            faults: watch::Sender::new(Faults::default()),
            writes: watch::Sender::new(0),
            applied: watch::Sender::new(0),
        }))
    }

    /// The engine itself, for calls that need no HTTP. Callers that write hold [`Self::gate`].
    pub fn database(&self) -> &Database {
        &self.database.0
    }

    /// The private address behind the front.
    #[must_use]
    pub fn engine_address(&self) -> SocketAddr {
        self.engine_address
    }

    /// The region's faults as they are now.
    #[must_use]
    pub fn faults(&self) -> Faults {
        *self.faults.borrow()
    }

    /// Follows the region's faults.
    #[must_use]
    pub fn watch_faults(&self) -> watch::Receiver<Faults> {
        self.faults.subscribe()
    }

    /// Replaces the region's faults and tells everybody who follows them.
    pub fn set_faults(&self, faults: Faults) {
        self.faults.send_replace(faults);
    }

    /// Follows the writes of this region; the number itself means nothing.
    #[must_use]
    pub fn watch_writes(&self) -> watch::Receiver<u64> {
        self.writes.subscribe()
    }

    /// Says that this region's data may have changed.
    pub fn note_write(&self) {
        self.writes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Follows the replicated batches that arrive here; the number itself means nothing.
    #[must_use]
    pub fn watch_applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// Says that a replicated batch has arrived here.
    pub fn note_applied(&self) {
        self.applied.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Keeps `Database`, which has no `Debug`, out of the derived one.
struct DatabaseHandle(Database);

impl std::fmt::Debug for DatabaseHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}
