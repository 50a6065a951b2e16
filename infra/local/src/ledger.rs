//! What replication must remember about a region, kept in that region's own engine file.
//!
//! The ledger is a second SQLite connection to the file that the engine writes. Its tables hold the stamp of every
//! item's last write, the log of local writes that other regions wait for, and how far each other region's log has
//! been taken here. A trigger fills the first two inside the engine's transactions (see `ledger/schema.rs`), so a crash
//! between any two lines loses nothing and no attribute is ever added to an item.
//!
//! Only the replicator and housekeeping write through this connection, and only while they hold the region's gate
//! exclusively (or, at the start, before anybody else writes): the engine therefore never meets a lock that it does not
//! know of. A third connection reads only.

mod schema;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echoes_shared::Region;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, params};

/// When and where an item was last written. The greater one wins: later by microsecond, then by region name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Microseconds since 1970, growing with every write of an item in one region.
    pub stamp_us: i64,
    /// The region whose client wrote.
    pub origin: String,
}

/// One local write that other regions may still need.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Its place in the region's log.
    pub record_id: i64,
    /// The table it belongs to.
    pub table_name: String,
    /// The item's key as DynamoDB JSON with sorted members.
    pub item_key: String,
    /// The write's stamp.
    pub stamp: Stamp,
    /// The whole item as DynamoDB JSON after the write; `None` is a delete.
    pub image: Option<String>,
}

/// The ledger of one region. Calls block on SQLite for well under a millisecond to a few milliseconds.
#[derive(Debug)]
pub struct Ledger {
    connection: Mutex<Connection>,
    /// For long reads, which must not hold up the replicator.
    reader: Mutex<Connection>,
    file_id: String,
}

/// How long a connection waits for another's lock.
const BUSY: Duration = Duration::from_secs(10);

type Result<T> = rusqlite::Result<T>;

