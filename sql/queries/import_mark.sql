-- A place in the WAL behind all that has been committed.
SELECT pg_catalog.pg_logical_emit_message(false, 'cdc_triggers_import', '')::text
