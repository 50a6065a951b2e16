//! Programs of this machine on ports of their own: Redis, Memcached and cores, which can be killed, hung and started again.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const START: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

/// A program that listens on one port, whichever time it runs.
pub struct Server {
    pub name: &'static str,
    pub port: u16,
    command: Box<dyn Fn(u16) -> Command + Send + Sync>,
    child: Option<Child>,
}

/// A port that nobody listens on just now.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Runs `command`, which is given the port, and waits until it listens.
    pub async fn start(name: &'static str, command: impl Fn(u16) -> Command + Send + Sync + 'static) -> Self {
        let mut server = Self { name, port: free_port(), command: Box::new(command), child: None };
        server.again().await;
        server
    }

    /// A Redis that forgets everything when it ends.
    pub async fn redis() -> Self {
        Self::start("redis", |port| {
            let mut command = Command::new("redis-server");
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
            command
        })
        .await
    }

    /// A Memcached.
    pub async fn memcached() -> Self {
        Self::start("memcached", |port| {
            let mut command = Command::new("memcached");
            // It refuses to run as root unless it is told to whom to give that up.
            command.args(["-l", "127.0.0.1", "-U", "0", "-u", "nobody", "-p", &port.to_string()]);
            command
        })
        .await
    }

    /// Runs it again after [`Self::kill`], and waits until it listens.
    pub async fn again(&mut self) {
        let mut command = (self.command)(self.port);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.child = Some(command.spawn().unwrap());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listens = async {
            // Programs of others tell nobody when they listen.
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(START, listens).await.unwrap_or_else(|_| panic!("{} does not listen", self.name));
    }

    /// Ends it with -9.
    pub async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    /// Neither answers nor refuses until [`Self::resume`].
    pub fn hang(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Goes on after [`Self::hang`].
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let process = self.child.as_ref().and_then(Child::id).unwrap();
        kill(Pid::from_raw(i32::try_from(process).unwrap()), signal).unwrap();
    }
}
