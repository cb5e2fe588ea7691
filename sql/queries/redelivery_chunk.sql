-- Which dead deliveries of a trigger come next, and of what they died; walks the index by (trigger, event).
SELECT d.id, d.event_id::text AS event_id, coalesce(left(d.last_error, 300), '') AS error
FROM cdc_triggers.delivery d
WHERE d.trigger_id = (SELECT t.id FROM cdc_triggers.trigger t WHERE t.name = %(trigger)s)
    AND d.event_id > %(after_id)s::uuid AND d.status = 'dead'
    AND d.created_at >= coalesce(%(since)s::timestamptz, '-infinity')
    AND coalesce(d.dead_at, '-infinity') <= %(died_by)s
ORDER BY d.event_id
LIMIT %(limit)s
