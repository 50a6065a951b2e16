//! A batch and several timelines as the edge gets them: signed calls to a core that listens.

use std::sync::Arc;

use echoes_core::http::{self, Context};
use echoes_core::metrics::Metrics;
use echoes_shared::sigv4::keys::{EdgeKey, EdgeKeys};
use echoes_shared::sigv4::sign::{Call, signature_headers};
use echoes_shared::sigv4::verify::Verifier;
use echoes_shared::wire::{CORE_FALLBACK, CORE_REQUEST_ID, CORE_USER};
use echoes_shared::{IdempotencyKey, Region, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::engine::Engine;

const REQUEST_ID: &str = "request-7";

pub async fn all(engine: &Engine) {
    engine.store("wire").await;
    let (_running, home) = serve(engine, Region::EuWest1).await;
    let (_running, other) = serve(engine, Region::UsWest2).await;
    results_are_the_contracts(&home, &other).await;
    timelines_are_the_contracts(&home).await;
    pages_are_the_contracts(&home).await;
}

async fn serve(engine: &Engine, region: Region) -> (watch::Sender<bool>, Core) {
    let keys = EdgeKeys::parse("EDGE1:secret-of-the-edge").unwrap();
    let context = Context {
        service: Arc::new(engine.service_of("wire", region)),
        verifier: Verifier::new(keys, region),
        permits: Arc::new(Semaphore::new(8)),
        metrics: Metrics::new().unwrap(),
        region,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(http::serve(listener, http::api(Arc::new(context)), 8, stopped));
    (stop, Core { address, region })
}

struct Core {
    address: String,
    region: Region,
}

impl Core {
    /// The status, the head and the body of the answer, which is JSON.
    async fn call(&self, method: &str, target: &str, fallback: bool, body: &str) -> (u16, String, Value) {
        let (status, head, body) = self.call_with(method, target, &[], fallback, body).await;
        (status, head, serde_json::from_slice(&body).unwrap())
    }

    /// The same with more headers, and any body.
    async fn call_with(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        fallback: bool,
        body: &str,
    ) -> (u16, String, Vec<u8>) {
        let url = format!("http://{}{target}", self.address);
        let mut own = vec![(CORE_REQUEST_ID, REQUEST_ID), (CORE_USER, "ana")];
        own.extend(fallback.then_some((CORE_FALLBACK, "1")));
        let key = EdgeKey::new("EDGE1", "secret-of-the-edge").unwrap();
        let call = Call { method, url: &url, headers: &own, body: body.as_bytes() };
        let signature = signature_headers(call, &key, self.region, now()).unwrap();
        let mut text = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", self.address);
        let signature = signature.iter().map(|(name, value)| (&**name, &**value));
        for (name, value) in own.into_iter().chain(signature).chain(headers.iter().copied()) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = body.len();
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {length}\r\n"));
        text.push_str(&format!("connection: close\r\n\r\n{body}"));
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), answer[end + 4..].to_vec())
    }

    async fn batch(&self, operations: &[Value], fallback: bool) -> Value {
        let body = json!({ "operations": operations }).to_string();
        let (status, head, body) = self.call("POST", "/v1/echoes/batch", fallback, &body).await;
        assert_eq!(status, 200, "{body}");
        assert!(head.contains("cache-control: no-store") && head.contains("server-timing: dynamodb;dur="), "{head}");
        body["results"].clone()
    }
}

fn now() -> Timestamp {
    echoes_core::clock::now()
}

async fn results_are_the_contracts(home: &Core, other: &Core) {
    let key = IdempotencyKey::mint(now(), &[1; 10]);
    let create = json!({ "op": "create", "key": key.to_string(), "echo": { "emotion": "calm" } });
    let results = home.batch(&[create.clone(), json!({ "op": "delete" })], false).await;
    let echo = &results[0]["echo"];
    assert_eq!(results[0], json!({ "status": 201, "echo": echo }));
    assert_eq!((&echo["emotion"], &echo["userId"]), (&json!("calm"), &json!("ana")));
    let problem = json!({
        "type": "https://echoes.dev/problems/invalid-request", "title": "The request is not valid", "status": 400,
        "detail": "operations[1].echoId: is required", "instance": REQUEST_ID,
        "errors": [{ "field": "operations[1].echoId", "detail": "is required" }],
    });
    assert_eq!(results[1], json!({ "status": 400, "problem": problem }));

    let delete = json!({ "op": "delete", "echoId": echo["echoId"] });
    let keyless = json!({ "op": "create", "echo": { "emotion": "sad" } });
    let results = other.batch(&[delete.clone(), keyless, create.clone()], false).await;
    let elsewhere = json!({ "status": 421, "home": "eu-west-1" });
    assert_eq!((&results[0], &results[1]["status"], &results[2]), (&elsewhere, &json!(201), &elsewhere));
    assert_eq!(other.batch(&[delete], true).await, json!([{ "status": 204 }]));
    assert_eq!(home.batch(&[create], false).await[0]["problem"]["status"], 409);

    let (status, _, problem) = home.call("POST", "/v1/echoes/batch", false, "{}").await;
    assert_eq!((status, &problem["errors"][0]["field"]), (400, &json!("operations")));
}

