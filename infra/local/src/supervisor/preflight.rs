//! What is checked before anything is started or deleted.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use crate::layout::{EDGE_PORT, fixed_ports, loopback};

/// Refuses when a port is taken, naming it. The edge's is left out when no edge will be started.
///
/// # Errors
/// With the first port that is taken.
pub(super) fn ports_are_free(with_edge: bool) -> anyhow::Result<()> {
    for (port, part) in fixed_ports() {
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
