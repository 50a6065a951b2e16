//! The way of most requests: a read that memory answers at once. It passes the same gates as every other, in the same words, but in one
//! step without a task, a box or a wait; whatever is not as simple as that goes the ordinary way, through the routes.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context as Polled, Poll};

use axum::Router;
use axum::body::{Bytes, HttpBody};
use axum::response::Response;
use echoes_shared::query::ListQuery;
use echoes_shared::sigv4::verify::Head;
use echoes_shared::wire::{Resource, pattern};
use futures_util::future::Either;
use http::{Method, Request};
use tower::Service;

use super::answer::{self, RequestId};
use super::{Context, observe, page};
use crate::clock::{self, Stopwatch};

/// The signed API.
#[derive(Debug, Clone)]
pub struct Api {
    context: Arc<Context>,
    routes: Router,
}

impl Api {
    /// `routes`, and before them what memory answers.
    pub(super) fn new(context: Arc<Context>, routes: Router) -> Self {
        Self { context, routes }
    }
}

impl<B> Service<Request<B>> for Api
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, <Router as Service<Request<B>>>::Future>;

    fn poll_ready(&mut self, _: &mut Polled<'_>) -> Poll<Result<(), Infallible>> {
        // As the router's own: it is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match at_once(&self.context, &request) {
            Some(response) => Either::Left(ready(Ok(response))),
            None => Either::Right(self.routes.call(request)),
        }
    }
}

/// The answer, if memory has it for a caller who may have it. A request that is refused for whatever reason is refused by the gates
/// of the ordinary way, which look at it anew.
fn at_once<B: HttpBody>(context: &Context, request: &Request<B>) -> Option<Response> {
    if request.method() != Method::GET || !request.body().is_end_stream() {
        return None;
    }
    let watch = Stopwatch::start();
    let (uri, headers) = (request.uri(), request.headers());
    let resource = Resource::parse(uri.path()).ok()?;
    let (route, query) = match resource {
        Resource::Feed(_) => (pattern::FEED, ListQuery::parse(uri.query())),
        Resource::Recent => (pattern::RECENT, ListQuery::parse(uri.query())),
        Resource::Timeline(_) => (pattern::TIMELINE, ListQuery::parse_timeline(uri.query())),
        Resource::Echo(_) => (pattern::ECHO, Ok(ListQuery::default())),
        _ => return None,
    };
    let query = query.ok()?;
    let _permit = context.permits.try_acquire().ok()?;
    let now = clock::now();
    let target = uri.path_and_query()?.as_str();
    let head = Head { method: Method::GET.as_str(), target, headers };
    context.verifier.verify(head, now).ok()?.check(b"").ok()?;

    let service = &context.service;
    let response = match resource {
        Resource::Feed(emotion) => page::list(&service.feed_at_hand(emotion, &query, now)?, headers, watch),
        Resource::Recent => page::list(&service.recent_at_hand(&query, now)?, headers, watch),
        Resource::Timeline(user) => page::list(&service.timeline_at_hand(user, &query, now)?, headers, watch),
        Resource::Echo(id) => page::echo(service.echo_at_hand(id, now)?, headers, watch),
        _ => return None,
    };
    let id = RequestId::of(headers);
    let response = observe::answered_at_once(context, route, &id, response, watch);
    Some(answer::complete(response, id))
}
