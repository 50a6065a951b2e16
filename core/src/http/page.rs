//! Answers from the caches: bytes that are sent as they are kept, the tiers that were asked, and a gzip form for who takes one.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use echoes_shared::etag;
use echoes_shared::sigv4::verify::Headers;
use http::header::{
    ACCEPT_ENCODING, CACHE_STATUS, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderName, HeaderValue, StatusCode};
use hyper::body::{Frame, SizeHint};

use super::answer::JSON;
use super::header::SERVER_TIMING;
use super::provenance::{cache_status, timing};
use crate::service::{Cut, List, ReadEcho, Trail, weak_tag};

/// An answer from the caches, before it is put into words.
#[derive(Debug)]
pub(super) struct Page {
    content: Content,
    trail: Trail,
    /// Whether the caller has it already.
    is_known: bool,
    /// The compressed form, for who takes one.
    gzip: Option<Bytes>,
}

/// What a caller who has nothing is sent.
#[derive(Debug)]
enum Content {
    /// A page of a list, in one form or another.
    Cut(Arc<Cut>),
    /// What everybody gets in the same form.
    Whole { etag: HeaderValue, body: Bytes },
}

/// A page of a list.
pub(super) fn list(List { page, trail }: List, request: &impl Headers) -> Page {
    let is_known = is_known(&page.etag, request);
    let gzip = (!is_known && takes_gzip(request)).then(|| page.gzip()).flatten();
    Page { content: Content::Cut(page), trail, is_known, gzip }
}

/// Several lists in one body.
pub(super) fn lists(body: Vec<u8>, trail: Trail, request: &impl Headers) -> Page {
    whole(weak_tag(&[&body]), body.into(), trail, request)
}

/// One echo.
pub(super) fn echo(echo: ReadEcho, request: &impl Headers) -> Page {
    whole(echo.etag, echo.body, echo.trail, request)
}

fn whole(etag: HeaderValue, body: Bytes, trail: Trail, request: &impl Headers) -> Page {
    let is_known = is_known(&etag, request);
    Page { content: Content::Whole { etag, body }, trail, is_known, gzip: None }
}

impl Page {
    pub(super) fn status(&self) -> StatusCode {
        if self.is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK }
    }

    /// The body, in two slices that are sent one after the other without being joined. Either may be empty.
    pub(super) fn body(&self) -> [&Bytes; 2] {
        static NOTHING: Bytes = Bytes::new();
        match (&self.content, &self.gzip) {
            _ if self.is_known => [&NOTHING; 2],
            (_, Some(form)) => [form, &NOTHING],
            (Content::Cut(page), None) => [&page.head, &page.tail],
            (Content::Whole { body, .. }, None) => [body, &NOTHING],
        }
    }

    /// Its headers but those of every answer. It took so long.
    fn each_header(&self, took: Duration, mut put: impl FnMut(HeaderName, &[u8])) {
        if !self.is_known {
            put(CONTENT_TYPE, JSON.as_bytes());
        }
        if self.gzip.is_some() {
            put(CONTENT_ENCODING, b"gzip");
        }
        let (etag, varies) = match &self.content {
            Content::Cut(page) => (&page.etag, true),
            Content::Whole { etag, .. } => (etag, false),
        };
        put(ETAG, etag.as_bytes());
        put(CACHE_STATUS, cache_status(&self.trail).as_bytes());
        put(SERVER_TIMING, timing(&self.trail, took).as_bytes());
        if varies {
            put(VARY, b"accept-encoding");
        }
    }

    /// As a route answers it.
    pub(super) fn into_response(self, took: Duration) -> Response {
        let mut response = Response::new(Body::new(Parts(self.body().map(Bytes::clone))));
        *response.status_mut() = self.status();
        self.each_header(took, |name, value| {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                response.headers_mut().insert(name, value);
            }
        });
        response
    }

    /// The head as a connection sends it, with these headers besides, behind what is in `head`.
    pub(super) fn write_head(&self, took: Duration, besides: &[(&str, &str)], date: &str, head: &mut Vec<u8>) {
        let status = if self.is_known { "HTTP/1.1 304 Not Modified\r\n" } else { "HTTP/1.1 200 OK\r\n" };
        head.extend_from_slice(status.as_bytes());
        let mut put = |name: &str, value: &[u8]| {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                head.extend_from_slice(part);
            }
        };
        self.each_header(took, |name, value| put(name.as_str(), value));
        for (name, value) in besides {
            put(name, value.as_bytes());
        }
        if !self.is_known {
            let body_bytes = self.body().map(Bytes::len).iter().sum::<usize>();
            put(CONTENT_LENGTH.as_str(), itoa::Buffer::new().format(body_bytes).as_bytes());
        }
        put(DATE.as_str(), date.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
}

/// Whether the caller has what this tag names, by weak comparison.
pub(super) fn is_known(tag: &HeaderValue, request: &impl Headers) -> bool {
    // A list may come in several lines (RFC 9110, section 5.3).
    let mut known = request.lines(IF_NONE_MATCH.as_str());
    known.any(|known| tag.to_str().is_ok_and(|tag| etag::none_match(known, tag)))
}

/// Whether a gzip body is at least as welcome as a plain one (RFC 9110, section 12.5.3).
fn takes_gzip(request: &impl Headers) -> bool {
    let (mut gzip, mut plain, mut others) = (None, None, None);
    for part in request.lines(ACCEPT_ENCODING.as_str()).flat_map(|list| list.split(',')) {
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
    use http::HeaderMap;
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
