-- A page of what is parked, dead or archived, newest event first: walks the index on event_id.
SELECT d.event_id::text AS id, d.created_at, d.op, d.schema_name, d.table_name,
    d.trigger_name AS trigger, CASE WHEN t.id IS NULL THEN 'archived' ELSE d.status END AS status,
    d.tries, d.last_error
FROM cdc_triggers.delivery d
LEFT JOIN cdc_triggers.trigger t ON t.id = d.trigger_id
WHERE d.event_id >= %(from_id)s::uuid
    AND d.event_id < coalesce(%(before)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    AND d.created_at >= coalesce(%(since)s::timestamptz, '-infinity')
    AND (%(trigger)s::text IS NULL OR d.trigger_name = %(trigger)s)
    AND (%(status)s::text IS NULL OR CASE WHEN t.id IS NULL THEN 'archived' ELSE d.status END = %(status)s)
ORDER BY d.event_id DESC
LIMIT %(limit)s
