//! `stack.json`, by which tests and tools find a running stack, and the edge's `.dev.vars`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use echoes_shared::Region;
use serde_json::{Value, json};

use crate::layout::{
    ARCHIVE_BUCKET, AUDIO_BUCKET, AWS_ACCESS_KEY_ID, CONTROL_PORT, ECHOES_TABLE, EDGE_KEY_ID, EDGE_PORT, LOCAL_TABLE,
    OPENSEARCH_PORT, OPS_TABLE, RegionPorts, S3_PORT, url,
};
use crate::secrets::{Secrets, read_if_present, write_private};

/// The file while the stack is ready: removed when this is dropped.
#[derive(Debug)]
pub(super) struct StackFile(PathBuf);

impl StackFile {
    /// Where it is in a state folder.
    pub(super) fn path(state_dir: &Path) -> PathBuf {
        state_dir.join("stack.json")
    }

    /// Removes what a killed stack left behind.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub(super) fn remove_stale(state_dir: &Path) -> anyhow::Result<()> {
        let path = Self::path(state_dir);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// When the folder does not take it.
    pub(super) fn write(state_dir: &Path, secrets: &Secrets, full: bool) -> anyhow::Result<Self> {
        let path = Self::path(state_dir);
        let text = serde_json::to_string_pretty(&contents(secrets, full))?;
        write_private(&path, &format!("{text}\n"))?;
        Ok(Self(path))
    }
}

impl Drop for StackFile {
    fn drop(&mut self) {
        // Gone already is as good.
        let _removed = std::fs::remove_file(&self.0);
    }
}

fn contents(secrets: &Secrets, full: bool) -> Value {
    let regions = Region::ALL.map(|region| {
        let ports = RegionPorts::of(region);
        let mut entry = json!({
            "name": region,
            "core": url(ports.core),
            "admin": url(ports.admin),
            "dynamodb": url(ports.dynamodb),
        });
        if full && let Some(entry) = entry.as_object_mut() {
            // In the form of the variables that name them to a core.
            entry.insert("redis".to_owned(), ports.redis_url().into());
            entry.insert("memcached".to_owned(), ports.memcached_servers().into());
            entry.insert("opensearch".to_owned(), url(OPENSEARCH_PORT).into());
        }
        entry
    });
    json!({
        "edge": url(EDGE_PORT),
        "control": url(CONTROL_PORT),
        "s3": url(S3_PORT),
        "tables": { "echoes": ECHOES_TABLE, "ops": OPS_TABLE, "local": LOCAL_TABLE },
        "buckets": { "audio": AUDIO_BUCKET, "archive": ARCHIVE_BUCKET },
        "aws": { "accessKeyId": AWS_ACCESS_KEY_ID, "secretAccessKey": secrets.aws_secret },
        "edgeKey": { "id": EDGE_KEY_ID, "secret": secrets.edge_secret },
        "regions": regions,
    })
}

/// Puts the edge's key into its `.dev.vars`, leaving other lines as they are and the file untouched when it is right.
///
/// # Errors
/// When it cannot be read or written.
pub(super) fn write_dev_vars(path: &Path, secrets: &Secrets) -> anyhow::Result<()> {
    let before = read_if_present(path)?;
    let after = dev_vars(before.as_deref().unwrap_or_default(), &secrets.edge_secret);
    if before.as_deref() == Some(after.as_str()) {
        return Ok(());
    }
    write_private(path, &after)
}

fn dev_vars(before: &str, edge_secret: &str) -> String {
    let ours = [("ECHOES_EDGE_KEY_ID", EDGE_KEY_ID), ("ECHOES_EDGE_SECRET", edge_secret)];
    let is_ours = |line: &&str| {
        let name = line.split('=').next().unwrap_or_default().trim();
        ours.iter().any(|(own, _)| *own == name)
    };
    let mut lines: Vec<String> = before.lines().filter(|line| !is_ours(line)).map(str::to_owned).collect();
    lines.extend(ours.iter().map(|(name, value)| format!("{name}={value}")));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_vars_keeps_other_lines_and_settles() {
        let once = dev_vars("OTHER=1\nECHOES_EDGE_SECRET=old\n", "new");
        assert_eq!(once, "OTHER=1\nECHOES_EDGE_KEY_ID=EDGEDEVKEY000001\nECHOES_EDGE_SECRET=new\n");
        assert_eq!(dev_vars(&once, "new"), once);
    }

    #[test]
    fn the_stack_file_goes_when_the_stack_does() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::generate().unwrap();
        let file = StackFile::write(folder.path(), &secrets, false).unwrap();
        let path = StackFile::path(folder.path());
        let stack: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(stack["regions"][3]["name"], "ap-southeast-1");
        assert_eq!(stack["regions"][3]["dynamodb"], "http://127.0.0.1:8004");
        assert_eq!(stack["regions"][3].get("redis"), None);
        let full = contents(&secrets, true);
        assert_eq!(full["regions"][3]["redis"], "redis://127.0.0.1:6404");
        assert_eq!(full["regions"][3]["memcached"], "127.0.0.1:11407,127.0.0.1:11408");
        assert_eq!(full["regions"][3]["opensearch"], "http://127.0.0.1:9201");
        drop(file);
        assert!(!path.exists());
        StackFile::remove_stale(folder.path()).unwrap();
    }
}
