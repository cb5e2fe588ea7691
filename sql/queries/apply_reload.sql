-- A running stream sees it in commit order, and reloads at that very place.
SELECT pg_catalog.pg_logical_emit_message(true, 'cdc_triggers', 'reload')
