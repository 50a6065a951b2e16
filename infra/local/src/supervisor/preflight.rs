//! What is checked before anything is started or deleted.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use crate::host::variable;
use crate::layout::{EDGE_PORT, fixed_ports, loopback};
use crate::servers::Kind;

/// Refuses when a port is taken, naming it. The edge's is left out when no edge will be started, those of the cache servers
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

/// Refuses when a program that `--full` starts is not to be found, naming the package that brings it.
///
/// # Errors
/// With all that are missing.
pub(super) fn servers_exist() -> anyhow::Result<()> {
    let path = variable("PATH").unwrap_or_default();
    let missing = missing_programs(&path).join(" ");
    ensure!(
        missing.is_empty(),
        "--full runs real cache servers, and this machine lacks: {missing}. On Debian: sudo apt-get install -y {missing}"
    );
    Ok(())
}

fn missing_programs(path: &str) -> Vec<&'static str> {
    let folders: Vec<_> = std::env::split_paths(path).collect();
    let there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    Kind::ALL.map(Kind::program).into_iter().filter(|program| !there(program)).collect()
}

#[cfg(test)]
mod tests {
    use super::missing_programs;

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = format!("/nowhere:{}", folder.path().display());
        assert_eq!(missing_programs(&path), ["redis-server", "memcached"]);
        std::fs::write(folder.path().join("redis-server"), "").unwrap();
        assert_eq!(missing_programs(&path), ["memcached"]);
        assert_eq!(missing_programs("").len(), 2);
    }
}
