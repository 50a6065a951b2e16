//! The peers: nginx with `proxy_cache`, hyper alone, FastAPI with a dictionary before Redis.

use std::future::ready;
use std::process::Command;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::programs::{Program, SERVERS, free_port, pinned};

/// The argument that makes this program hyper alone.
pub const HYPER_ROLE: &str = "hyper";

/// nginx before `origin`: one worker, no log, its cache in memory.
pub fn nginx(origin: &str) -> (Program, String, tempfile::TempDir) {
    let files = tempfile::tempdir_in("/dev/shm").unwrap();
    let folder = files.path().to_str().unwrap();
    let port = free_port();
    // The name that was signed: what nginx is called is of no interest to the core.
    let core = origin.trim_start_matches("http://");
    let config = format!(
        "daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log warn;
         events {{ worker_connections 1024; }}
         http {{
           access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000;
           client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
           uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
           proxy_cache_path {folder}/cache keys_zone=feeds:10m inactive=1h use_temp_path=off;
           open_file_cache max=100 inactive=1h;
           server {{
             listen 127.0.0.1:{port};
             location / {{
               proxy_pass {origin}; proxy_set_header Host {core}; proxy_http_version 1.1;
               proxy_cache feeds; proxy_cache_key $request_uri; proxy_cache_valid 200 1h;
               proxy_ignore_headers Cache-Control Expires Vary;
             }}
           }}
         }}"
    );
    let path = files.path().join("nginx.conf");
    std::fs::write(&path, config).unwrap();
    let mut command = pinned(SERVERS, "nginx");
    command.arg("-c").arg(path).args(["-e", &format!("{folder}/error.log")]);
    (Program::start(command, port), format!("http://127.0.0.1:{port}"), files)
}

/// hyper with nothing to do: the same bytes to whatever comes, unsigned. What an HTTP server of the best kind costs by itself.
pub fn hyper(body: &[u8]) -> (Program, String, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, body).unwrap();
    let port = free_port();
    let mut command = pinned(SERVERS, std::env::current_exe().unwrap());
    command.args([HYPER_ROLE, &port.to_string()]).arg(file.path());
    (Program::start(command, port), format!("http://127.0.0.1:{port}{}", crate::served::PATH), file)
}

/// Serves what is in `file` on `port` until the process is killed.
pub async fn serve_hyper(port: u16, file: &str) {
    let body = Bytes::from(std::fs::read(file).unwrap());
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let body = body.clone();
        let service = hyper::service::service_fn(move |_| {
            let answer = hyper::Response::builder().header("content-type", "application/json");
            ready(answer.body(Full::new(body.clone())))
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// A service in Python as one would write it: a dictionary, then Redis. None where `ECHOES_PYTHON` has no FastAPI.
#[expect(clippy::disallowed_methods, reason = "where `make bench-cache` has installed FastAPI")]
pub fn fastapi(body: &[u8]) -> Option<((Program, Program), String)> {
    let python = std::env::var_os("ECHOES_PYTHON")?;
    let installed = Command::new(&python).args(["-c", "import fastapi, uvicorn, redis"]).status();
    if !installed.is_ok_and(|status| status.success()) {
        println!("FastAPI is left out: ECHOES_PYTHON names no Python that has it; `make bench-cache` sets it");
        return None;
    }
    let (redis, redis_port) = Program::redis(crate::programs::LOAD);
    let filled = Command::new("redis-cli")
        .args(["-p", &redis_port.to_string(), "set", "feed:happy:20", std::str::from_utf8(body).unwrap()])
        .output()
        .unwrap();
    assert!(filled.status.success(), "{filled:?}");
    let port = free_port();
    let mut command = pinned(SERVERS, python);
    command.args(["-m", "uvicorn", "peer:app", "--host", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--no-access-log", "--log-level", "warning"]);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/cache"));
    command.env("REDIS_PORT", redis_port.to_string());
    Some((
        (Program::start(command, port), redis),
        format!("http://127.0.0.1:{port}/v1/emotions/happy/echoes?limit=20"),
    ))
}

/// The body that a GET is answered with, in the size in which it is sent.
pub async fn fetch(url: &str, headers: &[(String, String)]) -> Vec<u8> {
    let client = Client::builder(TokioExecutor::new()).set_host(false).build_http::<Full<Bytes>>();
    let mut request = hyper::Request::get(url);
    if !headers.iter().any(|(name, _)| name == "host") {
        request = request.header("host", url.parse::<hyper::Uri>().unwrap().authority().unwrap().as_str());
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = client.request(request.body(Full::default()).unwrap()).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(status.is_success(), "{url}: {status} {}", String::from_utf8_lossy(&body));
    body.into()
}
