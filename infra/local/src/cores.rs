//! The four cores, as processes that the control API can stop, hang and start again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use echoes_shared::Region;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::layout::{RegionPorts, url};
use crate::probe::wait_for;
use crate::process::Process;

/// How long a core may take until it is ready.
const READY: Duration = Duration::from_secs(30);
/// How long a core may drain its requests before it is killed.
const DRAIN: Duration = Duration::from_secs(8);

/// How a core is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CoreState {
    /// It runs.
    Running,
    /// Its process has ended: its ports refuse.
    Stopped,
    /// Its process is there but does nothing: its ports accept and never answer.
    Hung,
}

/// The cores of a stack; none in a stack made for tests of the cloud alone.
#[derive(Debug, Default)]
pub struct Cores(Vec<Core>);

#[derive(Debug)]
struct Core {
    region: Region,
    process: Process,
    state: Mutex<CoreState>,
}

impl Cores {
    /// Takes the processes over; none is started.
    #[must_use]
    pub fn new(processes: Vec<(Region, Process)>) -> Self {
        let stopped = |(region, process)| Core { region, process, state: Mutex::new(CoreState::Stopped) };
        Self(processes.into_iter().map(stopped).collect())
    }

    /// How a region's core is: `Stopped` when there is none.
    #[must_use]
    pub fn state(&self, region: Region) -> CoreState {
        let core = self.0.iter().find(|core| core.region == region);
        core.map_or(CoreState::Stopped, Core::state)
    }

    /// Brings a region's core into `wanted`, and answers when it is. `with_store` says whether its DynamoDB answers:
    /// without that a core can run but not become ready.
    ///
    /// # Errors
    /// When there is no core, or it does not start in time.
    pub async fn set(&self, region: Region, wanted: CoreState, with_store: bool) -> anyhow::Result<()> {
        let core = self.0.iter().find(|core| core.region == region);
        let core = core.with_context(|| format!("this stack runs no core for {region}"))?;
        match (core.state(), wanted) {
            (CoreState::Running, CoreState::Running)
            | (CoreState::Stopped, CoreState::Stopped)
            | (CoreState::Hung, CoreState::Hung) => return Ok(()),
            (CoreState::Hung, CoreState::Running) => core.process.go_on(),
            (CoreState::Running, CoreState::Hung) => core.process.hang(),
            (CoreState::Stopped, CoreState::Running) => core.start(with_store).await?,
            (CoreState::Stopped, CoreState::Hung) => {
                core.start(with_store).await?;
                core.process.hang();
            }
            (_, CoreState::Stopped) => core.process.stop(DRAIN).await,
        }
        core.set_state(wanted);
        Ok(())
    }

    /// Stops every core at the same time.
    pub async fn stop_all(&self, grace: Duration) {
        let mut stops = Vec::new();
        for core in &self.0 {
            core.set_state(CoreState::Stopped);
            stops.push(core.process.stop(grace));
        }
        // Started one after the other, but each sends its signal at once and only then waits.
        join_all(stops).await;
    }
}

impl Core {
    async fn start(&self, with_store: bool) -> anyhow::Result<()> {
        self.process.start()?;
        let admin = url(RegionPorts::of(self.region).admin);
        let path = if with_store { "readyz" } else { "healthz" };
        let address = format!("{admin}/{path}");
        let outcome = tokio::select! {
            ready = wait_for(&address, |status| status == StatusCode::OK, READY) => {
                ready.and_then(|()| Ok(self.process.watch_over()?))
            }
            death = self.process.ended() => Err(death.into()),
        };
        if outcome.is_err() {
            self.process.stop(DRAIN).await;
        }
        outcome
    }

    fn state(&self) -> CoreState {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_state(&self, state: CoreState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// Drives every future to its end, together.
async fn join_all(futures: Vec<impl Future<Output = ()>>) {
    let mut waiting: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
