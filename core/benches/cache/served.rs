//! A cached feed of twenty, signed and verified, beside nginx and FastAPI with the same bytes.

use echoes_shared::Region;
use echoes_shared::sigv4::keys::EdgeKey;
use echoes_shared::sigv4::sign::{Call, signature_headers};

use crate::engine::Engine;
use crate::programs::{Program, SERVERS, free_port, pinned};
use crate::wrk::Figures;
use crate::{load, peers, report, wrk};

const KEY_ID: &str = "EDGE1";
const SECRET: &str = "a-secret-of-the-benchmark";
pub const PATH: &str = "/v1/emotions/happy/echoes?limit=20";

/// How often each is loaded, in turn: what else the machine does meets all.
const ROUNDS: usize = 5;

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
    let mut ours = Server::new("the core", &program, format!("{core}{PATH}"), &headers);

    let (nginx, nginx_url, _files) = peers::nginx(&core);
    let (hyper, hyper_url, _file) = peers::hyper(&body);
    let fastapi = peers::fastapi(&body);
    let mut peers = vec![
        (Server::new("nginx proxy_cache", &nginx, format!("{nginx_url}{PATH}"), &headers), ">= 1.0, then 1.3"),
        (Server::new("hyper alone, which does nothing else", &hyper, hyper_url, &headers), "as near to 1 as may be"),
    ];
    if let Some(((program, _redis), url)) = &fastapi {
        peers.push((Server::new("FastAPI with L1 and Redis", program, url.clone(), &[]), ">= 10"));
    }
    for (peer, _) in &peers {
        assert_eq!(peers::fetch(&peer.url, peer.headers).await, body, "{} answers other bytes", peer.name);
    }
    for _ in 0..ROUNDS {
        ours.load();
        peers.iter_mut().for_each(|(peer, _)| peer.load());
    }
    for (peer, goal) in &peers {
        let row = format!("{}, beside {}", ours.name, peer.name);
        report::ratio(&row, ours.median(|of| of.rate), peer.median(|of| of.rate), "a second", goal);
        // How many requests one whole processor would serve.
        let of_one = |server: &Server<'_>| 1e6 / server.median(|of| of.cpu_micros);
        report::ratio("the same by processor time", of_one(&ours), of_one(peer), "a second", goal);
    }
}

/// One that is measured.
struct Server<'a> {
    name: &'static str,
    program: &'a Program,
    url: String,
    headers: &'a [(String, String)],
    figures: Vec<Figures>,
}

impl<'a> Server<'a> {
    fn new(name: &'static str, program: &'a Program, url: String, headers: &'a [(String, String)]) -> Self {
        Self { name, program, url, headers, figures: Vec::with_capacity(ROUNDS) }
    }

    fn load(&mut self) {
        self.figures.push(wrk::load(self.program, &self.url, self.headers));
    }

    fn median(&self, of: impl Fn(&Figures) -> f64) -> f64 {
        report::median(self.figures.iter().map(of).collect())
    }
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
