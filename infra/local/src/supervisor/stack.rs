//! The parts of a stack in the order in which they start; they stop in the opposite one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use echoes_shared::Region;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::environment::{index_folder, process_environment};
use super::plans::plans;
use super::stack_file::{StackFile, write_dev_vars};
use crate::cli::Up;
use crate::clock;
use crate::cloud::{Cloud, Ports};
use crate::console::Console;
use crate::control::{Control, router};
use crate::cores::Cores;
use crate::layout::{CONTROL_PORT, ECHOES_TABLE, EDGE_PORT, RegionPorts, S3_PORT, loopback, url};
use crate::probe::wait_for;
use crate::process::{Death, Process, RunState, Spec};
use crate::s3;
use crate::secrets::{Secrets, read_if_present, write_private};
use crate::servers::{Kind, Servers};
use crate::tokens::TokenMint;

/// How long the making of one region's tables may take.
const TABLES: Duration = Duration::from_secs(60);
/// How long the samples of one region may take.
const SAMPLES: Duration = Duration::from_secs(120);
/// How long the edge may take: the first start of `wrangler dev` unpacks its runtime and may compile the Worker.
const EDGE_READY: Duration = Duration::from_secs(600);
/// How long a child other than a core may take to stop when everything does.
const GRACE: Duration = Duration::from_secs(4);
/// How long the engines may take to finish what they are doing.
const CLOUD_GRACE: Duration = Duration::from_secs(3);

/// What a stack is made of.
pub(super) struct Stack {
    options: Up,
    secrets: Secrets,
    console: Console,
    deaths: mpsc::Sender<Death>,
    tasks: TaskTracker,
    stop: CancellationToken,
    cloud: Option<Arc<Cloud>>,
    /// Programs that do one thing and end, tables and samples, while they run.
    jobs: Vec<Arc<Process>>,
    cores: Arc<Cores>,
    /// The real servers of a `--full` stack.
    servers: Arc<Servers>,
    /// The start of the slowest of them, which others need not wait for.
    opensearch: Option<JoinHandle<anyhow::Result<()>>>,
    edge: Option<Process>,
    file: Option<StackFile>,
}

impl Stack {
    /// Describes the parts; nothing runs yet. `deaths` hears of a child that ends by itself.
    pub(super) fn new(options: Up, secrets: Secrets, console: Console, deaths: mpsc::Sender<Death>) -> Self {
        let core = |region: Region| {
            let args = ["serve", "--work"].map(str::to_owned);
            let mut environment = process_environment(region, &secrets, options.full);
            if !options.full {
                environment.push(index_folder(&options.state, region));
            }
            let spec = Spec { program: options.binary.clone(), args: args.to_vec(), env: Some(environment) };
            let name = format!("core {region}");
            let admin = url(RegionPorts::of(region).admin);
            (region, admin, Process::new(name, spec, console, deaths.clone()))
        };
        let cores = Arc::new(Cores::new(Region::ALL.map(core).into()));
        Self {
            options,
            secrets,
            console,
            deaths,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            cloud: None,
            jobs: Vec::new(),
            cores,
            servers: Arc::default(),
            opensearch: None,
            edge: None,
            file: None,
        }
    }

