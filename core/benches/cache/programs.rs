//! Other people's programs and our own, each a child that ends with its value.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The processor of every server that is measured, one at a time.
pub const SERVERS: &str = "0";
/// The processor of the load.
pub const LOAD: &str = "1";
/// Clock ticks a second; 100 on every Linux that Rust's standard library supports.
const TICKS: u64 = 100;
const START: Duration = Duration::from_secs(20);

/// A running child.
pub struct Program(Child);

/// A port that nobody listens on just now.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A command that runs on one processor alone.
pub fn pinned(processor: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", processor]).arg(program);
    command
}

impl Program {
    /// Starts a command and waits until it listens on `port`.
    pub fn start(mut command: Command, port: u16) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let until = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "{command:?} does not listen on {port}");
            assert!(child.try_wait().unwrap().is_none(), "{command:?} ended");
            // Foreign programs tell nobody when they listen.
            std::thread::sleep(Duration::from_millis(20));
        }
        Self(child)
    }

    /// The time that it and its children have spent on a processor.
    pub fn cpu(&self) -> Duration {
        let own = self.0.id().to_string();
        let ticks: u64 =
            std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| ticks(&entry.path(), &own)).sum();
        Duration::from_millis(ticks * 1_000 / TICKS)
    }

    /// A Redis without persistence.
    pub fn redis(processor: &str) -> (Self, u16) {
        let port = free_port();
        let mut command = pinned(processor, "redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        (Self::start(command, port), port)
    }
}

/// User and system time of a process, if it is this one or its child.
fn ticks(process: &Path, wanted: &str) -> Option<u64> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    let (before_name, after_name) = stat.rsplit_once(") ")?;
    // Counted from the state, which is the third field: the fourth is the parent, the 14th and 15th are the times.
    let fields: Vec<&str> = after_name.split(' ').collect();
    let is_wanted = before_name.starts_with(&format!("{wanted} (")) || fields[1] == wanted;
    is_wanted.then(|| fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
