//! How each server is run: bound to 127.0.0.1, and configured by nothing but what stands here.

use std::path::Path;

use anyhow::Context as _;

use crate::process::Spec;

/// OpenSearch's settings: one node that nobody joins, which makes no index by itself and goes on writing to a full disk. Its
/// transport listens too, on any port.
const OPENSEARCH_SETTINGS: &str = "\
network.host: 127.0.0.1
discovery.type: single-node
transport.port: 0
action.auto_create_index: false
cluster.routing.allocation.disk.threshold_enabled: false
";
/// Errors alone are printed; no files.
const OPENSEARCH_LOGS: &str = "\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %c{1.} %m%n
rootLogger.level = error
rootLogger.appenderRef.console.ref = console
";
/// Its only index is small; a quick start counts for more than the quickest code.
const JAVA: [&str; 4] = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
const RUNNER: &str = "org.codelibs.opensearch.runner.OpenSearchRunner";

/// What a server inherits: the whole environment, or only these variables.
pub type Inherited = Option<Vec<(String, String)>>;

/// A Redis in memory, keeping nothing when it ends. `folder` is where one that is told to save would put its snapshot, from
/// which it then starts again.
#[must_use]
pub fn redis(port: u16, folder: &Path, env: Inherited) -> Spec {
    let (port, folder) = (port.to_string(), folder.display().to_string());
    let args = [
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        &folder,
        "--maxmemory",
        "64mb",
        "--maxmemory-policy",
        "allkeys-lru",
        "--loglevel",
        "warning",
    ];
    Spec { program: "redis-server".into(), args: args.map(str::to_owned).into(), env }
}

/// A Memcached.
#[must_use]
pub fn memcached(port: u16, env: Inherited) -> Spec {
    let port = port.to_string();
    // -U 0: no UDP. -u: whom it becomes when root starts it, which it would refuse otherwise.
    let args = ["-l", "127.0.0.1", "-p", &port, "-U", "0", "-m", "32", "-t", "1", "-u", "nobody"];
    Spec { program: "memcached".into(), args: args.map(str::to_owned).into(), env }
}

/// An OpenSearch of one node, from the jars in `jars`, with its settings and its data in `folder`. Its runner takes the first
/// free port from `port` on, up to 9299, and none above.
///
/// # Errors
/// When its settings cannot be written.
pub fn opensearch(port: u16, folder: &Path, jars: &Path, env: Inherited) -> anyhow::Result<Spec> {
    // Where its runner looks, and leaves alone what it finds.
    let settings = folder.join("node_1").join("config");
    std::fs::create_dir_all(&settings).with_context(|| format!("creating {}", settings.display()))?;
    for (name, text) in [("opensearch.yml", OPENSEARCH_SETTINGS), ("log4j2.properties", OPENSEARCH_LOGS)] {
        let path = settings.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    let mut args: Vec<String> = JAVA.map(str::to_owned).into();
    args.extend(["-cp".to_owned(), jars.join("*").display().to_string(), RUNNER.to_owned()]);
    args.extend(["-basePath".to_owned(), folder.display().to_string()]);
    // The runner's first node listens one above the base.
    args.extend(["-numOfNode", "1", "-clusterName", "echoes", "-baseHttpPort"].map(str::to_owned));
    args.push(port.saturating_sub(1).to_string());
    Ok(Spec { program: "java".into(), args, env })
}
