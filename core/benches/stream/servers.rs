//! The servers that both sides' sinks write to.

#[path = "../../tests/shared/opensearch.rs"]
mod launch;

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
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (command, port) = launch::command(folder.path(), &["-Xms512m", "-Xmx512m"]);
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
