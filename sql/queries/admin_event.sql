-- One event: from the log, or from a delivery's copy when the ring has moved on.
SELECT id::text AS id, created_at, op, schema_name, table_name, xid::text AS xid, trigger_name,
    session, trace, old::text AS old, new::text AS new
FROM (
    SELECT 1 AS source, id, created_at, op, schema_name, table_name, xid, trigger_name, session, trace,
        old, new
    FROM cdc_triggers.event_log WHERE id = %(id)s::uuid
    UNION ALL
    SELECT 2, event_id, created_at, op, schema_name, table_name, xid,
        CASE WHEN op = 'MANUAL' THEN trigger_name END, session, trace, old, new
    FROM cdc_triggers.delivery WHERE event_id = %(id)s::uuid
) e
ORDER BY source
LIMIT 1
