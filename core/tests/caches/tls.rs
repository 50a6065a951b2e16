//! A Redis that speaks TLS alone, as the managed ones do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::process::Command;

use crate::caller::Caller;
use crate::region::Region;
use crate::servers::Server;

/// A core connects, and what it loads counts in Redis, within seconds.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_behind_tls_is_a_tier_like_any_other() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("certificate.pem"), cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
    let files = Arc::clone(&folder);
    let redis = Server::start("redis", move |port| {
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--tls-port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--tls-cert-file", "certificate.pem", "--tls-key-file", "key.pem", "--tls-auth-clients", "no"]);
        command.current_dir(files.path());
        command
    })
    .await;
    let region = Region::new().await;
    let core = Server::start("core", {
        let (url, certificate) =
            (format!("rediss://localhost:{}", redis.port), folder.path().join("certificate.pem"));
        move |port| {
            let mut command = region.program(&["serve"]);
            command
                .env("ECHOES_LISTEN", format!("127.0.0.1:{port}"))
                .env("ECHOES_REDIS_URL", &url)
                .env("ECHOES_CACHE_MEMORY_BYTES", "0")
                .env("SSL_CERT_FILE", &certificate);
            command
        }
    })
    .await;
    let caller = Caller::new();
    let until = Instant::now() + SOON;
    loop {
        let answer = caller.get(core.port, "/v1/emotions/sad/echoes").await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.cache_status.starts_with("echoes-l2; hit") {
            return;
        }
        assert!(Instant::now() < until, "{}", answer.cache_status);
        // The core connects beside serving, and says so to nobody but its log.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
