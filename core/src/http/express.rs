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
use super::observe::{self, Hits};
use super::{Context, page};
use crate::clock::{self, Stopwatch};

/// The signed API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api(Arc<Ways>);

/// The two ways of a request: what memory answers, and the routes behind the gates.
#[derive(Debug)]
struct Ways {
    context: Arc<Context>,
    feed: Hits,
    recent: Hits,
    timeline: Hits,
    echo: Hits,
    routes: Router,
}

impl Api {
    /// `routes`, and before them what memory answers.
    pub(super) fn new(context: Arc<Context>, routes: Router) -> Self {
        let hits = |route| Hits::new(&context.metrics, route);
        let [feed, recent] = [pattern::FEED, pattern::RECENT].map(hits);
        let [timeline, echo] = [pattern::TIMELINE, pattern::ECHO].map(hits);
        Self(Arc::new(Ways { context, feed, recent, timeline, echo, routes }))
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
        match self.0.at_once(&request) {
            Some(response) => Either::Left(ready(Ok(response))),
            None => Either::Right(self.0.routes.clone().call(request)),
        }
    }
}

impl Ways {
    /// The answer, if memory has it for a caller who may have it. A request that is refused for whatever reason is refused by the
    /// gates of the ordinary way, which look at it anew.
    fn at_once<B: HttpBody>(&self, request: &Request<B>) -> Option<Response> {
        if request.method() != Method::GET || !request.body().is_end_stream() {
            return None;
        }
        let watch = Stopwatch::start();
        let (uri, headers, context) = (request.uri(), request.headers(), &*self.context);
        let resource = Resource::parse(uri.path()).ok()?;
        let (hits, query) = match resource {
            Resource::Feed(_) => (&self.feed, ListQuery::parse(uri.query())),
            Resource::Recent => (&self.recent, ListQuery::parse(uri.query())),
            Resource::Timeline(_) => (&self.timeline, ListQuery::parse_timeline(uri.query())),
            Resource::Echo(_) => (&self.echo, Ok(ListQuery::default())),
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
        let response = observe::answered_at_once(context, hits, &id, response, watch);
        Some(answer::complete(response, id))
    }
}
