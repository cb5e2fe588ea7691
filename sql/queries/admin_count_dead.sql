-- How many deliveries a redelivery of this trigger would put back.
SELECT count(*)
FROM cdc_triggers.delivery d
JOIN cdc_triggers.trigger t ON t.id = d.trigger_id
WHERE t.name = %(trigger)s AND d.event_id > %(after_id)s::uuid AND d.status = 'dead'
    AND d.created_at >= coalesce(%(since)s::timestamptz, '-infinity')
    AND coalesce(d.dead_at, '-infinity') <= %(died_by)s
