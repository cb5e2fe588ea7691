-- All applied triggers, with their table's name as it is now; of one that was dropped, as it was applied.
SELECT t.name, coalesce(n.nspname, t.definition -> 'table' ->> 'schema', '') AS schema_name,
    coalesce(r.relname, concat(t.definition -> 'table' ->> 'name', ' (dropped)')) AS table_name,
    t.revision, t.paused, t.paused_at, t.created_at, t.updated_at, t.definition::text AS definition
FROM cdc_triggers.trigger t
JOIN cdc_triggers.captured_table c ON c.id = t.table_id
LEFT JOIN pg_catalog.pg_class r ON r.oid = c.relid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
ORDER BY t.name
