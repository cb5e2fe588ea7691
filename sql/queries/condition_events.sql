-- The newest events of a table in the log, with their rows; ids grow with time.
SELECT e.id::text AS id, e.created_at, e.op, e.schema_name, e.table_name, e.xid::text AS xid,
    e.trigger_name, e.session, e.trace, e.old::text AS old, e.new::text AS new
FROM cdc_triggers.event_log e
JOIN cdc_triggers.captured_table c ON c.id = e.table_id
WHERE c.relid = %(oid)s AND e.op <> 'MANUAL'
    AND e.id >= %(from_id)s::uuid AND e.created_at >= coalesce(%(since)s::timestamptz, '-infinity')
ORDER BY e.id DESC
LIMIT %(limit)s
