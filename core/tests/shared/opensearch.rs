//! How a real OpenSearch of one node is started, on a port and in a folder of its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

const SETTINGS: &str = "\
network.host: 127.0.0.1
discovery.type: single-node
transport.port: 0
action.auto_create_index: false
cluster.routing.allocation.disk.threshold_enabled: false
";

/// The command with these options of Java's, and the port on which it listens unless somebody else takes that first: then it is
/// the next, and said on stdout in a line `HTTP Port: …`.
#[expect(clippy::disallowed_methods, reason = "the tests' own environment, set by `make`")]
pub fn command(folder: &Path, java: &[&str]) -> (Command, u16) {
    let jars = std::env::var("ECHOES_OPENSEARCH");
    let jars = jars.expect("ECHOES_OPENSEARCH names the folder of OpenSearch's jars; `make` sets it");
    let settings = folder.join("node_1/config");
    std::fs::create_dir_all(&settings).unwrap();
    std::fs::write(settings.join("opensearch.yml"), SETTINGS).unwrap();
    // Its runner takes the first free port after the one it is given, up to 9299.
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = (9_241..9_291).find(is_free).expect("a port from 9241 to 9290");
    let mut command = Command::new("java");
    command.args(java).args(["-cp", &format!("{jars}/*"), "org.codelibs.opensearch.runner.OpenSearchRunner"]);
    command.arg("-basePath").arg(folder).args(["-numOfNode", "1", "-clusterName", "echoes"]);
    command.args(["-baseHttpPort", &(port - 1).to_string()]);
    (command, port)
}
