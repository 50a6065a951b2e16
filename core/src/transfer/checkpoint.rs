//! The file beside an import's source that says how far it came, so that the next run goes on there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::import::Mode;
use super::lines::Fingerprint;
use super::mark::Reached;
use crate::clock::Stopwatch;

/// Lines after which the checkpoint is written again…
const LINES: u64 = 1_000;
/// … and the time after which it is, so that a slow import loses little too.
const PERIOD: Duration = Duration::from_secs(1);

/// What an import is: a checkpoint counts only for the very same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Job {
    /// What is read.
    pub source: Fingerprint,
    /// How it is written.
    pub mode: Mode,
    /// The table.
    pub table: String,
    /// The region.
    pub region: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Saved {
    job: Job,
    reached: Reached,
}

/// Why a checkpoint cannot be gone on from.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The file cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is no checkpoint.
    #[error("is no checkpoint: {0}")]
    Malformed(serde_json::Error),
    /// It is another import's; the field in which they differ.
    #[error("is of another import: its {0} differs")]
    Another(&'static str),
}

/// One import's checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    job: Job,
    /// The write that is under way.
    writing: Option<JoinHandle<io::Result<()>>>,
    written_lines: u64,
    written: Stopwatch,
}

impl Checkpoint {
    /// The checkpoint of `job` at `path` and how far that came: nowhere where there is no file, or with `restart`.
    ///
    /// The file is written at once, so that a place where it cannot be is known before the first line is taken.
    pub fn open(path: PathBuf, job: Job, restart: bool) -> Result<(Self, Reached), Unusable> {
        let reached = match fs::read(&path) {
            Ok(_) if restart => Reached::default(),
            Ok(json) => {
                let saved: Saved = serde_json::from_slice(&json).map_err(Unusable::Malformed)?;
                difference(&saved.job, &job).map_or(Ok(()), |field| Err(Unusable::Another(field)))?;
                saved.reached
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Reached::default(),
            Err(error) => return Err(error.into()),
        };
        let saved = Saved { job, reached };
        write(&path, &saved)?;
        let written = Stopwatch::start();
        let this = Self { path, job: saved.job, writing: None, written_lines: reached.lines, written };
        Ok((this, reached))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins to write how far the import came, unless that is too early or the last write still goes on.
    pub fn keep(&mut self, reached: &Reached) {
        let lines = reached.lines.saturating_sub(self.written_lines);
        let due = lines >= LINES || (lines > 0 && self.written.elapsed() >= PERIOD);
        if due && self.writing.is_none() {
            let (path, saved) = (self.path.clone(), Saved { job: self.job.clone(), reached: *reached });
            self.writing = Some(tokio::task::spawn_blocking(move || write(&path, &saved)));
            (self.written_lines, self.written) = (reached.lines, Stopwatch::start());
        }
    }

    /// Waits for the write that is under way; for ever where there is none. Safe to drop and ask again.
    pub async fn kept(&mut self) -> io::Result<()> {
        let Some(writing) = &mut self.writing else { return std::future::pending().await };
        let result = writing.await;
        self.writing = None;
        result.map_err(io::Error::other)?
    }

    /// Writes how far the import came, and waits for it.
    pub async fn close(mut self, reached: &Reached) -> io::Result<()> {
        if self.writing.is_some() {
            self.kept().await?;
        }
        let saved = Saved { job: self.job, reached: *reached };
        tokio::task::spawn_blocking(move || write(&self.path, &saved)).await.map_err(io::Error::other)?
    }

    /// Removes the file: the source has been taken to its end.
    pub async fn remove(mut self) -> io::Result<()> {
        if self.writing.is_some() {
            self.kept().await?;
        }
        fs::remove_file(&self.path)
    }
}

fn difference(saved: &Job, job: &Job) -> Option<&'static str> {
    let Job { source, mode, table, region } = job;
    let fields = [
        ("source's length", saved.source.bytes == source.bytes),
        ("source's beginning", saved.source.head_sha256 == source.head_sha256),
        ("mode", saved.mode == *mode),
        ("table", saved.table == *table),
        ("region", saved.region == *region),
    ];
    fields.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
}

/// Replaces the file whole: a reader, or a machine that loses power, sees the old one or the new one.
fn write(path: &Path, saved: &Saved) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(saved)?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
