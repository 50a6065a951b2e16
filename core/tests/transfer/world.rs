//! An engine, a front before it, a folder, and the program run against them.

#[path = "../shared/database.rs"]
mod database;

use std::path::PathBuf;
use std::process::{Output, Stdio};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::front::Front;

/// The exit status and what was said.
#[derive(Debug)]
pub struct Said {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: without_progress(&text(output.stderr)),
        }
    }

    /// The summary of `--json`.
    pub fn summary(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// Echoes that the summary counts as in the table: a write whose answer came too late is repeated, and finds itself.
    pub fn taken(&self) -> u64 {
        let summary = self.summary();
        summary["stored"].as_u64().unwrap() + summary["present"].as_u64().unwrap()
    }

    /// Its lines, sorted.
    pub fn sorted_lines(&self) -> Vec<&str> {
        sorted(&self.stdout)
    }

    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// A slow machine is told how far it is every five seconds.
fn without_progress(stderr: &str) -> String {
    stderr.split_inclusive('\n').filter(|line| !line.ends_with("units/s\n")).collect()
}

pub fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// Worlds at a time: each has a database and programs of its own, and two processors carry no more in good time.
static TURNS: Semaphore = Semaphore::const_new(2);

pub struct World {
    pub front: Front,
    pub folder: TempDir,
    engine: String,
    _turn: SemaphorePermit<'static>,
}

impl World {
    /// With these tables, empty.
    pub async fn with(tables: &[&str]) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let engine = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, database::in_memory()));
        let front = Front::before(engine.clone()).await;
        let world = Self { front, folder: tempfile::tempdir().unwrap(), engine, _turn: turn };
        for table in tables {
            world.run(table, &["table", "create"]).await.expect(0);
        }
        world
    }

    /// The program with the environment of a region whose tables begin with `table`.
    pub fn command(&self, table: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echoes"));
        command
            .args(arguments)
            .env_clear()
            .env("ECHOES_REGION", "eu-west-1")
            .env("ECHOES_TABLE", format!("{table}-echoes"))
            .env("ECHOES_OPS_TABLE", format!("{table}-ops"))
            .env("ECHOES_LOCAL_TABLE", format!("{table}-local"))
            .env("AWS_ENDPOINT_URL_DYNAMODB", &self.front.endpoint)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs the program to its end.
    pub async fn run(&self, table: &str, arguments: &[&str]) -> Said {
        Said::of(self.command(table, arguments).output().await.unwrap())
    }

    /// Runs it with `input` as its standard input.
    pub async fn run_with(&self, table: &str, arguments: &[&str], input: &str) -> Said {
        let mut child = self.command(table, arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A program that refuses its arguments does not read.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        said(child).await
    }

    /// Writes a file of the folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn exists(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }

    /// The engine itself, without the front.
    pub fn engine(&self) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&self.engine)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Client::from_conf(config)
    }
}

/// What a child says until its end.
pub async fn said(child: Child) -> Said {
    Said::of(child.wait_with_output().await.unwrap())
}
