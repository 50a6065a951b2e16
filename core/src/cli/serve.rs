//! `echoes serve`: the API for the edge, with or without the work beside it.

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::Failure;
use crate::app;
use crate::config::{Environment, ServeConfig, WorkConfig};

/// `echoes serve`
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Also do what `echoes work` does, in this process.
    #[arg(long)]
    work: bool,
}

impl ServeArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let environment = Environment::process();
        let config = ServeConfig::read(&environment).map_err(Failure::usage)?;
        let work = self.work.then(|| WorkConfig::read(&environment)).transpose().map_err(Failure::usage)?;
        app::log_as_json(EnvFilter::new(&config.log_filter));
        app::serve(config, work).await.map_err(Failure::failed)
    }
}
