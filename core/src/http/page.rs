//! Answers from the caches: bytes that are sent as they are kept, the tiers that were asked, and a gzip form for who takes one.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::response::Response;
use echoes_shared::etag;
use http::header::{ACCEPT_ENCODING, CACHE_STATUS, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::body::{Frame, SizeHint};

use super::answer::{self, JSON};
use super::header::{SERVER_TIMING, Text};
use crate::clock::Stopwatch;
use crate::service::{List, ReadEcho, Step, Trail, weak_tag};

/// Headers of an answer that is not compressed, those of the outermost gate included.
const USUAL_HEADERS: usize = 7;
/// The store had it.
pub(super) const FROM_STORE: &str = "echoes-store; fwd=miss";

/// A page of a list.
pub(super) fn list(list: &List, request: &HeaderMap, watch: Stopwatch) -> Response {
    let page = &list.page;
    let response = conditional(&page.etag, &list.trail, request, watch, || {
        match takes_gzip(request).then(|| page.gzip()).flatten() {
            Some(form) => {
                let mut response = Response::new(Body::from(form));
                response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                response
            }
            None => Response::new(Body::new(Parts([page.head.clone(), page.tail.clone()]))),
        }
    });
    varying(response)
}

/// Several lists in one body.
pub(super) fn lists(body: Vec<u8>, trail: &Trail, request: &HeaderMap, watch: Stopwatch) -> Response {
    conditional(&weak_tag(&[&body]), trail, request, watch, || Response::new(Body::from(body)))
}

/// One echo.
pub(super) fn echo(echo: ReadEcho, request: &HeaderMap, watch: Stopwatch) -> Response {
    conditional(&echo.etag, &echo.trail, request, watch, || Response::new(Body::from(echo.body)))
}

/// What `full` makes, or 304 where the caller has it.
fn conditional(
    tag: &HeaderValue,
    trail: &Trail,
    request: &HeaderMap,
    watch: Stopwatch,
    full: impl FnOnce() -> Response,
) -> Response {
    let known = is_known(tag, request);
    let mut response = if known { Response::new(Body::empty()) } else { full() };
    response.headers_mut().reserve(USUAL_HEADERS);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        response.headers_mut().insert(CONTENT_TYPE, JSON);
    }
    let headers = response.headers_mut();
    headers.insert(ETAG, tag.clone());
    if let Some(tiers) = cache_status(trail).value() {
        headers.insert(CACHE_STATUS, tiers);
    }
    if let Some(timing) = timing(trail, watch).value() {
        headers.insert(SERVER_TIMING, timing);
    }
    response
}

/// How long the tier that had it took, or the store.
fn timing(trail: &Trail, watch: Stopwatch) -> Text {
    let mut text = Text::new();
    // Writing into a text cannot fail.
    let _ = match trail.0.first() {
        Some(Step::Hit { tier, .. }) => {
            let took = watch.elapsed();
            let hundredths = took.as_secs() * 100_000 + u64::from(took.subsec_micros() / 10);
            write!(text, "{tier};dur={}.{:02}", hundredths / 100, hundredths % 100)
        }
        _ => text.write_str(&answer::timing(watch)),
    };
    text
}

/// Whether the caller has what this tag names, by weak comparison.
pub(super) fn is_known(tag: &HeaderValue, request: &HeaderMap) -> bool {
    // A list may come in several lines (RFC 9110, section 5.3).
    let mut known = request.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    known.any(|known| tag.to_str().is_ok_and(|tag| etag::none_match(known, tag)))
}

fn varying(mut response: Response) -> Response {
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    response
}

/// The members from the origin to the caller (RFC 9211).
fn cache_status(trail: &Trail) -> Text {
    let mut text = Text::new();
    for step in &trail.0 {
        if !text.is_empty() {
            text.push(", ");
        }
        // Writing into a text cannot fail.
        let _ = match step {
            Step::Store => text.write_str(FROM_STORE),
            Step::Hit { tier, ttl_seconds, stale: false } => write!(text, "echoes-{tier}; hit; ttl={ttl_seconds}"),
            Step::Hit { tier, ttl_seconds, stale: true } => {
                write!(text, "echoes-{tier}; hit; ttl={ttl_seconds}; detail=stale")
            }
            Step::Miss { tier, collapsed: false } => write!(text, "echoes-{tier}; fwd=miss"),
            Step::Miss { tier, collapsed: true } => write!(text, "echoes-{tier}; fwd=miss; collapsed"),
        };
    }
    if text.is_empty() {
        text.push(FROM_STORE);
    }
    text
}

