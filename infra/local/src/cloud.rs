//! Puts the regions together: engines, fronts, replication and housekeeping.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use dynoxide::actions::scan::ScanRequest;
use echoes_shared::Region;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults::{DynamoState, Faults};
use crate::front::Front;
use crate::layout::{RegionPorts, loopback};
use crate::replica::Replica;
use crate::{housekeeping, replication};

/// Where the fronts listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// On the fixed ports of [`crate::layout`].
    Fixed,
    /// On whatever is free, for tests.
    Free,
}

/// Four regions of DynamoDB with their replication.
pub struct Cloud {
    regions: Vec<Arc<Replica>>,
    fronts: Vec<Front>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// One change of faults at a time.
    changing: Mutex<()>,
}

impl Cloud {
    /// Opens every region's file in `data_dir`, creating what is absent, and starts replication where it had stopped.
    ///
    /// # Errors
    /// When a file or a port cannot be had.
    pub async fn open(data_dir: &Path, ports: Ports) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data_dir).with_context(|| format!("creating {}", data_dir.display()))?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mut regions = Vec::new();
        for name in Region::ALL {
            regions.push(Replica::open(name, data_dir, &tasks, &stop).await?);
        }
        // Before anybody writes, and thus before the fronts open.
        replication::mend(&regions)?;
        let mut fronts = Vec::new();
        for region in &regions {
            let name = region.name;
            let port = match ports {
                Ports::Fixed => RegionPorts::of(name).dynamodb,
                Ports::Free => 0,
            };
            fronts.push(Front::open(region.clone(), loopback(port)).await?);
        }
        replication::start(&regions, &tasks, &stop);
        housekeeping::start(regions.clone(), &tasks, &stop);
        Ok(Self { regions, fronts, tasks, stop, changing: Mutex::new(()) })
    }

    /// Every region, in the order of the ports.
    #[must_use]
    pub fn regions(&self) -> &[Arc<Replica>] {
        &self.regions
    }

    /// One region.
    ///
    /// # Errors
    /// Never for a cloud that [`Self::open`] made.
    pub fn region(&self, name: Region) -> anyhow::Result<&Arc<Replica>> {
        let found = self.regions.iter().find(|region| region.name == name);
        found.with_context(|| format!("no region {name}"))
    }

    /// Where a region's front listens.
    ///
    /// # Errors
    /// As [`Self::region`].
    pub fn address(&self, name: Region) -> anyhow::Result<SocketAddr> {
        Ok(self.front(name)?.address())
    }

    fn front(&self, name: Region) -> anyhow::Result<&Front> {
        let mut both = self.regions.iter().zip(&self.fronts);
        let found = both.find(|(region, _)| region.name == name);
        found.map(|(_, front)| front).with_context(|| format!("no region {name}"))
    }

    /// Changes a region's faults, and answers when the change has taken effect: the port is closed or open, and no
    /// batch that was under way is still being applied.
    ///
    /// # Errors
    /// When a stopped front's port has been taken by something else; the region then stays stopped.
    pub async fn set_faults(&self, name: Region, faults: Faults) -> anyhow::Result<()> {
        let _one_at_a_time = self.changing.lock().await;
        let (region, front) = (self.region(name)?, self.front(name)?);
        if faults.dynamodb == DynamoState::Stopped {
            region.set_faults(faults);
            front.close().await;
        } else {
            front.reopen().await?;
            region.set_faults(faults);
        }
        self.settle().await;
        Ok(())
    }

    /// How many of a region's own writes at least one other region does not have yet.
    ///
    /// # Errors
    /// SQLite's.
    pub fn backlog(&self, name: Region) -> anyhow::Result<u64> {
        Ok(replication::backlog(self.region(name)?, &self.regions)?)
    }

    /// Whether no region holds an item of `table_name`.
    ///
    /// # Errors
    /// The engine's, when a region lacks the table for instance.
    pub async fn is_empty(&self, table_name: &str) -> anyhow::Result<bool> {
        for region in &self.regions {
            let (region, table_name) = (region.clone(), table_name.to_owned());
            let first = ScanRequest { table_name, limit: Some(1), ..ScanRequest::default() };
            let found = tokio::task::spawn_blocking(move || region.database().scan(first)).await??;
            if found.count > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until every region has every write that was made before the call, or for ever where one is cut off.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn replicated(&self) -> anyhow::Result<()> {
        for source in &self.regions {
            for destination in &self.regions {
                if source.name == destination.name {
                    continue;
                }
                let mut applied = destination.watch_applied();
                loop {
                    applied.mark_unchanged();
                    let taken = destination.ledger.checkpoint(source.ledger.file_id())?;
                    if source.ledger.count_after(taken)? == 0 {
                        break;
                    }
                    applied.changed().await?;
                }
            }
        }
        Ok(())
    }

    /// Closes the fronts, ends replication and lets the engines finish what they are doing.
    pub async fn stop(&self) {
        for front in &self.fronts {
            front.close().await;
        }
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.settle().await;
    }

    /// Waits for batches and calls under way, by being alone in every region once.
    async fn settle(&self) {
        for region in &self.regions {
            drop(region.gate.write().await);
        }
    }
}
