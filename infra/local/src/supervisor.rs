//! `echoes-local up`: starts the parts in order, watches over them in the foreground and stops them all.

mod environment;
mod plans;
mod preflight;
mod stack;
mod stack_file;

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use echoes_shared::Region;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

use crate::cli::Up;
use crate::console::Console;
use crate::layout::{CONTROL_PORT, EDGE_PORT, OPENSEARCH_PORT, RegionPorts, S3_PORT, loopback, url};
use crate::secrets::Secrets;
use stack::Stack;
use stack_file::StackFile;

/// Runs a stack until a signal or a death ends it.
///
/// # Errors
/// What kept it from starting, or which part died; everything that had started is stopped by then.
pub async fn up(options: Up) -> anyhow::Result<ExitCode> {
    let console = Console::new();
    let begun = Instant::now();
    let mut stop_signal = std::pin::pin!(stop_signal()?);
    let full = options.full;
    preflight::ports_are_free(!options.edge.is_empty(), full)?;
    preflight::program_exists(&options.binary)?;
    if full {
        preflight::servers_exist(&options.opensearch)?;
    }
    let secrets = prepare_state(&options)?;

    let (deaths, mut died) = mpsc::channel(16);
    let with_edge = !options.edge.is_empty();
    let mut stack = Stack::new(options, secrets, console, deaths);
    let outcome = tokio::select! {
        started = stack.start() => started.map(|()| true),
        Some(death) = died.recv() => Err(death.into()),
        () = &mut stop_signal => Ok(false),
    };
    let outcome = match outcome {
        Ok(true) => {
            console.print(&summary(with_edge, full, begun.elapsed()));
            tokio::select! {
                Some(death) = died.recv() => Err(death.into()),
                () = &mut stop_signal => Ok(()),
            }
        }
        Ok(false) => Ok(()),
        Err(error) => Err(error),
    };
    console.line("local", "stopping");
    stack.stop().await;
    console.line("local", "stopped");
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Makes the state folder ready: forgets the data when asked to, and writes what other programs read.
fn prepare_state(options: &Up) -> anyhow::Result<Secrets> {
    let state = &options.state;
    std::fs::create_dir_all(state).with_context(|| format!("creating {}", state.display()))?;
    StackFile::remove_stale(state)?;
    forget_data(state, options.fresh)?;
    plans::forget_other_indexes(state, options.full)?;
    let secrets = Secrets::load_or_create(state)?;
    environment::write_files(state, &secrets, options.full)?;
    Ok(secrets)
}

/// Removes the data when `fresh`, and always what an earlier removal left.
///
/// Set aside first, which is one step: a removal killed halfway must not leave some regions and not others.
fn forget_data(state: &Path, fresh: bool) -> anyhow::Result<()> {
    let (data, forgotten) = (state.join("data"), state.join("data-forgotten"));
    let remove = || match std::fs::remove_dir_all(&forgotten) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", forgotten.display()))
        }
        _ => Ok(()),
    };
    remove()?;
    if fresh && data.exists() {
        std::fs::rename(&data, &forgotten).with_context(|| format!("setting {} aside", data.display()))?;
        remove()?;
    }
    Ok(())
}

/// Resolves at Ctrl-C, SIGTERM, or when the terminal goes away.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

/// What a reader looks for in a screen full of logs.
fn summary(with_edge: bool, full: bool, took: Duration) -> String {
    let mut text = format!("\nready after {:.1} s\n\n", took.as_secs_f64());
    let mut row = |name: &str, value: String| {
        let _written = writeln!(text, "  {name:<16}{value}");
    };
    if with_edge {
        row("edge", url(EDGE_PORT));
    }
    row("control", url(CONTROL_PORT));
    row("s3", url(S3_PORT));
    if full {
        row("opensearch", url(OPENSEARCH_PORT));
    }
    for region in Region::ALL {
        let ports = RegionPorts::of(region);
        let (core, admin) = (url(ports.core), ports.admin);
        row(region.as_str(), format!("core {core} (admin {admin})  dynamodb {}", url(ports.dynamodb)));
        if full {
            row("", format!("redis {}  memcached {}", loopback(ports.redis), ports.memcached_servers()));
        }
    }
    text.push_str("\n  Ctrl-C stops everything.\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgotten_data_is_gone_and_what_an_earlier_removal_left_too() {
        let state = tempfile::tempdir().unwrap();
        let (data, forgotten) = (state.path().join("data"), state.path().join("data-forgotten"));
        for folder in [&data, &forgotten] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("us-east-1.db"), "x").unwrap();
        }
        forget_data(state.path(), false).unwrap();
        assert!(data.exists() && !forgotten.exists());
        std::fs::create_dir(&forgotten).unwrap();
        forget_data(state.path(), true).unwrap();
        assert!(!data.exists() && !forgotten.exists());
        forget_data(state.path(), true).unwrap();
    }
}
