//! A cached feed of twenty, signed and verified, beside nginx and FastAPI with the same bytes; and what a hit allocates.

use std::io::{Read as _, Write as _};

use echoes_core::http;
use echoes_shared::Region;
use echoes_shared::sigv4::keys::EdgeKey;
use echoes_shared::sigv4::sign::{Call, signature_headers};
use stats_alloc::Region as Allocations;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::engine::Engine;
use crate::programs::{Program, SERVERS, free_port, pinned};
use crate::wrk::Figures;
use crate::{ALLOCATOR, load, peers, report, wrk};

const KEY_ID: &str = "EDGE1";
const SECRET: &str = "a-secret-of-the-benchmark";
pub const PATH: &str = "/v1/emotions/happy/echoes?limit=20";
/// Repetitions that allocations are averaged over.
const HITS: usize = 2_000;

pub async fn compare() {
    report::title("a cached feed of 20: requests a second of one processor, keep-alive");
    let engine = Engine::start();
    engine.store().await;
    load::bare_batches(&engine.client(), "EchoesTable", &load::samples("feed", 600)).await;

    let port = free_port();
    let core = format!("http://127.0.0.1:{port}");
    let program = Program::start(core_command(&engine.endpoint, port), port);
    let (headers, body) = feed(&core).await;
    println!("{} bytes an answer", body.len());
    let ours = wrk::load(&program, &format!("{core}{PATH}"), &headers);

    let (program, nginx, _files) = peers::nginx(&core);
    assert_eq!(peers::fetch(&format!("{nginx}{PATH}"), &headers).await, body, "nginx answers other bytes");
    let theirs = wrk::load(&program, &format!("{nginx}{PATH}"), &headers);
    print("nginx proxy_cache", ours, theirs, ">= 1.0, then 1.3");

    let (program, hyper, _file) = peers::hyper(&body);
    assert_eq!(peers::fetch(&hyper, &[]).await, body, "hyper answers other bytes");
    let theirs = wrk::load(&program, &hyper, &headers);
    print("hyper alone, which does nothing else", ours, theirs, "as near to 1 as may be");

    if let Some(((program, _redis), fastapi)) = peers::fastapi(&body) {
        assert_eq!(peers::fetch(&fastapi, &[]).await, body, "FastAPI answers other bytes");
        let theirs = wrk::load(&program, &fastapi, &[]);
        print("FastAPI with L1 and Redis", ours, theirs, ">= 10");
    }
    allocations(&engine, body.len()).await;
}

fn print(peer: &str, ours: Figures, theirs: Figures, goal: &str) {
    report::ratio(&format!("the core, beside {peer}"), ours.rate, theirs.rate, "a second", goal);
    // How many requests one whole processor would serve.
    let of_one = |figures: Figures| 1e6 / figures.cpu_micros;
    report::ratio("the same by processor time", of_one(ours), of_one(theirs), "a second", goal);
}

fn core_command(dynamodb: &str, port: u16) -> std::process::Command {
    let mut command = pinned(SERVERS, env!("CARGO_BIN_EXE_echoes"));
    command.arg("serve").envs(environment(dynamodb, port));
    command
}

fn environment(dynamodb: &str, port: u16) -> Vec<(&'static str, String)> {
    vec![
        ("ECHOES_REGION", "eu-west-1".into()),
        ("ECHOES_LISTEN", format!("127.0.0.1:{port}")),
        ("ECHOES_EDGE_KEYS", format!("{KEY_ID}:{SECRET}")),
        ("ECHOES_CURSOR_KEYS", "k1:a-secret-of-sixteen-or-more".into()),
        ("ECHOES_AUDIO_BUCKET", "echoes-audio".into()),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.into()),
        ("AWS_ACCESS_KEY_ID", "test".into()),
        ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
    ]
}

/// The signed headers of a read, and the body that they get once it is cached.
async fn feed(core: &str) -> (Vec<(String, String)>, Vec<u8>) {
    let url = format!("{core}{PATH}");
    let headers = signed(&url);
    let mut body = peers::fetch(&url, &headers).await;
    for _ in 0..3 {
        body = peers::fetch(&url, &headers).await;
    }
    (headers, body)
}

fn signed(url: &str) -> Vec<(String, String)> {
    let key = EdgeKey::new(KEY_ID, SECRET).unwrap();
    let request_id = ("x-echoes-request-id", "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20");
    let call = Call { method: "GET", url, headers: &[request_id], body: b"" };
    let signature = signature_headers(call, &key, Region::EuWest1, echoes_core::clock::now()).unwrap();
    let own = [(request_id.0.to_owned(), request_id.1.to_owned())];
    signature.into_iter().chain(own).collect()
}

/// What one hit allocates, from the bytes of the request to those of the answer. The core is in this process, and its caller keeps
/// its buffers.
async fn allocations(engine: &Engine, body_bytes: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_stop, stopped) = watch::channel(false);
    let api = peers::api(engine, &format!("{KEY_ID}:{SECRET}")).await;
    tokio::spawn(http::serve(listener, api, 8, stopped));
    let mut request = format!("GET {PATH} HTTP/1.1\r\nhost: {address}\r\n");
    for (name, value) in signed(&format!("http://{address}{PATH}")) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let counted = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let mut answer = vec![0; 2 * body_bytes];
        let mut hit = || {
            stream.write_all(request.as_bytes()).unwrap();
            let mut read = 0;
            // The head of an answer is shorter than a kilobyte.
            while read < body_bytes || !answer[..read].ends_with(b"}") {
                let more = stream.read(&mut answer[read..]).unwrap();
                assert!(more > 0, "{}", String::from_utf8_lossy(&answer[..read]));
                read += more;
            }
            assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        };
        // The first is a load.
        (0..10).for_each(|_| hit());
        let region = Allocations::new(ALLOCATOR);
        (0..HITS).for_each(|_| hit());
        region.change()
    });
    let change = counted.await.unwrap();
    println!(
        "one hit allocates {:.1} blocks, {:.0} bytes in all, beside a body of {body_bytes}; goal: nothing of the body",
        change.allocations as f64 / HITS as f64,
        change.bytes_allocated as f64 / HITS as f64
    );
}
