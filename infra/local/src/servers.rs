//! The real servers of a `--full` stack, as processes that the control API can stop, hang and start again. A region goes
//! on without them, so a death here is told and shown, and ends nothing else.

mod kind;
mod programs;

use anyhow::Context as _;
use echoes_shared::Region;
use futures_util::future::{join_all, try_join_all};
use tokio::sync::mpsc;

use crate::console::Console;
use crate::probe::wait_for_reply;
use crate::process::{Death, Process, RunState, Spec};

pub use kind::Kind;
pub use programs::{Inherited, memcached, opensearch, redis};

/// How many deaths may wait to be told.
const DEATHS: usize = 16;

/// One server to run.
#[derive(Debug)]
pub struct Plan {
    /// Whose it is; `None` is everybody's.
    pub region: Option<Region>,
    /// What it is.
    pub kind: Kind,
    /// What its lines are printed under.
    pub name: String,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// How it is run.
    pub spec: Spec,
}

/// The servers of a stack; none without `--full`.
#[derive(Debug, Default)]
pub struct Servers {
    all: Vec<Server>,
}

#[derive(Debug)]
struct Server {
    region: Option<Region>,
    kind: Kind,
    port: u16,
    process: Process,
}

impl Servers {
    /// Describes the servers; none is started. To be called within a runtime, in which deaths are told on the console.
    #[must_use]
    pub fn new(plans: Vec<Plan>, console: Console) -> Self {
        let (deaths, died) = mpsc::channel(DEATHS);
        tokio::spawn(tell(died, console));
        let server = |plan: Plan| {
            let Plan { region, kind, name, port, spec } = plan;
            Server { region, kind, port, process: Process::new(name, spec, console, deaths.clone()) }
        };
        Self { all: plans.into_iter().map(server).collect() }
    }

    /// Whether there are none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How a region's servers of a kind are, `None` when there is none. Of several the worst counts: one that has ended by
    /// itself shows as stopped, and setting them running starts it again.
    #[must_use]
    pub fn state(&self, region: Region, kind: Kind) -> Option<RunState> {
        let states: Vec<_> = self.of(region, kind).map(|server| server.process.state()).collect();
        let worst = [RunState::Stopped, RunState::Hung].into_iter().find(|state| states.contains(state));
        states.first().map(|_| worst.unwrap_or(RunState::Running))
    }

    /// Brings a region's servers of a kind into `wanted`, all of them together, and answers when they are.
    ///
    /// # Errors
    /// When there is none, one does not start in time, or the stack is being stopped.
    pub async fn set(&self, region: Region, kind: Kind, wanted: RunState) -> anyhow::Result<()> {
        let servers: Vec<_> = self.of(region, kind).collect();
        servers.first().with_context(|| format!("this stack runs no {kind} for {region}"))?;
        try_join_all(servers.into_iter().map(|server| server.set(wanted))).await?;
        Ok(())
    }

    /// Starts every server of these kinds, all at once.
    ///
    /// # Errors
    /// What kept one from starting.
    pub async fn start(&self, kinds: &[Kind]) -> anyhow::Result<()> {
        let wanted = self.all.iter().filter(|server| kinds.contains(&server.kind));
        try_join_all(wanted.map(|server| server.set(RunState::Running))).await?;
        Ok(())
    }

    /// Stops every server at the same time, for good.
    pub async fn close(&self) {
        join_all(self.all.iter().map(|server| server.process.close(server.kind.grace()))).await;
    }

    fn of(&self, region: Region, kind: Kind) -> impl Iterator<Item = &Server> {
        self.all.iter().filter(move |server| server.region.is_none_or(|own| own == region) && server.kind == kind)
    }
}

impl Server {
    async fn set(&self, wanted: RunState) -> anyhow::Result<()> {
        match (self.process.state(), wanted) {
            (now, wanted) if now == wanted => {}
            (RunState::Hung, RunState::Running) => self.process.go_on(),
            (RunState::Running, RunState::Hung) => self.process.hang(),
            (_, RunState::Stopped) => self.process.stop(self.kind.grace()).await,
            (_, RunState::Running) => self.start().await?,
            (_, RunState::Hung) => {
                self.start().await?;
                self.process.hang();
            }
        }
        Ok(())
    }

    async fn start(&self) -> anyhow::Result<()> {
        let (question, answer) = self.kind.greeting();
        let ready = wait_for_reply(self.port, question, answer, self.kind.ready_within());
        self.process.start_until(ready, self.kind.grace()).await
    }
}

/// Says on the console what ended by itself, until nothing can any more.
async fn tell(mut died: mpsc::Receiver<Death>, console: Console) {
    while let Some(death) = died.recv().await {
        let told = format!(
            "ended by itself ({}): what used it goes on without, and the control API starts it again",
            death.status
        );
        console.line(&death.name, &told);
    }
}