/// Whether a gzip body is at least as welcome as a plain one (RFC 9110, section 12.5.3).
fn takes_gzip(request: &HeaderMap) -> bool {
    let (mut gzip, mut plain, mut others) = (None, None, None);
    let lists = request.get_all(ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    for part in lists.flat_map(|list| list.split(',')) {
        let (coding, parameters) = part.split_once(';').unwrap_or((part, ""));
        let coding = coding.trim();
        let place = match coding {
            "*" => &mut others,
            _ if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => &mut gzip,
            _ if coding.eq_ignore_ascii_case("identity") => &mut plain,
            _ => continue,
        };
        *place = Some(quality(parameters));
    }
    let gzip = gzip.or(others).unwrap_or(0);
    gzip > 0 && gzip >= plain.unwrap_or(0)
}

/// A quality in thousandths; what is none is not wanted.
fn quality(parameters: &str) -> u16 {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return 1_000;
    }
    let value = parameters.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let value = value.and_then(|(_, value)| value.trim().parse::<f32>().ok());
    // NaN and what is out of range are no qualities; a cast never overflows.
    value.filter(|value| (0.0..=1.0).contains(value)).map_or(0, |value| (value * 1_000.0).round() as u16)
}

/// A body of two slices, sent one after the other without being joined. Its length is known.
struct Parts([Bytes; 2]);

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.iter_mut().find(|part| !part.is_empty());
        Poll::Ready(next.map(|part| Ok(Frame::data(mem::take(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|part| part.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use hyper::body::Body as _;

    use super::*;

    #[test]
    fn a_tag_is_known_by_whichever_line_names_it() {
        let mut headers = HeaderMap::new();
        for line in ["\"a\", \"b\"", "W/\"c\""] {
            headers.append(IF_NONE_MATCH, line.parse().unwrap());
        }
        for (tag, known) in [("\"a\"", true), ("\"c\"", true), ("\"d\"", false)] {
            assert_eq!(is_known(&HeaderValue::from_static(tag), &headers), known, "{tag}");
        }
    }

    #[test]
    fn gzip_is_for_who_wants_it() {
        let takes = |lists: &[&str]| {
            let mut headers = HeaderMap::new();
            for list in lists {
                headers.append(ACCEPT_ENCODING, list.parse().unwrap());
            }
            takes_gzip(&headers)
        };
        for wanted in [
            "gzip",
            "GZIP",
            "x-gzip",
            "br, gzip",
            "gzip;q=0.5",
            "*",
            "br;q=1.0 , gzip ; q=0.001",
            "gzip, identity",
            "*;q=0.3, br",
        ] {
            assert!(takes(&[wanted]), "{wanted}");
        }
        for plain in [
            "",
            "br",
            "gzip;q=0",
            "gzip;q=0.000",
            "*;q=0",
            "gzip;q=0, *",
            "gzip;q=0.5, identity",
            "gzip;q=2",
            "gzip;q=x",
            "gzip;x=1",
            "gzip;q=NaN",
            "gzip;q=-1",
            "gzipped",
            "identity",
            "identity;q=0.5, gzip;q=0.4",
        ] {
            assert!(!takes(&[plain]), "{plain}");
        }
        assert!(takes(&["br", "gzip"]) && !takes(&[]));
    }

    #[test]
    fn the_tiers_are_named_from_the_origin_to_the_caller() {
        let hit = |tier, ttl_seconds| Step::Hit { tier, ttl_seconds, stale: ttl_seconds < 0 };
        let miss = |tier, collapsed| Step::Miss { tier, collapsed };
        for (steps, text) in [
            (vec![], "echoes-store; fwd=miss"),
            (vec![hit("l1", 4)], "echoes-l1; hit; ttl=4"),
            (vec![hit("l1", -12)], "echoes-l1; hit; ttl=-12; detail=stale"),
            (vec![hit("l2", 3_100), miss("l1", false)], "echoes-l2; hit; ttl=3100, echoes-l1; fwd=miss"),
            (
                vec![Step::Store, miss("l2", false), miss("l1", true)],
                "echoes-store; fwd=miss, echoes-l2; fwd=miss, echoes-l1; fwd=miss; collapsed",
            ),
        ] {
            assert_eq!(cache_status(&Trail(steps)).value().unwrap(), text);
        }
    }

    #[tokio::test]
    async fn a_body_of_two_parts_is_their_bytes_and_knows_its_length() {
        for (head, tail) in [("{\"echoes\":[1", "]}"), ("", "x"), ("x", ""), ("", "")] {
            let body = Parts([head.into(), tail.into()]);
            assert_eq!(body.size_hint().exact(), Some((head.len() + tail.len()) as u64));
            assert_eq!(body.is_end_stream(), head.is_empty() && tail.is_empty());
            assert_eq!(body.collect().await.unwrap().to_bytes(), format!("{head}{tail}"));
        }
    }
}
