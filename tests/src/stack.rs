//! Starts a stack for the tests, and stops it.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use crate::process::Process;
use crate::settings;
use crate::waiting::eventually;
use crate::world::World;

/// How long a start may take; a warm one takes seconds.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a stop may take.
const STOPPED_WITHIN: Duration = Duration::from_secs(30);
const SHOWN_LINES: usize = 60;

/// A stack that these tests started, or one that ran already.
#[derive(Debug)]
pub struct Stack {
    process: Option<Process>,
    /// What the tests see of it.
    pub world: World,
}

impl Stack {
    /// Uses the stack of `ECHOES_STACK_STATE`, or starts a fresh, empty and full one.
    pub fn start() -> Self {
        if let Some(state) = settings::running_stack() {
            let world =
                world_of(&state).unwrap_or_else(|error| panic!("ECHOES_STACK_STATE names no running stack: {error}"));
            return Self { process: None, world };
        }
        let state = settings::state();
        Self::start_in(state)
    }

    fn start_in(state: PathBuf) -> Self {
        let mut process = Process::start(command(&state));
        let world = eventually(READY_WITHIN, "a stack that is ready", || {
            if let Some(status) = process.ended() {
                panic!(
                    "the stack did not start ({status}). If a port is taken, another stack runs: stop it, or point \
                     ECHOES_STACK_STATE at its folder.\n{}",
                    process.last_lines(SHOWN_LINES)
                );
            }
            world_of(&state)
        });
        Self { process: Some(process), world }
    }

    /// Stops it as an operator would, and tells what was wrong with that.
    pub fn stop(mut self) -> Result<(), String> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let status = process.terminate(STOPPED_WITHIN);
        // For whoever looks into a failure: all that its parts said.
        let log = self.world.state.join("log");
        std::fs::write(&log, process.last_lines(usize::MAX))
            .map_err(|error| format!("{}: {error}", log.display()))?;
        if status.code() != Some(0) {
            return Err(format!(
                "SIGTERM must end it with exit 0, not {status}\n{}",
                process.last_lines(SHOWN_LINES)
            ));
        }
        if self.world.state.join("stack.json").exists() {
            return Err("stack.json must be gone when the stack is".to_owned());
        }
        let bases =
            ["edge", "control", "s3"].map(|name| self.world.file[name].as_str().unwrap_or_default().to_owned());
        let still = bases.iter().find(|base| TcpStream::connect(crate::exchange::authority(base)).is_ok());
        still.map_or(Ok(()), |base| Err(format!("{base} still answers after the stack has ended")))
    }

    /// From now on Ctrl-C and SIGTERM stop the stack before they end the tests: it would outlive them otherwise.
    ///
    /// # Errors
    /// When the signals cannot be caught.
    pub fn stop_on_interrupt(&self) -> Result<(), ctrlc::Error> {
        const INTERRUPTED: i32 = 130;
        let Some(stack) = self.process.as_ref().map(Process::pid) else { return Ok(()) };
        ctrlc::set_handler(move || {
            let _ = kill(stack, Signal::SIGTERM);
            let begun = Instant::now();
            while waitpid(stack, Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive)
                && begun.elapsed() < STOPPED_WITHIN
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            std::process::exit(INTERRUPTED);
        })
    }
}

/// The command that starts a fresh and empty stack with real cache servers, whose state is in `state`.
pub fn command(state: &Path) -> Command {
    let mut command = Command::new(settings::stack_command());
    command.args(["--fresh", "--empty", "--full", "--state"]).arg(state).current_dir(settings::root());
    command
}

fn world_of(state: &Path) -> Result<World, String> {
    let path = state.join("stack.json");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(World { state: state.to_owned(), file })
}
