//! The way of most requests: a read that memory answers at once. It passes the same gates as every other, in the same words, but in one
//! step without a task, a box or a wait, from the head as it was read to the one that is written. Whatever is not as simple as that goes
//! the ordinary way, through the routes.

use std::sync::Arc;

use echoes_shared::query::ListQuery;
use echoes_shared::sigv4::verify::{Head, Headers};
use echoes_shared::split;
use echoes_shared::wire::{self, Resource, pattern};
use httparse::{Header, Request};

use super::Context;
use super::answer::is_request_id;
use super::date::Date;
use super::observe::{self, Hits};
use super::page::{self, Page};
use crate::clock::{self, Stopwatch};

const METHOD: &str = "GET";
/// The minor version of HTTP/1.1.
const VERSION: u8 = 1;
/// What changes how a message is framed, or what becomes of the connection: the ordinary way knows all about that.
const FRAMING: [&str; 5] = ["content-length", "transfer-encoding", "connection", "upgrade", "expect"];
/// What HTTP/1.1 does anyhow, and some say all the same.
const USUAL_FRAMING: (&str, &[u8]) = ("connection", b"keep-alive");

/// What answers from memory.
#[derive(Debug)]
pub(super) struct Express {
    context: Arc<Context>,
    feed: Hits,
    recent: Hits,
    timeline: Hits,
    echo: Hits,
}

impl Express {
    pub(super) fn new(context: Arc<Context>) -> Self {
        let hits = |route| Hits::new(&context.metrics, route);
        let [feed, recent] = [pattern::FEED, pattern::RECENT].map(hits);
        let [timeline, echo] = [pattern::TIMELINE, pattern::ECHO].map(hits);
        Self { context, feed, recent, timeline, echo }
    }

    /// The answer, and its head behind what is in `head`, if memory has it for a caller who may have it. A request that is refused
    /// for whatever reason is refused by the gates of the ordinary way, which look at it anew.
    pub(super) fn answer(&self, request: &Request<'_, '_>, date: &mut Date, head: &mut Vec<u8>) -> Option<Page> {
        let (Some(METHOD), Some(VERSION), Some(target)) = (request.method, request.version, request.path) else {
            return None;
        };
        let headers = Lines(request.headers);
        if !headers.are_plain() || !target.bytes().all(is_plain) {
            return None;
        }
        let watch = Stopwatch::start();
        let context = &*self.context;
        let (path, query) = split::once(target, b'?').map_or((target, None), |(path, query)| (path, Some(query)));
        let resource = Resource::parse(path).ok()?;
        let (hits, query) = match resource {
            Resource::Feed(_) => (&self.feed, ListQuery::parse(query)),
            Resource::Recent => (&self.recent, ListQuery::parse(query)),
            Resource::Timeline(_) => (&self.timeline, ListQuery::parse_timeline(query)),
            Resource::Echo(_) => (&self.echo, Ok(ListQuery::default())),
            _ => return None,
        };
        let query = query.ok()?;
        let id = headers.lines(wire::CORE_REQUEST_ID).next().filter(|id| is_request_id(id))?;
        if context.permits.available_permits() == 0 {
            return None;
        }
        let now = clock::now();
        context.verifier.verify(Head { method: METHOD, target, headers: &headers }, now).ok()?.check(b"").ok()?;

        let service = &context.service;
        let page = match resource {
            Resource::Feed(emotion) => page::list(service.feed_at_hand(emotion, &query, now)?, &headers),
            Resource::Recent => page::list(service.recent_at_hand(&query, now)?, &headers),
            Resource::Timeline(user) => page::list(service.timeline_at_hand(user, &query, now)?, &headers),
            Resource::Echo(id) => page::echo(service.echo_at_hand(id, now)?, &headers),
            _ => return None,
        };
        let took = watch.elapsed();
        observe::answered_at_once(context, hits, id, page.status(), took);
        let besides = [(wire::REGION, context.region.as_str()), (wire::REQUEST_ID, id)];
        page.write_head(took, &besides, date.at(now), head);
        Some(page)
    }
}

/// Whether a target may hold this. What its parser lets pass besides begins a fragment, or is no part of a URI.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>')
}

/// The headers of a request as they were read.
struct Lines<'a>(&'a [Header<'a>]);

impl Lines<'_> {
    /// Whether these are of a request without a body, after which the connection goes on.
    fn are_plain(&self) -> bool {
        self.0.iter().all(|line| {
            let is = |name: &str| name.eq_ignore_ascii_case(line.name);
            !FRAMING.into_iter().any(is) || is(USUAL_FRAMING.0) && USUAL_FRAMING.1.eq_ignore_ascii_case(line.value)
        })
    }
}

impl Headers for Lines<'_> {
    fn each(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|line| (line.name, line.value))
    }
}
