//! The core over HTTP: the signed API for the edge and the admin port for the operator.

mod admin;
mod admission;
mod analytics;
mod answer;
mod auth;
mod batch;
mod echoes;
mod emotions;
mod express;
mod header;
mod listen;
mod live;
mod observe;
mod page;
mod patience;
mod routes;
mod search;
mod status;
mod timelines;
mod users;

use std::sync::Arc;

use echoes_shared::sigv4::verify::Verifier;
use tokio::sync::Semaphore;

use crate::metrics::Metrics;
use crate::service::Service;

pub use admin::{Readiness, StoreProbe, admin};
pub use express::Api;
pub use listen::serve;
pub use routes::api;

/// What every request handler may use.
#[derive(Debug)]
pub struct Context {
    /// The service.
    pub service: Arc<Service>,
    /// Who may call.
    pub verifier: Verifier,
    /// A permit for each request that may be worked on.
    pub permits: Arc<Semaphore>,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// The region of every answer.
    pub region: echoes_shared::Region,
}
