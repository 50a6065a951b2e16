//! A `redis-server` process of a test's own.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ::redis::{Client, FromRedisValue, RedisResult};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A server on a free port; it ends when it is dropped.
pub(super) struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    /// Started, and answering `PING`.
    pub(super) async fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_on(free).await
    }

    pub(super) async fn start_on(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Self { child: spawn(port, &folder, &[]), port, folder };
        server.answers().await;
        server
    }

    pub(super) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    pub(super) fn url(&self) -> String {
        url(self.address())
    }

    /// One command, over a connection of its own.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &str) -> T {
        self.try_run(command).await.unwrap()
    }

    /// The same where a word holds a space.
    pub(super) async fn run_words<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_run_words(words).await.unwrap()
    }

    async fn try_run<T: FromRedisValue>(&self, command: &str) -> RedisResult<T> {
        self.try_run_words(&command.split(' ').collect::<Vec<_>>()).await
    }

    async fn try_run_words<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut connection = Client::open(self.url())?.get_multiplexed_async_connection().await?;
        let mut command = ::redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut connection).await
    }

    /// Killed, with no chance to write anything down, and started again from what lies in its folder.
    pub(super) async fn crash_and_restart(&mut self) {
        self.crash_and_restart_with(&[]);
        self.answers().await;
    }

    /// The same with further arguments, not awaited.
    pub(super) fn crash_and_restart_with(&mut self, arguments: &[&str]) {
        self.crash();
        self.child = spawn(self.port, &self.folder, arguments);
    }

    pub(super) fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// From now on it cannot write anything down.
    pub(super) fn lose_folder(&self) {
        std::fs::remove_dir_all(self.folder.path()).unwrap();
    }

    pub(super) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(super) fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Whatever it answers: a server that loads a snapshot answers too.
    pub(super) async fn answers(&self) {
        for _ in 0..500 {
            if self.try_run::<String>("PING").await.is_ok_and(|pong| pong == "PONG") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("redis-server does not answer on port {}", self.port);
    }

    /// Asks until it is so.
    pub(super) async fn until(&self, command: &str, wanted: impl Fn(&str) -> bool) {
        for _ in 0..500 {
            if self.try_run::<String>(command).await.is_ok_and(|answer| wanted(&answer)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{command} never said what it should");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn url(address: SocketAddr) -> String {
    format!("redis://{address}")
}

fn spawn(port: u16, folder: &TempDir, arguments: &[&str]) -> Child {
    let port = port.to_string();
    let fixed = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"];
    Command::new("redis-server")
        .args(["--port", &port, "--enable-debug-command", "yes", "--dir"])
        .arg(folder.path())
        .args(fixed)
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("these tests need redis-server on the PATH (Debian: redis-server)")
}
