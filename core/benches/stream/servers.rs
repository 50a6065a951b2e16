//! The servers that both sides' sinks write to.

use std::process::Command;

use crate::programs::{LOAD, Program};

/// A real OpenSearch and a real Redis.
pub struct Servers {
    _opensearch: Program,
    _redis: Program,
    _folder: tempfile::TempDir,
    /// Where the OpenSearch is.
    pub opensearch: String,
    /// Where the Redis listens.
    pub redis_port: u16,
}

impl Servers {
    #[expect(clippy::disallowed_methods, reason = "where `make bench-stream` has installed OpenSearch")]
    pub fn start() -> Self {
        let jars = std::env::var("ECHOES_OPENSEARCH").expect("ECHOES_OPENSEARCH: `make bench-stream` sets it");
        let folder = tempfile::tempdir().unwrap();
        // Its runner listens on the port after the one it is given, and takes none but these.
        let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let port = (9_250..9_299).find(is_free).expect("a port from 9250 to 9298");
        let mut command = Command::new("java");
        command.args(["-Xms512m", "-Xmx512m", "-cp", &format!("{jars}/*")]);
        command.args(["org.codelibs.opensearch.runner.OpenSearchRunner", "-numOfNode", "1", "-clusterName", "bench"]);
        command.args(["-baseHttpPort", &(port - 1).to_string()]).arg("-basePath").arg(folder.path());
        // What it says on its way is of no interest, and plenty.
        command.stderr(std::process::Stdio::null());
        let opensearch = Program::start(command, port);
        let (redis, redis_port) = Program::redis(LOAD);
        Self {
            _opensearch: opensearch,
            _redis: redis,
            _folder: folder,
            opensearch: format!("http://127.0.0.1:{port}"),
            redis_port,
        }
    }
}
