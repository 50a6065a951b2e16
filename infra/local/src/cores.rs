//! The four cores, as processes that the control API can stop, hang and start again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use echoes_shared::Region;
use futures_util::future::join_all;
use http::StatusCode;

use crate::probe::wait_for;
use crate::process::{Process, RunState};

/// How long a core may take until it is ready.
const READY: Duration = Duration::from_secs(30);
/// How long a core gives its own requests to end: `DRAIN_TIMEOUT` in `core/src/app.rs`.
const CORE_DRAIN: Duration = Duration::from_secs(5);
/// How long a core may take to stop before it is killed.
pub const GRACE: Duration = Duration::from_secs(6);
const _: () = assert!(GRACE.as_millis() > CORE_DRAIN.as_millis(), "a core that drains must not be killed");

/// The cores of a stack; none in a stack made for tests of the cloud alone.
#[derive(Debug, Default)]
pub struct Cores {
    all: Vec<Core>,
    /// They are being stopped for good.
    closed: AtomicBool,
}

#[derive(Debug)]
struct Core {
    region: Region,
    /// Where its `/readyz` and `/healthz` are.
    admin: String,
    process: Process,
    state: Mutex<RunState>,
}

impl Cores {
    /// Takes the processes over, each with the URL of its admin port; none is started.
    #[must_use]
    pub fn new(processes: Vec<(Region, String, Process)>) -> Self {
        let stopped =
            |(region, admin, process)| Core { region, admin, process, state: Mutex::new(RunState::Stopped) };
        Self { all: processes.into_iter().map(stopped).collect(), closed: AtomicBool::new(false) }
    }

    /// How a region's core is: `Stopped` when there is none.
    #[must_use]
    pub fn state(&self, region: Region) -> RunState {
        let core = self.all.iter().find(|core| core.region == region);
        core.map_or(RunState::Stopped, Core::state)
    }

    /// Brings a region's core into `wanted`, and answers when it is. `with_store` says whether its DynamoDB answers:
    /// without that a core can run but not become ready.
    ///
    /// # Errors
    /// When there is no core, it does not start in time, or the stack is being stopped.
    pub async fn set(&self, region: Region, wanted: RunState, with_store: bool) -> anyhow::Result<()> {
        let core = self.all.iter().find(|core| core.region == region);
        let core = core.with_context(|| format!("this stack runs no core for {region}"))?;
        ensure!(!self.is_closed(), "the stack is being stopped");
        match (core.state(), wanted) {
            (RunState::Running, RunState::Running)
            | (RunState::Stopped, RunState::Stopped)
            | (RunState::Hung, RunState::Hung) => return Ok(()),
            (RunState::Hung, RunState::Running) => core.process.go_on(),
            (RunState::Running, RunState::Hung) => core.process.hang(),
            (RunState::Stopped, RunState::Running) => core.start(with_store).await?,
            (RunState::Stopped, RunState::Hung) => {
                core.start(with_store).await?;
                core.process.hang();
            }
            (_, RunState::Stopped) => core.process.stop(GRACE).await,
        }
        core.set_state(wanted);
        Ok(())
    }

    /// Whether [`Self::close`] has begun.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Stops every core at the same time, for good: none can be started or hung from the first moment on.
    pub async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let mut stops = Vec::new();
        for core in &self.all {
            core.set_state(RunState::Stopped);
            stops.push(core.process.close(GRACE));
        }
        // Driven together: each closes its process and sends its signal at once, and only then waits.
        join_all(stops).await;
    }
}

impl Core {
    async fn start(&self, with_store: bool) -> anyhow::Result<()> {
        let path = if with_store { "readyz" } else { "healthz" };
        let address = format!("{}/{path}", self.admin);
        let ready = wait_for(&address, |status| status == StatusCode::OK, READY);
        self.process.start_until(ready, GRACE).await
    }

    fn state(&self) -> RunState {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_state(&self, state: RunState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}
