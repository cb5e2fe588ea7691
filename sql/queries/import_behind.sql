-- Streams that run and have not read the log up to a place; how to tell that one runs: see admin_stream.
SELECT slot_name FROM cdc_triggers.stream
 WHERE holder IS NOT NULL AND clock_timestamp() - heartbeat_at <= interval '10 seconds'
   AND coalesce(received_lsn, '0/0') < %(lsn)s::pg_lsn
 ORDER BY slot_name
