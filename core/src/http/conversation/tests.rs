//! Kept connections: whatever comes on one, in whatever pieces, is answered once and in order, by memory or by a route.

#[path = "../../../tests/shared/memory.rs"]
mod memory;

use echoes_shared::{Emotion, wire};
use httparse::EMPTY_HEADER;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;
use crate::cache::{Key, Loaded};
use crate::metrics::Metrics;
use crate::samples::echo;
use memory::{REQUEST_ID, request};

const FEED: &str = "/v1/emotions/happy/echoes?limit=2";
/// A core whose memory holds a feed of three, and one echo of that.
async fn core() -> (Api, Metrics) {
    let echoes: Vec<_> = (0..3).map(|n| echo("ana", 3 - n)).collect();
    let one = (Key::Echo(echoes[0].echo_id), Loaded::Echo(Box::new(echoes[0].clone())));
    let feed = (Key::Feed(Emotion::Happy), Loaded::Head { echoes, next: None });
    memory::core([one, feed]).await
}

/// A connection to `api`, narrow, so that what is written has to wait for its reader.
fn connect(api: &Api) -> (DuplexStream, watch::Sender<bool>, JoinHandle<io::Result<()>>) {
    connect_through(100, api)
}

fn connect_through(bytes: usize, api: &Api) -> (DuplexStream, watch::Sender<bool>, JoinHandle<io::Result<()>>) {
    let (here, there) = duplex(bytes);
    let (stop, stopped) = watch::channel(false);
    let api = api.clone();
    (here, stop, tokio::spawn(async move { hold(there, &api, stopped).await }))
}

fn get(target: &str) -> String {
    request("GET", target, &[], "")
}

/// An answer: its status, its headers but for those that tell the time, sorted, and its body.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }
}

/// The next answer on a connection, none at its end; `left` is what has been read of those after it.
async fn answer(stream: &mut (impl AsyncRead + Unpin), left: &mut Vec<u8>, to_head: bool) -> Option<Answer> {
    loop {
        if let Some((answer, bytes)) = parse(left, to_head) {
            left.drain(..bytes);
            return Some(answer);
        }
        if stream.read_buf(left).await.unwrap() == 0 {
            assert!(left.is_empty(), "{}", String::from_utf8_lossy(left));
            return None;
        }
    }
}

