//! The control API: development tokens with their JWKS, and faults on demand. It knows no secrets worth keeping and
//! listens on the loopback address only.

mod change;
mod problem;

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::{get, patch, post};
use echoes_shared::{Region, Slug};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue,
};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::clock::now_seconds;
use crate::cloud::Cloud;
use crate::cores::Cores;
use crate::faults::{DynamoState, Faults};
use crate::process::RunState;
use crate::servers::{Kind, Servers};
use crate::tokens::{TokenMint, TokenRequest};
use change::Change;
use problem::Refusal;

/// The longest body taken.
const BODY_BYTES: usize = 64 * 1024;

/// What the control API acts on.
pub struct Control {
    /// The regions.
    pub cloud: Arc<Cloud>,
    /// Their cores.
    pub cores: Arc<Cores>,
    /// Their real servers, none without `--full`.
    pub servers: Arc<Servers>,
    /// The signer of development tokens.
    pub mint: TokenMint,
    /// One change at a time, so that each answers with what it did.
    pub changing: Mutex<()>,
}

/// A region as `GET /regions` shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RegionState {
    name: Region,
    core: RunState,
    dynamodb: DynamoState,
    #[serde(skip_serializing_if = "Option::is_none")]
    redis: Option<RunState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memcached: Option<RunState>,
    /// The same in every region: they share one.
    #[serde(skip_serializing_if = "Option::is_none")]
    opensearch: Option<RunState>,
    partitioned: bool,
    lag_ms: u64,
    /// How many of its own writes at least one other region lacks.
    backlog: u64,
}

/// Every route of the control API.
pub fn router(control: Arc<Control>) -> Router {
    Router::new()
        .route("/.well-known/jwks.json", get(jwks))
        .route("/tokens", post(mint_token))
        .route("/regions", get(list_regions))
        .route("/regions/{name}", patch(change_region))
        .fallback(|| async { Refusal::new(Slug::NotFound, "no such path") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(Slug::MethodNotAllowed, "this path does not take that method")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn(open_to_browsers))
        .with_state(control)
}

async fn jwks(State(control): State<Arc<Control>>) -> Json<Value> {
    Json(control.mint.jwks())
}

async fn mint_token(
    State(control): State<Arc<Control>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Refusal> {
    let request: TokenRequest =
        serde_json::from_slice(&readable(body)?).map_err(|error| Refusal::invalid(error.to_string()))?;
    let token = control.mint.mint(&request, now_seconds());
    let token = token.map_err(|error| Refusal::unavailable(&error))?;
    Ok(Json(json!({ "token": token })))
}

async fn list_regions(State(control): State<Arc<Control>>) -> Result<Json<Vec<RegionState>>, Refusal> {
    let states = Region::ALL.map(|name| control.state(name));
    let states: Result<Vec<_>, _> = states.into_iter().collect();
    Ok(Json(states.map_err(|error| Refusal::unavailable(&error))?))
}

async fn change_region(
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<RegionState>, Refusal> {
    let name: Region =
        name.parse().map_err(|_| Refusal::new(Slug::NotFound, format!("no region is called {name:?}")))?;
    let change = Change::parse(&readable(body)?, control.servers.is_empty())?;
    // A task of its own: a caller that goes away must not leave a change half made.
    let changed = tokio::spawn(async move { control.change(name, &change).await });
    let state = changed.await.map_err(anyhow::Error::from).flatten();
    state.map(Json).map_err(|error| Refusal::unavailable(&error))
}

impl Control {
    async fn change(&self, name: Region, change: &Change) -> anyhow::Result<RegionState> {
        let _one_at_a_time = self.changing.lock().await;
        ensure!(!self.cores.is_closed(), "the stack is being stopped");
        let faults = self.cloud.region(name)?.faults();
        let servers = change.servers().map(|(kind, _)| (kind, self.servers.state(name, kind)));
        if let Err(error) = self.apply(name, change, faults).await {
            // What was asked for is done as a whole or not at all.
            let restored = self.restore(name, faults, servers).await;
            restored.with_context(|| format!("{error:#}; and the other changes could not be taken back"))?;
            return Err(error);
        }
        self.state(name)
    }

    /// The core comes last, since it gets ready only with a store.
    async fn apply(&self, name: Region, change: &Change, before: Faults) -> anyhow::Result<()> {
        for (kind, wanted) in change.servers() {
            if let Some(wanted) = wanted {
                self.servers.set(name, kind, wanted).await?;
            }
        }
        let after = change.over(before);
        if after != before {
            self.cloud.set_faults(name, after).await?;
        }
        if let Some(core) = change.core {
            self.cores.set(name, core, after.dynamodb == DynamoState::Running).await?;
        }
        Ok(())
    }

    async fn restore(
        &self,
        name: Region,
        faults: Faults,
        servers: [(Kind, Option<RunState>); Kind::ALL.len()],
    ) -> anyhow::Result<()> {
        if self.cloud.region(name)?.faults() != faults {
            self.cloud.set_faults(name, faults).await?;
        }
        for (kind, state) in servers {
            if let Some(state) = state
                && self.servers.state(name, kind) != Some(state)
            {
                self.servers.set(name, kind, state).await?;
            }
        }
        Ok(())
    }

    fn state(&self, name: Region) -> anyhow::Result<RegionState> {
        let faults = self.cloud.region(name)?.faults();
        Ok(RegionState {
            name,
            core: self.cores.state(name),
            dynamodb: faults.dynamodb,
            redis: self.servers.state(name, Kind::Redis),
            memcached: self.servers.state(name, Kind::Memcached),
            opensearch: self.servers.state(name, Kind::OpenSearch),
            partitioned: faults.partitioned,
            lag_ms: faults.lag_ms,
            backlog: self.cloud.backlog(name)?,
        })
    }
}

fn readable(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Refusal> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::new(Slug::TooLarge, format!("at most {BODY_BYTES} bytes are taken"))
        }
        _ => Refusal::invalid(rejection.body_text()),
    })
}

/// Pages of other origins may use it: the player under development fetches its tokens here.
async fn open_to_browsers(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PATCH, OPTIONS"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    response
}