impl Ledger {
    /// Opens the ledger in the engine's file at `path`, which the engine must have created, and forgets the context
    /// of replicated writes that a crash interrupted.
    ///
    /// # Errors
    /// SQLite's, when the file cannot be opened or changed.
    pub fn open(path: &Path, region: Region) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(&schema::statements(region.as_str()))?;
        connection.execute("DELETE FROM echoes_incoming", [])?;
        connection.execute(
            "INSERT OR IGNORE INTO echoes_file (only_row, file_id) VALUES (1, ?1)",
            [uuid::Uuid::new_v4().to_string()],
        )?;
        let file_id = connection.query_row("SELECT file_id FROM echoes_file", [], |row| row.get(0))?;
        let reader = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        reader.busy_timeout(BUSY)?;
        Ok(Self { connection: Mutex::new(connection), reader: Mutex::new(reader), file_id })
    }

    /// Names this file: a region whose file was thrown away starts a new log, and old checkpoints must not fit it.
    #[must_use]
    pub fn file_id(&self) -> &str {
        &self.file_id
    }

    /// Local writes after `after_record_id`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// SQLite's; also when the stream lacks the image of a write, which must not pass for a delete.
    pub fn outgoing(&self, after_record_id: i64, limit: usize) -> Result<Vec<Outgoing>> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT l.record_id, l.table_name, l.item_key, l.stamp_us, l.origin,
                    r.new_image, r.event_name = 'REMOVE'
             FROM echoes_log AS l JOIN _stream_records AS r ON r.id = l.record_id
             WHERE l.record_id > ?1 ORDER BY l.record_id LIMIT ?2",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        statement
            .query_map(params![after_record_id, limit], |row| {
                Ok(Outgoing {
                    record_id: row.get(0)?,
                    table_name: row.get(1)?,
                    item_key: row.get(2)?,
                    stamp: Stamp { stamp_us: row.get(3)?, origin: row.get(4)? },
                    image: if row.get(6)? { None } else { Some(row.get(5)?) },
                })
            })?
            .collect()
    }

    /// How far the log of the file `source_file_id` has been taken here; 0 when nothing has.
    ///
    /// # Errors
    /// SQLite's.
    pub fn checkpoint(&self, source_file_id: &str) -> Result<i64> {
        let connection = self.connection();
        let found = connection
            .prepare_cached("SELECT record_id FROM echoes_checkpoints WHERE source_file_id = ?1")?
            .query_row([source_file_id], |row| row.get(0))
            .optional()?;
        Ok(found.unwrap_or(0))
    }

    /// Keeps the ids of writes to come above `record_id`, so that none is taken for one that a region has already.
    ///
    /// A power cut may take back the last writes of one file while another has their checkpoint: without this the ids
    /// would be given out again, and the writes that get them passed over.
    ///
    /// # Errors
    /// SQLite's.
    pub fn raise_record_ids(&self, record_id: i64) -> Result<()> {
        const TABLE: &str = "_stream_records";
        self.transaction(|transaction| {
            // `sqlite_sequence` has no row for a table that was never written, and no key to replace one by.
            let known = transaction.execute(
                "UPDATE sqlite_sequence SET seq = MAX(seq, ?2) WHERE name = ?1",
                params![TABLE, record_id],
            )?;
            if known == 0 {
                transaction
                    .execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", params![TABLE, record_id])?;
            }
            Ok(())
        })
    }

    /// Whether a table with a time to live holds an item that expired before `now_seconds` since 1970. Reads all of
    /// them, on a connection of its own: nobody waits for it.
    ///
    /// # Errors
    /// SQLite's.
    pub fn has_expired(&self, now_seconds: i64) -> Result<bool> {
        let connection = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tables = connection.prepare_cached(
            "SELECT table_name, ttl_attribute FROM _tables WHERE ttl_enabled = 1 AND ttl_attribute IS NOT NULL",
        )?;
        let tables =
            tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<(String, String)>>>()?;
        for (table, attribute) in tables {
            let expired =
                connection.query_row(&schema::expired(&table), params![attribute, now_seconds], |row| row.get(0))?;
            if expired {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The stamp of an item's last write, deletes included; `None` when it was never written.
    ///
    /// # Errors
    /// SQLite's.
    pub fn stamp(&self, table_name: &str, item_key: &str) -> Result<Option<Stamp>> {
        self.connection()
            .prepare_cached("SELECT stamp_us, origin FROM echoes_stamps WHERE table_name = ?1 AND item_key = ?2")?
            .query_row([table_name, item_key], |row| Ok(Stamp { stamp_us: row.get(0)?, origin: row.get(1)? }))
            .optional()
    }

    /// Announces replicated writes, so that the trigger gives them their source's stamp.
    ///
    /// # Errors
    /// SQLite's; then nothing is announced.
    pub fn announce(&self, writes: &[Outgoing]) -> Result<()> {
        self.transaction(|transaction| {
            transaction.execute("DELETE FROM echoes_incoming", [])?;
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO echoes_incoming (table_name, item_key, stamp_us, origin) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for write in writes {
                let stamp = &write.stamp;
                insert.execute(params![write.table_name, write.item_key, stamp.stamp_us, stamp.origin])?;
            }
            Ok(())
        })
    }

    /// Ends an application: stores the stamps of `writes`, forgets what was announced and moves the checkpoint, at once.
    ///
    /// The stamps are stored here as well as by the trigger because a delete of an absent item leaves no stream record.
    ///
    /// # Errors
    /// SQLite's; then the batch will be applied again, which changes nothing.
    pub fn settle(&self, writes: &[Outgoing], source_file_id: &str, record_id: i64) -> Result<()> {
        self.transaction(|transaction| {
            let mut upsert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO echoes_stamps (table_name, item_key, stamp_us, origin) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for write in writes {
                let stamp = &write.stamp;
                upsert.execute(params![write.table_name, write.item_key, stamp.stamp_us, stamp.origin])?;
            }
            transaction.execute("DELETE FROM echoes_incoming", [])?;
            transaction
                .prepare_cached("INSERT OR REPLACE INTO echoes_checkpoints (source_file_id, record_id) VALUES (?1, ?2)")?
                .execute(params![source_file_id, record_id])?;
            Ok(())
        })
    }

    /// Forgets what was announced, after an application that failed.
    ///
    /// # Errors
    /// SQLite's.
    pub fn retract(&self) -> Result<()> {
        self.connection().execute("DELETE FROM echoes_incoming", []).map(drop)
    }

    /// How many local writes come after `record_id`.
    ///
    /// # Errors
    /// SQLite's.
    pub fn count_after(&self, record_id: i64) -> Result<u64> {
        self.connection()
            .prepare_cached("SELECT COUNT(*) FROM echoes_log WHERE record_id > ?1")?
            .query_row([record_id], |row| row.get(0))
    }

    /// Drops log entries up to `taken_record_id`, which every region has, and stream records older than
    /// `older_than_seconds` (since 1970) that are in nobody's way. Answers how many stream records went.
    ///
    /// # Errors
    /// SQLite's; then nothing is dropped.
    pub fn trim(&self, taken_record_id: i64, older_than_seconds: i64) -> Result<usize> {
        self.transaction(|transaction| {
            transaction.execute("DELETE FROM echoes_log WHERE record_id <= ?1", [taken_record_id])?;
            transaction.execute(
                "DELETE FROM _stream_records WHERE created_at < ?1
                 AND NOT EXISTS (SELECT 1 FROM echoes_log WHERE record_id = _stream_records.id)",
                [older_than_seconds],
            )
        })
    }

    fn transaction<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// A panic elsewhere leaves no half-made state behind, since every change is a transaction: poison is ignored.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
