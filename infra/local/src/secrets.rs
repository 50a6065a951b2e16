//! The development secrets: made once, kept in the state folder, readable by their owner alone.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use p256::SecretKey;
use rand::TryRng as _;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};

/// The file's name in the state folder.
pub const SECRETS_FILE: &str = "secrets";

/// Everything that the parts of one stack share. Nothing here is of any use elsewhere.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secrets {
    /// The secret access key of S3 and, for form's sake, DynamoDB.
    pub aws_secret: String,
    /// The secret of the edge's signatures.
    pub edge_secret: String,
    /// The secret of the cursors, the same in every region.
    pub cursor_secret: String,
    /// The P-256 scalar that signs development tokens, in hexadecimal.
    pub token_key: String,
    /// Another one, which the JWKS leaves out.
    pub unknown_token_key: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(redacted)")
    }
}

impl Secrets {
    /// Reads the secrets of the stack in `state_dir`, making them the first time.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is not what [`Secrets`] writes.
    pub fn load_or_create(state_dir: &Path) -> anyhow::Result<Self> {
        let path = state_dir.join(SECRETS_FILE);
        if let Some(text) = read_if_present(&path)? {
            return serde_json::from_str(&text)
                .with_context(|| format!("{} is not a file of secrets", path.display()));
        }
        let secrets = Self::generate()?;
        write_private(&path, &serde_json::to_string_pretty(&secrets)?)?;
        Ok(secrets)
    }

    /// Fresh secrets from the operating system.
    ///
    /// # Errors
    /// When it has no random bytes to give.
    pub fn generate() -> anyhow::Result<Self> {
        Ok(Self {
            aws_secret: random_hex()?,
            edge_secret: random_hex()?,
            cursor_secret: random_hex()?,
            token_key: random_scalar()?,
            unknown_token_key: random_scalar()?,
        })
    }
}

/// The text of a file, or `None` when there is none.
///
/// # Errors
/// When it is there but cannot be read.
pub fn read_if_present(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Writes a file that only its owner may read, whole or not at all: under another name first.
///
/// # Errors
/// When the folder does not take it.
pub fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// 32 random bytes as 64 hexadecimal digits.
fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    SysRng.try_fill_bytes(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A random number that is a P-256 key. One in four thousand million is not, hence the loop.
fn random_scalar() -> anyhow::Result<String> {
    loop {
        let text = random_hex()?;
        if SecretKey::from_slice(&unhex(&text)?).is_ok() {
            return Ok(text);
        }
    }
}

/// The bytes of a hexadecimal text.
///
/// # Errors
/// When it is none.
pub fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(text.is_ascii() && text.len().is_multiple_of(2), "not hexadecimal");
    (0..text.len())
        .step_by(2)
        .map(|start| {
            let digits = text.get(start..start + 2).unwrap_or_default();
            Ok(u8::from_str_radix(digits, 16)?)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_outlive_a_restart_and_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = Secrets::load_or_create(folder.path()).unwrap();
        let second = Secrets::load_or_create(folder.path()).unwrap();
        assert_eq!(first.edge_secret, second.edge_secret);
        assert_eq!(first.token_key, second.token_key);
        assert_ne!(first.token_key, first.unknown_token_key);
        let mode = fs::metadata(folder.path().join(SECRETS_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{first:?}").contains(&first.edge_secret));
    }
}
