//! Every route of the main port, in one place. All of them, unknown ones included, pass the same gates: identify and
//! observe, admit, authenticate. A stream of live events alone is not admitted as a request: the hub has seats for it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, patch, post};
use echoes_shared::wire::{self, Resource, pattern};
use echoes_shared::{Problem, Slug};

use super::express::Express;
use super::{
    Api, Context, admission, analytics, answer, auth, batch, echoes, emotions, live, observe, search, status,
    timelines, users,
};
use crate::service::ServiceError;

/// The signed API.
pub fn api(context: Arc<Context>) -> Api {
    let routes = Router::new()
        .route(pattern::EMOTIONS, get(emotions::list))
        .route(pattern::FEED, get(emotions::feed))
        .route(pattern::RANDOM, get(emotions::random))
        .route(pattern::ECHOES, post(echoes::create))
        .route(pattern::RECENT, get(echoes::recent))
        .route(pattern::BATCH, post(batch::run))
        .route(pattern::ECHO, get(echoes::one))
        .route(pattern::ECHO, patch(echoes::edit))
        .route(pattern::ECHO, delete(echoes::remove))
        .route(pattern::TIMELINE, get(users::timeline))
        .route(pattern::TIMELINES, get(timelines::several))
        .route(pattern::PERSON_EMOTIONS, get(users::emotions))
        .route(pattern::ANALYTICS, get(analytics::emotions))
        .route(pattern::SEARCH, get(search::search))
        .route(pattern::ME, delete(users::erase))
        .route(pattern::ERASURE, get(users::erasure))
        .route(pattern::STATUS, get(status::status))
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(Arc::clone(&context), auth::authenticate))
        .layer(from_fn_with_state(Arc::clone(&context), admission::admit))
        .merge(streams(&context))
        .layer(from_fn_with_state(Arc::clone(&context), observe::observe))
        .layer(from_fn(observe::identify))
        .with_state(Arc::clone(&context));
    Api { routes, express: Some(Arc::new(Express::new(context))) }
}

/// What goes on for longer than a request may.
fn streams(context: &Arc<Context>) -> Router<Arc<Context>> {
    Router::new()
        .route(pattern::LIVE, get(live::listen))
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(Arc::clone(context), auth::authenticate))
}

async fn unknown() -> Response {
    answer::problem(wire::no_such_path())
}

async fn other_method(request: Request) -> Result<Response, ServiceError> {
    let allow = Resource::parse(request.uri().path())?.allow();
    let response = match request.method() {
        &Method::OPTIONS => answer::no_content(),
        _ => answer::problem(Problem::new(Slug::MethodNotAllowed, format!("allowed here: {allow}"))),
    };
    Ok(answer::allowing(response, allow))
}
