//! Where the embedded index lies, and whether what lies there can be used.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use echoes_shared::Timestamp;
use serde::{Deserialize, Serialize};
use tantivy::{Index, TantivyError};

use super::schema::{FORMAT, Fields};

/// The index, in the folder that is named.
const INDEX: &str = "index";
/// What was damaged, the last time; for those who want to know why.
const DAMAGED: &str = "damaged";
/// Held by the process that uses the folder.
const LOCK: &str = "lock";
/// The file that names an index's segments, without which there is none.
const META: &str = "meta.json";
/// An index that was last in use so long ago is built anew: streams tell of 24 hours (facts, *DynamoDB*), less one for what the
/// process was behind.
const MAX_AGE_MILLIS: u64 = 23 * 60 * 60 * 1_000;

/// Why there is no index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenError(String);

impl OpenError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

impl From<TantivyError> for OpenError {
    fn from(error: TantivyError) -> Self {
        Self(error.to_string())
    }
}

/// What every commit says of the index besides the documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    format: u32,
    table: String,
    /// Whether every echo of the table has been in it.
    pub filled: bool,
    /// When it was last known to be in use.
    pub used_at: Timestamp,
}

/// An index, and the right to write it.
#[derive(Debug)]
pub(super) struct Place {
    pub index: Index,
    _lock: Option<File>,
}

enum Found {
    Usable(Index, Mark),
    None,
    /// It was right once.
    Outdated(&'static str),
    Damaged(String),
}

impl Place {
    pub fn open(
        folder: Option<&Path>,
        fields: &Fields,
        table: &str,
        now: Timestamp,
    ) -> Result<(Self, Mark), OpenError> {
        let fresh = Mark { format: FORMAT, table: table.to_owned(), filled: false, used_at: now };
        let Some(folder) = folder else {
            return Ok((Self { index: Index::create_in_ram(fields.schema.clone()), _lock: None }, fresh));
        };
        let failed = |what: &str| {
            let place = folder.display().to_string();
            let what = what.to_owned();
            move |error: io::Error| OpenError(format!("{place}: {what}: {error}"))
        };
        fs::create_dir_all(folder).map_err(failed("cannot be made"))?;
        let lock = File::create(folder.join(LOCK)).map_err(failed("cannot be written"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError(format!("{}: another process uses it", folder.display())),
            TryLockError::Error(error) => failed("cannot be locked")(error),
        })?;
        let own = folder.join(INDEX);
        match look(&own, fields, &fresh) {
            Found::Usable(index, mark) => return Ok((Self { index, _lock: Some(lock) }, mark)),
            Found::None => {}
            Found::Outdated(why) => tracing::info!(folder = %folder.display(), why, "the search index is built anew"),
            Found::Damaged(why) => {
                let aside = folder.join(DAMAGED);
                remove(&aside).map_err(failed("cannot be cleared"))?;
                fs::rename(&own, &aside).map_err(failed("cannot be moved aside"))?;
                let aside = aside.display().to_string();
                tracing::error!(why, aside, "the search index is damaged: it was moved aside and is built anew");
            }
        }
        remove(&own).map_err(failed("cannot be cleared"))?;
        fs::create_dir_all(&own).map_err(failed("cannot be made"))?;
        let index = Index::create_in_dir(&own, fields.schema.clone())?;
        Ok((Self { index, _lock: Some(lock) }, fresh))
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What lies in a folder. Every byte of it is read once: a fault is found now, and not in a search.
fn look(folder: &Path, fields: &Fields, fresh: &Mark) -> Found {
    if !folder.join(META).exists() {
        // The process that made it ended before it wrote anything.
        return Found::None;
    }
    let (index, payload) = match read(folder) {
        Ok(read) => read,
        Err(error) => return Found::Damaged(error.to_string()),
    };
    let Some(payload) = payload else { return Found::None };
    let Ok(mark) = serde_json::from_str::<Mark>(&payload) else {
        return Found::Outdated("it is of another version");
    };
    if mark.format != fresh.format || index.schema() != fields.schema {
        Found::Outdated("it is of another version")
    } else if mark.table != fresh.table {
        Found::Outdated("it is of another table")
    } else if fresh.used_at.millis_since(mark.used_at) > MAX_AGE_MILLIS {
        Found::Outdated("it was last in use longer ago than the stream tells of")
    } else {
        Found::Usable(index, mark)
    }
}

fn read(folder: &Path) -> Result<(Index, Option<String>), TantivyError> {
    let index = Index::open_in_dir(folder)?;
    let damaged = index.validate_checksum()?;
    if let Some(file) = damaged.iter().next() {
        return Err(TantivyError::SystemError(format!("{} is not as it was written", file.display())));
    }
    let payload = index.load_metas()?.payload;
    Ok((index, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "eu-west-1/EchoesTable";
    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn open(folder: &Path, table: &str, now: Timestamp) -> Result<bool, OpenError> {
        Place::open(Some(folder), &Fields::new(), table, now).map(|(_, mark)| mark.filled)
    }

    /// An index that is filled, and closed again.
    fn filled(folder: &Path) {
        let (place, mark) = Place::open(Some(folder), &Fields::new(), TABLE, NOW).unwrap();
        let mut writer = place.index.writer::<tantivy::TantivyDocument>(15_000_000).unwrap();
        let mut commit = writer.prepare_commit().unwrap();
        commit.set_payload(&serde_json::to_string(&Mark { filled: true, ..mark }).unwrap());
        commit.commit().unwrap();
    }

    #[test]
    fn what_was_filled_is_taken_up_again() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path());
        assert_eq!(open(folder.path(), TABLE, NOW.plus_millis(MAX_AGE_MILLIS)), Ok(true));
        assert_eq!(open(folder.path(), TABLE, NOW.minus_days(1)), Ok(true), "a clock that was set back");
    }

    #[test]
    fn what_is_old_or_of_others_is_built_anew() {
        for (table, now) in [("eu-west-1/Another", NOW), (TABLE, NOW.plus_millis(MAX_AGE_MILLIS + 1))] {
            let folder = tempfile::tempdir().unwrap();
            filled(folder.path());
            assert_eq!(open(folder.path(), table, now), Ok(false), "{table} {now}");
            assert!(!folder.path().join(DAMAGED).exists());
        }
    }

    #[test]
    fn what_is_damaged_is_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{", "\0\0\0\0", r#"{"segments":[],"opstamp":0}"#] {
            filled(folder.path());
            fs::write(folder.path().join(INDEX).join(META), text).unwrap();
            assert_eq!(open(folder.path(), TABLE, NOW), Ok(false), "{text}");
            assert_eq!(fs::read_to_string(folder.path().join(DAMAGED).join(META)).unwrap(), text);
        }
    }

    #[test]
    fn one_process_uses_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let held = Place::open(Some(folder.path()), &Fields::new(), TABLE, NOW).unwrap();
        let refused = open(folder.path(), TABLE, NOW).unwrap_err().to_string();
        assert!(refused.ends_with("another process uses it"), "{refused}");
        drop(held);
        assert_eq!(open(folder.path(), TABLE, NOW), Ok(false));
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(open(&file, TABLE, NOW).unwrap_err().to_string().contains("cannot be made"));
    }
}
