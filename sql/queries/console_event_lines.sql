-- What became of these events, a line for each trigger; one that nobody wanted has a line without. The key
-- is that of its table, of rows that are small enough to be looked into for it.
WITH settled AS MATERIALIZED (
    -- As in admin_settled_at.sql.
    SELECT CASE WHEN count(*) = count(r.settled_at) THEN min(r.settled_at) END AS at
    FROM cdc_triggers.stream r
    WHERE r.generation > 0
        AND (EXISTS (SELECT FROM pg_catalog.pg_replication_slots l
                WHERE l.slot_name = r.slot_name AND l.database = current_database())
            OR r.heartbeat_at = (SELECT max(heartbeat_at) FROM cdc_triggers.stream WHERE generation > 0))
), keyed AS MATERIALIZED (
    SELECT c.id, array_agg(a.attname::text ORDER BY k.place) AS names
    FROM cdc_triggers.captured_table c
    CROSS JOIN LATERAL unnest(c.key_attnums) WITH ORDINALITY k (attnum, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.relid AND a.attnum = k.attnum
    GROUP BY c.id
)
SELECT wanted.id::text AS id,
    coalesce(e.created_at, (SELECT min(a.started_at) FROM cdc_triggers.attempt a WHERE a.event_id = wanted.id)) AS created_at,
    coalesce(e.op, '') AS op, coalesce(e.schema_name, '') AS schema_name, coalesce(e.table_name, '') AS table_name,
    CASE WHEN json_typeof(e.row) = 'object' THEN left(array_to_string(ARRAY(
        SELECT e.row ->> n.name FROM keyed, unnest(keyed.names) n (name) WHERE keyed.id = e.table_id), ','), 80) END AS key,
    s.trigger_name AS trigger, coalesce(s.status, 'unmatched') AS status, coalesce(s.tries, 0) AS tries,
    left(s.last_error, 300) AS last_error
FROM unnest(%(ids)s::uuid[]) wanted (id)
LEFT JOIN LATERAL (
    SELECT l.created_at, l.op, l.schema_name, l.table_name, l.table_id, l.xid, l.trigger_name, 1 AS source,
        CASE WHEN pg_column_size(coalesce(l.new, l.old)) < 8192 THEN coalesce(l.new, l.old) END AS row
    FROM cdc_triggers.event_log l WHERE l.id = wanted.id
    UNION ALL
    SELECT d.created_at, d.op, d.schema_name, d.table_name, d.table_id, d.xid,
        CASE WHEN d.op = 'MANUAL' THEN d.trigger_name END, 2,
        CASE WHEN pg_column_size(coalesce(d.new, d.old)) < 8192 THEN coalesce(d.new, d.old) END
    FROM cdc_triggers.delivery d WHERE d.event_id = wanted.id
    ORDER BY source LIMIT 1
) e ON true
LEFT JOIN LATERAL (
    SELECT d.trigger_name, CASE WHEN t.id IS NULL THEN 'archived' ELSE d.status END AS status, d.tries,
        d.last_error
    FROM cdc_triggers.delivery d
    LEFT JOIN cdc_triggers.trigger t ON t.id = d.trigger_id
    WHERE d.event_id = wanted.id
    UNION ALL
    SELECT a.trigger_name, 'delivered', max(a.attempt), NULL
    FROM cdc_triggers.attempt a
    WHERE a.event_id = wanted.id AND a.outcome = 'delivered'
        AND NOT EXISTS (
            SELECT FROM cdc_triggers.delivery d WHERE d.trigger_id = a.trigger_id AND d.event_id = wanted.id)
    GROUP BY a.trigger_id, a.trigger_name
    UNION ALL
    -- Not settled yet: the triggers that listen to this operation, applied before the event.
    SELECT t.name, 'pending', 0, NULL
    FROM cdc_triggers.trigger t
    WHERE t.table_id = e.table_id
        AND e.created_at > coalesce((SELECT at FROM settled), '-infinity')
        AND CASE WHEN e.op = 'MANUAL' THEN t.name = e.trigger_name
            ELSE (e.trigger_name IS NULL OR e.trigger_name = t.name)
                AND coalesce(t.definition -> 'definition' ->> lower(e.op), t.definition ->> lower(e.op))
                IS NOT NULL END
        AND EXISTS (
            SELECT FROM cdc_triggers.trigger_revision r
            WHERE r.trigger_id = t.id AND NOT pg_visible_in_snapshot(e.xid, r.applied_snapshot))
        AND NOT EXISTS (
            SELECT FROM cdc_triggers.delivery d WHERE d.trigger_id = t.id AND d.event_id = wanted.id)
        AND NOT EXISTS (
            SELECT FROM cdc_triggers.attempt a
            WHERE a.event_id = wanted.id AND a.trigger_id = t.id AND a.outcome = 'delivered')
) s ON true
ORDER BY wanted.id DESC, s.trigger_name
