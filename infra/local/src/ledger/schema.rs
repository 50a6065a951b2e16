//! The SQL that the ledger adds to an engine's file: its own tables, the stream's indexes and the trigger that stamps writes.

use crate::layout::REPLICATED_TABLES;

/// The ledger's own tables.
///
/// `echoes_log.record_id` is `_stream_records.id`: an `AUTOINCREMENT`, so it never repeats and grows in commit order
/// over both tables, which is what lets one number be the checkpoint of a region.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS echoes_file (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), file_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS echoes_stamps (
    table_name TEXT NOT NULL, item_key TEXT NOT NULL, stamp_us INTEGER NOT NULL, origin TEXT NOT NULL,
    PRIMARY KEY (table_name, item_key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS echoes_incoming (
    table_name TEXT NOT NULL, item_key TEXT NOT NULL, stamp_us INTEGER NOT NULL, origin TEXT NOT NULL,
    PRIMARY KEY (table_name, item_key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS echoes_log (
    record_id INTEGER PRIMARY KEY, table_name TEXT NOT NULL, item_key TEXT NOT NULL,
    stamp_us INTEGER NOT NULL, origin TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS echoes_checkpoints (
    source_file_id TEXT PRIMARY KEY, record_id INTEGER NOT NULL) WITHOUT ROWID;
";

/// The indexes of the engine's stream.
const STREAM_INDEXES: &str = include_str!("stream_indexes.sql");

/// Everything [`super::Ledger::open`] runs, for the region named `region`. Running it again changes nothing.
///
/// The region's name stands in the trigger as a literal, since a trigger takes no parameters.
pub(super) fn statements(region: &str) -> String {
    format!("{TABLES}\n{STREAM_INDEXES}\nDROP TRIGGER IF EXISTS echoes_stamp_writes;\n{}", trigger(region))
}

/// Asks whether `table` holds an item whose time to live, in the attribute `?1`, ended before `?2` seconds since 1970: what
/// the engine's own sweep deletes.
pub(super) fn expired(table: &str) -> String {
    let table = table.replace('"', "\"\"");
    format!(
        "SELECT EXISTS (SELECT 1 FROM \"{table}\"
         WHERE CAST(json_extract(item_json, '$.\"' || ?1 || '\".N') AS INTEGER) BETWEEN 0 AND ?2 - 1)"
    )
}

/// The trigger runs inside the engine's own transaction, so a write and its stamp are stored together or not at all.
///
/// 1. It stamps the write. A replicated write keeps the stamp and origin that `echoes_incoming` holds for its key;
///    a local one takes the engine's sequence number (microseconds, growing), and always comes after what it replaces.
/// 2. The stamp becomes the item's stamp.
/// 3. The incoming row is used up: the next write of that key is a local one.
/// 4. Only local writes stay in the log, so nothing is forwarded twice and nothing can loop.
///
/// The engine writes `keys_json` in random member order, hence the sorted copy as `item_key`.
fn trigger(region: &str) -> String {
    let region = region.replace('\'', "''");
    let tables = REPLICATED_TABLES.map(|name| format!("'{name}'")).join(", ");
    format!(
        "CREATE TRIGGER echoes_stamp_writes AFTER INSERT ON _stream_records
WHEN NEW.table_name IN ({tables})
BEGIN
    INSERT INTO echoes_log (record_id, table_name, item_key, stamp_us, origin)
    SELECT NEW.id, NEW.table_name, k.item_key,
           COALESCE(i.stamp_us, MAX(CAST(NEW.sequence_number AS INTEGER), COALESCE(s.stamp_us, 0) + 1)),
           COALESCE(i.origin, '{region}')
    FROM (SELECT json_group_object(key, json(value) ORDER BY key) AS item_key FROM json_each(NEW.keys_json)) AS k
    LEFT JOIN echoes_incoming AS i ON i.table_name = NEW.table_name AND i.item_key = k.item_key
    LEFT JOIN echoes_stamps AS s ON s.table_name = NEW.table_name AND s.item_key = k.item_key;

    INSERT OR REPLACE INTO echoes_stamps (table_name, item_key, stamp_us, origin)
    SELECT table_name, item_key, stamp_us, origin FROM echoes_log WHERE record_id = NEW.id;

    DELETE FROM echoes_incoming WHERE table_name = NEW.table_name
        AND item_key = (SELECT item_key FROM echoes_log WHERE record_id = NEW.id);

    DELETE FROM echoes_log WHERE record_id = NEW.id AND origin <> '{region}';
END;"
    )
}
