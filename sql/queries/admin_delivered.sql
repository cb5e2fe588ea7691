-- A page of what was delivered, newest event first: walks the attempt log's index on event_id. Of an
-- event that was delivered again only the last time counts, and none while it is owed once more.
SELECT a.event_id::text AS id, coalesce(e.created_at, a.started_at) AS created_at,
    coalesce(e.op, '') AS op, coalesce(e.schema_name, '') AS schema_name,
    coalesce(e.table_name, '') AS table_name, a.trigger_name AS trigger, 'delivered' AS status,
    a.attempt AS tries, NULL AS last_error
FROM cdc_triggers.attempt a
LEFT JOIN LATERAL (
    SELECT l.created_at, l.op, l.schema_name, l.table_name
    FROM cdc_triggers.event_log l WHERE l.id = a.event_id LIMIT 1
) e ON true
WHERE a.outcome = 'delivered'
    AND a.event_id >= %(from_id)s::uuid
    AND a.event_id < coalesce(%(before)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    AND coalesce(e.created_at, a.started_at) >= coalesce(%(since)s::timestamptz, '-infinity')
    AND (%(trigger)s::text IS NULL OR a.trigger_name = %(trigger)s)
    AND (SELECT count(*) FROM cdc_triggers.attempt b
         WHERE b.event_id = a.event_id AND b.trigger_id = a.trigger_id AND b.outcome = 'delivered'
             AND b.started_at > a.started_at) = 0
    AND (SELECT count(*) FROM cdc_triggers.delivery d
         WHERE d.event_id = a.event_id AND d.trigger_id = a.trigger_id) = 0
ORDER BY a.event_id DESC
LIMIT %(limit)s