/// The answer that `bytes` begins with, if it is all there, and its length.
fn parse(bytes: &[u8], to_head: bool) -> Option<(Answer, usize)> {
    let mut headers = [EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let Status::Complete(head_bytes) = response.parse(bytes).unwrap() else { return None };
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let mut headers: Vec<_> = response.headers.iter().map(|line| (line.name.to_owned(), text(line.value))).collect();
    assert_eq!(headers.iter().filter(|(name, _)| name == "date").count(), 1, "{headers:?}");
    headers.retain(|(name, _)| !["date", "server-timing"].contains(&&**name));
    // What is left of a value passes with the time.
    for (_, value) in headers.iter_mut().filter(|(name, _)| name == "cache-status") {
        value.truncate(value.find("ttl=").map_or(value.len(), |at| at + 4));
    }
    headers.sort();
    let mut answer = Answer { status: response.code.unwrap(), headers, body: Vec::new() };
    let length = answer.header("content-length").filter(|_| !to_head);
    let end = head_bytes + length.map_or(0, |length| length.parse::<usize>().unwrap());
    answer.body = bytes.get(head_bytes..end)?.to_vec();
    Some((answer, end))
}

/// What is answered to the requests in `bytes`, which arrive in `pieces` on one connection and are of these methods.
async fn answers(api: &Api, methods: &[&str], pieces: &[&[u8]]) -> Vec<Answer> {
    let (stream, _stop, held) = connect(api);
    let (mut reading, mut writing) = tokio::io::split(stream);
    let sent = async {
        for piece in pieces {
            writing.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let read = async {
        let (mut left, mut answers) = (Vec::new(), Vec::new());
        for method in methods {
            answers.push(answer(&mut reading, &mut left, *method == "HEAD").await.unwrap());
        }
        assert!(left.is_empty(), "{}", String::from_utf8_lossy(&left));
        answers
    };
    let ((), answers) = tokio::join!(sent, read);
    drop((reading, writing));
    // A caller who goes away is no fault.
    drop(held.await.unwrap());
    answers
}

/// One of each kind, with the method of each: what memory answers, what a route answers, with a body and without.
fn requests() -> Vec<(&'static str, String)> {
    let one = format!("/v1/echoes/{}", echo("ana", 3).echo_id);
    let nothing_fits = ["if-none-match: *"];
    vec![
        ("GET", get(FEED)),
        ("GET", get(&one)),
        ("GET", request("GET", FEED, &nothing_fits, "")),
        ("GET", request("GET", FEED, &["accept-encoding: gzip", "connection: Keep-Alive"], "")),
        ("HEAD", request("HEAD", FEED, &[], "")),
        ("GET", get("/v1/nothing")),
        ("GET", get("/v1/emotions/happy/echoes?limit=0")),
        ("GET", request("GET", FEED, &["x-amz-unsigned: 1"], "")),
        // What looks like a request in a body is none.
        ("POST", request("POST", "/v1/echoes", &[], &get(FEED))),
        (
            "POST",
            request("POST", "/v1/nothing", &["transfer-encoding: chunked"], "").replace("content-length: 0\r\n", "")
                + "0\r\n\r\n",
        ),
        ("OPTIONS", request("OPTIONS", FEED, &[], "")),
    ]
}

/// The answer to each of these on a connection of its own.
async fn alone(api: &Api, requests: &[(&'static str, String)]) -> Vec<Answer> {
    let mut alone = Vec::new();
    for (method, request) in requests {
        alone.extend(answers(api, &[method], &[request.as_bytes()]).await);
    }
    alone
}

#[tokio::test]
async fn memory_answers_in_the_very_words_of_a_route() {
    let (api, metrics) = core().await;
    let by_routes = Api { express: None, ..api.clone() };
    for (method, request) in requests() {
        let [express] = <[_; 1]>::try_from(answers(&api, &[method], &[request.as_bytes()]).await).unwrap();
        let [ordinary] = <[_; 1]>::try_from(answers(&by_routes, &[method], &[request.as_bytes()]).await).unwrap();
        assert_eq!(express, ordinary, "{request}");
    }
    let (_, text) = metrics.text().unwrap();
    let text = String::from_utf8(text).unwrap();
    // Both ways count alike.
    let feed = wire::pattern::FEED;
    assert!(text.contains(&format!("echoes_http_requests_total{{route=\"{feed}\",status=\"200\"}} 6")), "{text}");
}

#[tokio::test]
async fn what_is_usual_is_answered_by_memory_and_says_so() {
    let (api, _) = core().await;
    let express = Api { routes: axum::Router::new(), ..api };
    let one = format!("/v1/echoes/{}", echo("ana", 3).echo_id);
    for (request, status) in [
        (get(FEED), 200),
        (get("/v1/emotions/happy/echoes"), 200),
        (get(&one), 200),
        (request("GET", FEED, &["if-none-match: *"], ""), 304),
        (request("GET", FEED, &["connection: keep-alive"], ""), 200),
        // All of these are for the routes, of which there are none here.
        (request("GET", FEED, &["connection: close"], ""), 404),
        (request("GET", FEED, &[], "{}"), 404),
        (request("GET", FEED, &["expect: 100-continue"], ""), 404),
        (get(FEED).replace("HTTP/1.1", "HTTP/1.0"), 404),
        (get(FEED).replace("?", "?<=1&"), 400),
        (get(FEED).replace("Signature=", "Signature=0"), 404),
        (get(FEED).replace(REQUEST_ID, "request-8"), 404),
        (get("/v1/emotions/sad/echoes"), 404),
    ] {
        let answered = answers(&express, &["GET"], &[request.as_bytes()]).await;
        assert_eq!(answered[0].status, status, "{request}");
        let known = answered[0].header("cache-status").is_some_and(|tiers| tiers.starts_with("echoes-l1; hit; ttl="));
        assert_eq!(known, status < 400, "{answered:?}");
    }
}

#[tokio::test]
async fn requests_are_answered_in_order_however_they_are_cut() {
    let (api, _) = core().await;
    let requests = requests();
    let expected = alone(&api, &requests).await;
    let mut random = ChaCha12Rng::seed_from_u64(7);
    for _ in 0..60 {
        let order: Vec<usize> = (0..12).map(|_| random.random_range(0..requests.len())).collect();
        let bytes: String = order.iter().map(|&at| &*requests[at].1).collect();
        let methods: Vec<_> = order.iter().map(|&at| requests[at].0).collect();
        let mut rest = bytes.as_bytes();
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            // Whole, in pieces of a packet, or byte by byte in places.
            let most = *[1, 7, 300, 2_000, 20_000].get(random.random_range(0..5)).unwrap();
            let (piece, behind) = rest.split_at(random.random_range(1..=most).min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        let answered = answers(&api, &methods, &pieces).await;
        for (at, answer) in order.into_iter().zip(&answered) {
            assert_eq!(*answer, expected[at], "{}", requests[at].1);
        }
    }
}

#[tokio::test]
async fn a_head_may_come_byte_by_byte() {
    let (api, _) = core().await;
    let two = [get(FEED), get("/v1/nothing"), get(FEED)].concat();
    let pieces: Vec<_> = two.as_bytes().chunks(1).collect();
    let statuses: Vec<_> = answers(&api, &["GET"; 3], &pieces).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 404, 200]);
}

#[tokio::test]
async fn what_is_no_head_or_too_long_a_one_ends_the_connection_with_a_word() {
    let (api, _) = core().await;
    let long = format!("GET {FEED} HTTP/1.1\r\nx: {}", "x".repeat(1 << 20));
    for (bytes, status) in [("NONSENSE\r\n\r\n", 400), ("GET / HTTP/9.9\r\n\r\n", 400), (&*long, 431)] {
        let (stream, _stop, held) = connect(&api);
        let (mut reading, mut writing) = tokio::io::split(stream);
        let (sent, read) = tokio::join!(writing.write_all(bytes.as_bytes()), async {
            let mut left = Vec::new();
            let first = answer(&mut reading, &mut left, false).await.unwrap();
            assert_eq!(answer(&mut reading, &mut left, false).await, None);
            first.status
        });
        // It may be closed before all has been taken.
        drop(sent);
        assert_eq!(read, status);
        assert!(held.await.unwrap().is_err());
    }
}

/// What is wrong in a head is found by hyper after it has taken the head; what it says of that must be out before anything else is
/// done with the connection, and what follows is nobody's request.
#[tokio::test]
async fn behind_what_is_no_request_nothing_is_answered() {
    let (api, _) = core().await;
    for wrong in ["content-length: x", "transfer-encoding: gzip", "content-length: 1\r\ncontent-length: 2"] {
        let bytes = format!("{}GET / HTTP/1.1\r\n{wrong}\r\n\r\n{}", get("/v1/nothing"), get(FEED).repeat(3));
        let (stream, _stop, held) = connect(&api);
        let (mut reading, mut writing) = tokio::io::split(stream);
        let read = async {
            let (mut left, mut statuses) = (Vec::new(), Vec::new());
            while let Some(answer) = answer(&mut reading, &mut left, false).await {
                statuses.push(answer.status);
            }
            statuses
        };
        let (sent, statuses) = tokio::join!(writing.write_all(bytes.as_bytes()), read);
        // It may be closed before all has been taken.
        drop(sent);
        assert_eq!(statuses, [404, 400], "{wrong}");
        assert!(held.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn who_asks_for_the_end_is_sent_all_of_the_answer_first() {
    let (api, _) = core().await;
    let expected = answers(&api, &["GET"], &[get(FEED).as_bytes()]).await;
    for last in [request("GET", FEED, &["connection: close"], ""), get(FEED).replace("HTTP/1.1", "HTTP/1.0")] {
        let (mut stream, _stop, held) = connect(&api);
        stream.write_all(last.as_bytes()).await.unwrap();
        let mut left = Vec::new();
        let answered = answer(&mut stream, &mut left, false).await.unwrap();
        assert!(answered.body == expected[0].body && answered.status == 200, "{answered:?}");
        assert_eq!(answer(&mut stream, &mut left, false).await, None);
        held.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_stop_ends_what_is_idle_at_once_and_what_has_begun_after_its_answer() {
    let (api, _) = core().await;
    // Idle from the start, after an answer of memory's, of a route's, and after a request with a body, which hyper keeps.
    let post = request("POST", "/v1/echoes", &[], "{}");
    for before in ["", &get(FEED), &get("/v1/nothing"), &post] {
        let (mut stream, stop, held) = connect(&api);
        stream.write_all(before.as_bytes()).await.unwrap();
        let mut left = Vec::new();
        if !before.is_empty() {
            answer(&mut stream, &mut left, false).await.unwrap();
        }
        stop.send_replace(true);
        assert_eq!(answer(&mut stream, &mut left, false).await, None);
        held.await.unwrap().unwrap();
    }
    // The answer does not fit into the pipe, so it waits for its reader.
    for request in [get(FEED), get("/v1/nothing")] {
        let (mut stream, stop, held) = connect(&api);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut left = vec![];
        stream.read_buf(&mut left).await.unwrap();
        stop.send_replace(true);
        assert!(answer(&mut stream, &mut left, false).await.is_some());
        assert_eq!(answer(&mut stream, &mut left, false).await, None);
        held.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_stop_ends_the_connection_of_who_never_pauses_and_says_so() {
    let (api, _) = core().await;
    // The next requests are always there.
    let (stream, stop, held) = connect_through(16 * 1_024, &api);
    let (mut reading, mut writing) = tokio::io::split(stream);
    let asking = tokio::spawn(async move { while writing.write_all(get(FEED).as_bytes()).await.is_ok() {} });
    let (mut left, mut lasts) = (Vec::new(), Vec::new());
    while let Some(answer) = answer(&mut reading, &mut left, false).await {
        lasts.push(answer.header("connection") == Some("close"));
        stop.send_replace(lasts.len() > 2);
    }
    assert!(lasts.len() < 200 && lasts.iter().rev().copied().eq((0..lasts.len()).map(|n| n == 0)), "{lasts:?}");
    held.await.unwrap().unwrap();
    asking.await.unwrap();
}
