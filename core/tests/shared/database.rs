//! dynoxide in memory, with the indexes that the embedded cloud gives its engines.

use dynoxide::Database;

const STREAM_INDEXES: &str = include_str!("../../../infra/local/src/ledger/stream_indexes.sql");

/// An empty engine. In memory nobody but itself may speak SQL to it, so it begins as the copy of a file with the indexes.
pub fn in_memory() -> Database {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.db");
    let path = path.to_str().unwrap();
    drop(Database::new(path).unwrap());
    rusqlite::Connection::open(path).unwrap().execute_batch(STREAM_INDEXES).unwrap();
    let database = Database::memory().unwrap();
    database.restore_from(path).unwrap();
    database
}