    /// Starts every part and waits for its readiness.
    ///
    /// # Errors
    /// What kept a part from starting. [`Self::stop`] stops those that did.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        let cloud = self.start_cloud().await?;
        self.start_servers().await?;
        self.start_s3().await?;
        self.start_control(&cloud).await?;
        self.make_tables().await?;
        self.load_samples(&cloud).await?;
        self.await_opensearch().await?;
        self.start_cores().await?;
        self.start_edge().await?;
        self.file = Some(StackFile::write(&self.options.state, &self.secrets, self.options.full)?);
        Ok(())
    }

    async fn start_cloud(&mut self) -> anyhow::Result<Arc<Cloud>> {
        let begun = Instant::now();
        let data = self.options.state.join("data");
        let cloud = Arc::new(Cloud::open(&data, Ports::Fixed).await?);
        self.cloud = Some(cloud.clone());
        self.console.started("dynamodb", begun.elapsed());
        Ok(cloud)
    }

    async fn start_servers(&mut self) -> anyhow::Result<()> {
        if !self.options.full {
            return Ok(());
        }
        let begun = Instant::now();
        self.servers = Arc::new(Servers::new(plans(&self.options)?, self.console));
        let (servers, console) = (self.servers.clone(), self.console);
        self.console.line("opensearch", "starting, which takes ten seconds or more");
        self.opensearch = Some(tokio::spawn(async move {
            servers.start(&[Kind::OpenSearch]).await?;
            console.started("opensearch", begun.elapsed());
            Ok(())
        }));
        self.servers.start(&[Kind::Redis, Kind::Memcached]).await?;
        self.console.started("redis, memcached", begun.elapsed());
        Ok(())
    }

    /// A core would start without, but find nothing for its first seconds.
    async fn await_opensearch(&mut self) -> anyhow::Result<()> {
        match self.opensearch.take() {
            Some(starting) => starting.await?,
            None => Ok(()),
        }
    }

    async fn start_s3(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let root = self.options.state.join("data").join("s3");
        let listener = listen(S3_PORT, "s3").await?;
        let secret = &self.secrets.aws_secret;
        s3::start(listener, &root, secret, &self.tasks, &self.stop)?;
        self.console.started("s3", begun.elapsed());
        Ok(())
    }

    async fn start_control(&self, cloud: &Arc<Cloud>) -> anyhow::Result<()> {
        let begun = Instant::now();
        let control = Arc::new(Control {
            cloud: cloud.clone(),
            cores: self.cores.clone(),
            servers: self.servers.clone(),
            mint: TokenMint::new(&self.secrets)?,
            changing: Mutex::new(()),
        });
        let listener = listen(CONTROL_PORT, "control").await?;
        let serving = async move { axum::serve(listener, router(control)).await };
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(serving));
        self.console.started("control", begun.elapsed());
        Ok(())
    }

    /// Has the core's own program make its tables, which it does only where they are missing.
    async fn make_tables(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let binary = self.options.binary.clone();
        let args = ["table", "create"].map(str::to_owned);
        self.run_everywhere("tables", &binary, &args, TABLES).await?;
        // What an earlier version made is left as it is, and may lack what this one relies on: a stream's images, an index.
        let args = ["table", "check"].map(str::to_owned);
        let checked = self.run_everywhere("tables", &binary, &args, TABLES).await;
        checked.context("the stored tables are not those of this version; --fresh forgets them, with all data")?;
        self.console.started("tables", begun.elapsed());
        Ok(())
    }

    /// Fills a stack that holds nothing, and waits until every region has what the others took. A load that was
    /// interrupted goes on: its moment is kept, so that it writes the same echoes.
    async fn load_samples(&mut self, cloud: &Cloud) -> anyhow::Result<()> {
        let unfinished = self.options.state.join("data").join("samples-unfinished");
        let moment = read_if_present(&unfinished)?;
        if self.options.empty || moment.is_none() && !cloud.is_empty(ECHOES_TABLE).await? {
            return Ok(());
        }
        let begun = Instant::now();
        self.console.line("samples", "loading the sample echoes");
        let moment = moment.unwrap_or_else(|| (clock::now_us() / 1_000).to_string());
        write_private(&unfinished, &moment)?;
        let program = std::env::current_exe().context("finding this program")?;
        let args = ["load-samples".to_owned(), "--now".to_owned(), moment];
        self.run_everywhere("samples", &program, &args, SAMPLES).await?;
        let replicated = timeout(SAMPLES, cloud.replicated()).await;
        replicated.context("the samples did not reach every region in time")??;
        std::fs::remove_file(&unfinished).with_context(|| format!("removing {}", unfinished.display()))?;
        self.console.started("samples", begun.elapsed());
        Ok(())
    }

    /// Runs a program to its end with each region's variables, four at a time.
    async fn run_everywhere(
        &mut self,
        part: &str,
        program: &Path,
        args: &[String],
        limit: Duration,
    ) -> anyhow::Result<()> {
        let mut runs = JoinSet::new();
        for region in Region::ALL {
            let environment = process_environment(region, &self.secrets, self.options.full);
            let spec = Spec { program: program.into(), args: args.to_vec(), env: Some(environment) };
            let name = format!("{part} {region}");
            let job = Arc::new(Process::new(name, spec, self.console, self.deaths.clone()));
            self.jobs.push(job.clone());
            // Not in the task, which may begin when the stack has been stopped already.
            job.start()?;
            runs.spawn(async move { job.finish(limit).await });
        }
        while let Some(run) = runs.join_next().await {
            run??;
        }
        self.jobs.clear();
        Ok(())
    }

    /// All four at once: each waits for little but the processor.
    async fn start_cores(&self) -> anyhow::Result<()> {
        let start = |region: Region| async move {
            let begun = Instant::now();
            self.cores.set(region, RunState::Running, true).await?;
            self.console.started(&format!("core {region}"), begun.elapsed());
            anyhow::Ok(())
        };
        let [first, second, third, fourth] = Region::ALL.map(start);
        tokio::try_join!(first, second, third, fourth)?;
        Ok(())
    }

    async fn start_edge(&mut self) -> anyhow::Result<()> {
        let Some((program, args)) = self.options.edge.split_first() else {
            return Ok(());
        };
        let begun = Instant::now();
        write_dev_vars(&self.options.dev_vars, &self.secrets)?;
        let spec = Spec { program: program.into(), args: args.to_vec(), env: None };
        let name = "edge".to_owned();
        let edge = Process::new(name, spec, self.console, self.deaths.clone());
        let edge = self.edge.insert(edge);
        edge.start()?;
        edge.watch_over()?;
        let address = format!("{}/v1/emotions", url(EDGE_PORT));
        wait_for(&address, |_| true, EDGE_READY).await?;
        self.console.started("edge", begun.elapsed());
        Ok(())
    }

    /// Stops everything that was started, the last first.
    pub(super) async fn stop(mut self) {
        drop(self.file.take());
        if let Some(edge) = &self.edge {
            edge.close(GRACE).await;
        }
        self.cores.close().await;
        for job in &self.jobs {
            job.close(GRACE).await;
        }
        self.servers.close().await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(cloud) = &self.cloud
            && timeout(CLOUD_GRACE, cloud.stop()).await.is_err()
        {
            self.console.line("dynamodb", "an engine was still busy when it was left");
        }
    }
}

async fn listen(port: u16, part: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(loopback(port)).await;
    listener.with_context(|| format!("{part}: listening on port {port}"))
}
