-- A page of events, newest first: walks the id index of every bucket (ids grow with time) and stops
-- at the limit. An event that is settled and was wanted by nobody has one line without a trigger.
WITH settled AS MATERIALIZED (
    -- As in admin_settled_at.sql.
    SELECT CASE WHEN count(*) = count(r.settled_at) THEN min(r.settled_at) END AS at
    FROM cdc_triggers.stream r
    WHERE r.generation > 0
        AND (EXISTS (SELECT FROM pg_catalog.pg_replication_slots l
                WHERE l.slot_name = r.slot_name AND l.database = current_database())
            OR r.heartbeat_at = (SELECT max(heartbeat_at) FROM cdc_triggers.stream WHERE generation > 0))
)
SELECT e.id::text AS id, e.created_at, e.op, e.schema_name, e.table_name,
    s.trigger_name AS trigger, coalesce(s.status, 'unmatched') AS status, coalesce(s.tries, 0) AS tries,
    s.last_error
FROM cdc_triggers.event_log e
LEFT JOIN LATERAL (
    SELECT d.trigger_name, CASE WHEN t.id IS NULL THEN 'archived' ELSE d.status END AS status, d.tries,
        d.last_error
    FROM cdc_triggers.delivery d
    LEFT JOIN cdc_triggers.trigger t ON t.id = d.trigger_id
    WHERE d.event_id = e.id
    UNION ALL
    SELECT a.trigger_name, 'delivered', max(a.attempt), NULL
    FROM cdc_triggers.attempt a
    WHERE a.event_id = e.id AND a.outcome = 'delivered'
        AND NOT EXISTS (
            SELECT FROM cdc_triggers.delivery d WHERE d.trigger_id = a.trigger_id AND d.event_id = e.id)
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
            SELECT FROM cdc_triggers.delivery d WHERE d.trigger_id = t.id AND d.event_id = e.id)
        AND NOT EXISTS (
            SELECT FROM cdc_triggers.attempt a
            WHERE a.event_id = e.id AND a.trigger_id = t.id AND a.outcome = 'delivered')
) s ON true
WHERE e.id >= %(from_id)s::uuid
    AND e.id < coalesce(%(before)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    AND e.created_at >= coalesce(%(since)s::timestamptz, '-infinity')
    AND (%(trigger)s::text IS NULL OR s.trigger_name = %(trigger)s)
    AND (%(status)s::text IS NULL OR s.status = %(status)s)
ORDER BY e.id DESC
LIMIT %(limit)s
