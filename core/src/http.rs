//! The core over HTTP: the signed API for the edge and the admin port for the operator.

mod admin;
mod admission;
mod analytics;
mod answer;
mod auth;
mod batch;
mod conversation;
mod date;
mod echoes;
mod emotions;
mod exchange;
mod express;
mod header;
mod listen;
mod live;
mod observe;
mod page;
mod patience;
mod promise;
mod provenance;
mod routes;
mod search;
mod status;
mod stop;
mod timelines;
mod users;

use std::sync::Arc;

use echoes_shared::sigv4::verify::Verifier;
use tokio::sync::Semaphore;

use crate::metrics::Metrics;
use crate::service::Service;

pub use admin::{Readiness, StoreProbe, admin};
pub use listen::serve;
pub use routes::api;

/// What is served on a port: the routes, and before them what memory answers, if anything. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    routes: axum::Router,
    express: Option<Arc<express::Express>>,
}

impl From<axum::Router> for Api {
    fn from(routes: axum::Router) -> Self {
        Self { routes, express: None }
    }
}

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
