-- Without these the engine reads its whole stream at every write. The engines of the core's tests have them too.
CREATE INDEX IF NOT EXISTS echoes_stream_table
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
CREATE INDEX IF NOT EXISTS echoes_stream_shard
    ON _stream_records (table_name, shard_id, CAST(sequence_number AS INTEGER));
CREATE INDEX IF NOT EXISTS echoes_stream_age ON _stream_records (created_at);