async fn timelines_are_the_contracts(home: &Core) {
    let create = json!({ "op": "create", "echo": { "emotion": "calm" } });
    home.batch(&[create.clone(), create], false).await;
    let (status, head, body) = home.call("GET", "/v1/timelines?limit=1&users=a%7Cb%2Cana", false, "").await;
    assert_eq!((status, &body["failed"]), (200, &json!([])), "{body}");
    assert!(head.contains("etag: w/\"") && head.contains("cache-status: echoes-store; fwd=miss"), "{head}");
    let ana = &body["timelines"][1];
    let expected = json!([
        { "userId": "a|b", "echoes": [] },
        { "userId": "ana", "echoes": ana["echoes"], "nextCursor": ana["nextCursor"] },
    ]);
    assert_eq!(body["timelines"], expected);
    assert_eq!(ana["echoes"].as_array().map(Vec::len), Some(1));
    let cursor = ana["nextCursor"].as_str().unwrap();
    let (status, _, rest) = home.call("GET", &format!("/v1/users/ana/echoes?cursor={cursor}"), false, "").await;
    assert_eq!(status, 200, "{rest}");
    assert!(!rest["echoes"].as_array().unwrap().contains(&ana["echoes"][0]), "{rest}");
    let names: Vec<_> = (0..50).map(|nth| format!("{nth:|>128}").replace('|', "%7C")).collect();
    // A debug build on a busy machine may be late with all of them, but not to take them for too many.
    let (status, _, body) =
        home.call("GET", &format!("/v1/timelines?limit=1&users={}", names.join("%2C")), false, "").await;
    assert!([200, 503].contains(&status), "{body}");
    let (status, _, problem) = home.call("GET", "/v1/timelines", false, "").await;
    assert_eq!((status, &problem["errors"][0]["field"]), (400, &json!("users")));
}

async fn pages_are_the_contracts(home: &Core) {
    const FEED: &str = "/v1/emotions/calm/echoes?limit=3";
    let create = json!({ "op": "create", "echo": { "emotion": "calm", "transcript": "x".repeat(500) } });
    home.batch(&[create.clone(), create.clone(), create], false).await;
    let (status, head, plain) = home.call_with("GET", FEED, &[], false, "").await;
    let has = |head: &str, line: &str| assert!(head.contains(line), "{line}: {head}");
    assert_eq!((status, plain.len() > 1_024), (200, true));
    for line in ["cache-status: echoes-", "server-timing: ", "etag: w/\"", "vary: accept-encoding", "json\r\n"] {
        has(&head, line);
    }
    has(&head, &format!("\r\ncontent-length: {}", plain.len()));
    assert!(!head.contains("content-encoding"), "{head}");
    let body: Value = serde_json::from_slice(&plain).unwrap();
    assert_eq!(body["echoes"].as_array().map(Vec::len), Some(3));

    let (status, head, short) = home.call_with("GET", FEED, &[("accept-encoding", "br, gzip")], false, "").await;
    has(&head, "\r\ncontent-encoding: gzip");
    has(&head, &format!("\r\ncontent-length: {}", short.len()));
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&short[..]), &mut unpacked).unwrap();
    assert!(status == 200 && unpacked == plain && short.len() < plain.len() / 2);

    let (status, head, nothing) = home.call_with("HEAD", FEED, &[], false, "").await;
    has(&head, &format!("\r\ncontent-length: {}", plain.len()));
    assert_eq!((status, nothing.len()), (200, 0));
    let (_, from) = head.split_once("etag: ").unwrap();
    let tag = from.lines().next().unwrap();
    let (status, head, nothing) = home.call_with("GET", FEED, &[("if-none-match", tag)], false, "").await;
    for line in [tag, "vary: accept-encoding", "cache-status: echoes-"] {
        has(&head, line);
    }
    assert_eq!((status, nothing.len()), (304, 0));

    let cursor = body["nextCursor"].as_str().unwrap();
    let (status, head, rest) = home.call("GET", &format!("{FEED}&cursor={cursor}"), false, "").await;
    has(&head, "cache-status: echoes-store; fwd=miss\r\n");
    assert!(status == 200 && !rest["echoes"].as_array().unwrap().is_empty());

    let one = format!("/v1/echoes/{}", body["echoes"][0]["echoId"].as_str().unwrap());
    let (status, head, echo) = home.call("GET", &one, false, "").await;
    has(&head, "etag: \"1\"");
    has(&head, "cache-status: echoes-");
    assert_eq!((status, &echo), (200, &body["echoes"][0]));
    let (status, _, problem) = home.call("GET", "/v1/echoes/019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20", false, "").await;
    assert_eq!((status, &problem["status"]), (404, &json!(404)));
}
