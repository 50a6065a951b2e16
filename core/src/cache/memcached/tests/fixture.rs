//! Real Memcached processes on free ports, and what every test of this tier asks of a call.

use std::fmt::Display;
use std::process::Stdio;
use std::time::Duration;

use echoes_shared::Region;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::super::server::COMMAND_DEADLINE;
use super::super::{Memcached, MemcachedServers};
use crate::clock::Stopwatch;

/// What a loaded machine may add to a deadline.
const SLACK: Duration = Duration::from_secs(2);

/// One server, killed when it is dropped.
pub struct Process {
    port: u16,
    args: Vec<String>,
    child: Child,
}

impl Process {
    pub async fn start(args: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let child = spawn(port, &args);
        let mut process = Self { port, args, child };
        process.await_answer().await;
        process
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// An empty one on the same port.
    pub async fn restart(&mut self) {
        self.child = spawn(self.port, &self.args);
        self.await_answer().await;
    }

    /// Accepts and never answers.
    pub fn hang(&self) {
        self.signal(Signal::SIGSTOP);
        // A busy machine lets it answer once more before it stops.
        let state = format!("/proc/{}/stat", self.child.id().unwrap());
        while !std::fs::read_to_string(&state).unwrap().contains(") T ") {
            std::thread::yield_now();
        }
    }

    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    async fn await_answer(&mut self) {
        for _ in 0..200 {
            if TcpStream::connect(self.address()).await.is_ok() {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "memcached ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("memcached does not listen");
    }
}

fn spawn(port: u16, args: &[String]) -> Child {
    Command::new("memcached")
        // The user is asked for only where that is root.
        .args(["-l", "127.0.0.1", "-U", "0", "-t", "1", "-u", "root", "-p", &port.to_string()])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("memcached is installed; infra/setup says how")
}

/// The tier over these servers, each connected.
pub async fn over(servers: &[String]) -> Memcached {
    let memcached = Memcached::new(&MemcachedServers(servers.to_vec()), Region::EuWest1);
    eventually("every server answers", async || memcached.servers.iter().flatten().all(|server| !server.is_away()))
        .await;
    memcached
}

/// A call, which no fault may make longer than the deadline.
pub async fn timed<T>(call: impl Future<Output = T>) -> T {
    let stopwatch = Stopwatch::start();
    let answer = call.await;
    let took = stopwatch.elapsed();
    assert!(took <= COMMAND_DEADLINE + SLACK, "{took:?}");
    answer
}

/// Waits until it is so: within seconds, as recovery must be.
pub async fn eventually(what: impl Display, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
