-- A window of a trigger's dead deliveries, those that died last first: walks the index on dead_at.
SELECT d.event_id::text AS id, d.created_at, d.op, d.schema_name, d.table_name, d.key, d.tries, d.dead_at,
    left(d.last_error, 300) AS last_error
FROM cdc_triggers.delivery d
WHERE d.trigger_id = (SELECT t.id FROM cdc_triggers.trigger t WHERE t.name = %(trigger)s)
    AND d.status = 'dead'
    AND d.dead_at <= coalesce(%(died_before)s::timestamptz, 'infinity')
    AND (d.dead_at, d.event_id) < (coalesce(%(died_before)s::timestamptz, 'infinity'),
        coalesce(%(before)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY d.dead_at DESC, d.event_id DESC
LIMIT %(window)s
